"""Small archives to lift, a small model, and what their predictions hold."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from pose_diffusion import storage
from pose_diffusion.config import Config, DiffusionConfig, ModelConfig, loading
from pose_diffusion.data import predictions
from pose_diffusion.data.manifest import Manifest
from pose_diffusion.inference.bundle import save_bundle
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Lifter
from tests.data.poses import sequence, write_folder


def write_bundle(folder: Path, seed: int = 0) -> str:
    """A bundle with random weights, as small as bundles get."""
    torch.manual_seed(seed)
    model = ModelConfig(width=8, layers=1, heads=2)
    save_bundle(str(folder), model, DiffusionConfig(), Lifter(model).state_dict(), Denoiser(model).state_dict())
    return str(folder)


def write_archive(folder: Path | str, files: int = 4, rows: int = 30, with_3d: bool = True) -> Manifest:
    """A test split of so many files of one sequence each."""
    return write_folder(
        folder,
        {
            f"split=test/part-{i:05d}.parquet": [sequence("S9", f"Walking {i}", rows=rows, with_3d=with_3d)]
            for i in range(files)
        },
    )


def settings(bundle: str, archive: Path | str, output: Path | str, *overrides: str) -> Config:
    return loading.load(
        None, [f"infer.bundle={bundle}", f"infer.input={archive}", f"infer.output={output}", "infer.threads=1", *overrides]
    )


def hashes(output: Path | str) -> dict[str, str]:
    """SHA-256 of each prediction file."""
    root = Path(output) / "predictions"
    return {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in storage.list_files(str(root), ".parquet")}


def keys(output: Path | str) -> list[tuple]:
    """(subject, action, camera, frame) of every predicted pose, sorted."""
    found = []
    for path in Path(output, "predictions").rglob("*.parquet"):
        table = predictions.read(str(path), ["subject", "action", "camera", "frame"])
        found += zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
    return sorted(found)
