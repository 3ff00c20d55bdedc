"""A shard folder of random poses, for reading, training and lifting at full speed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks import reference_loops
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data import schema, shards
from pose_diffusion.data.manifest import Manifest, ShardFile
from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.geometry.skeleton import JOINTS


def write(folder: str, split: str, rows: int, files: int) -> Manifest:
    """Writes so many rows into so many files of one split, and the manifest, which it returns. Local or s3://."""
    per_file = -(-rows // files)

    def one(number: int) -> ShardFile:
        sequence = _sequence(f"Random {number}", min(per_file, rows - number * per_file), number)
        return shards.write(folder, f"split={split}/part-{number:05d}.parquet", split, [sequence])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        written = list(pool.map(one, range(-(-rows // per_file))))
    made = Manifest(
        version=schema.VERSION, kernels=reference_loops.KERNELS, joints=list(JOINTS), cameras={}, source={"converter": "bench"},
        settings={}, files=written,
    )  # fmt: skip
    manifests.write(folder, made)
    return made


def _sequence(action: str, rows: int, seed: int) -> PoseSequence:
    mixture, pose = (column.numpy() for column in reference_loops.poses(rows, seed))
    root = np.tile(np.array([0, 0, 5], np.float32), (rows, 1))
    return PoseSequence("S1", action, "camera", np.arange(rows, dtype=np.int32), mixture, 1000, 1000, pose, root)
