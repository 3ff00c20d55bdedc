"""Small shard folders for tests."""

import numpy as np

from pose_diffusion.data import manifest as manifests
from pose_diffusion.data import mixture, schema, shards
from pose_diffusion.data.manifest import Manifest
from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.geometry.skeleton import JOINTS


def sequence(subject="S1", action="Walking 1", camera="c1", rows=20, kernels=3, seed=0, with_3d=True) -> PoseSequence:
    """A sequence of random poses; the same arguments give the same poses."""
    rng = np.random.default_rng([seed, rows, *map(ord, subject + action + camera)])
    kernel = rng.random((rows, 17, kernels, 5)).astype(np.float32)
    pose = rng.normal(0, 0.3, (rows, 17, 3)).astype(np.float32)
    return PoseSequence(
        subject,
        action,
        camera,
        np.arange(rows, dtype=np.int32),
        mixture.normalise(kernel),
        1000,
        1000,
        pose - pose[:, :1] if with_3d else None,
        pose[:, 0] if with_3d else None,
    )


def write_folder(folder, files: dict[str, list[PoseSequence]], cameras: dict[str, dict] | None = None) -> Manifest:
    """Writes 'split=train/part-00000.parquet' -> sequences, and the manifest, which describes 'subject/camera' -> camera."""
    written = [
        shards.write(str(folder), path, path.split("/")[0].removeprefix("split="), sequences)
        for path, sequences in files.items()
    ]
    kernels = next(iter(files.values()))[0].mixture.shape[2]
    manifest = Manifest(
        version=schema.VERSION,
        kernels=kernels,
        joints=list(JOINTS),
        cameras=cameras or {},
        source={},
        settings={},
        files=written,
    )
    manifests.write(str(folder), manifest)
    return manifest
