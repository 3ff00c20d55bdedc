"""A shard folder of the synthetic source's motion, with its cameras and frame rate."""

from __future__ import annotations

from pathlib import Path

from pose_diffusion.config import SyntheticConfig
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.motion import synthetic
from pose_diffusion.runtime.executor import LocalExecutor
from tests.data.poses import write_folder

SETTINGS = SyntheticConfig(subjects=["S1", "S8"], actions=["Walking", "Discussion"], frames=60, kernels=2)


def write(folder: Path, files: int = 1, rate: bool = True, cameras: bool = True) -> str:
    """16 sequences of 60 frames, those of each person in `files` files."""
    source = synthetic.open_source(Inputs("", 0, "fail", ()), SETTINGS, LocalExecutor())
    sequences = [lazy.load() for lazy in source.sequences]
    parts = {f"split=train/part-{n:05d}.parquet": sequences[n::files] for n in range(files)}
    manifest = write_folder(folder, parts, source.cameras if cameras else {})
    described = source.description if rate else {"converter": "synthetic"}
    manifests.write(str(folder), manifest.model_copy(update={"source": described}))
    return str(folder)
