"""Shard folders of the same sequences, cut into files in different ways, and a video bundle with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from pose_diffusion.data import predictions
from pose_diffusion.data.manifest import Manifest
from pose_diffusion.data.schema import tensor_values
from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.inference.video_bundle import save_video_bundle
from tests.data.poses import sequence, write_folder
from tests.inference.videos import MODEL, random_network


def write_video_bundle(folder: Path, seed: int = 0) -> str:
    save_video_bundle(str(folder), MODEL, random_network(seed).state_dict())
    return str(folder)


def sequences() -> list[PoseSequence]:
    """80 poses of four sequences, one with a hole and one of a single frame."""
    walking = sequence("S9", "Walking", rows=50)
    walking.frame[20:] += 200
    others = [sequence("S9", "Sitting", rows=1), sequence("S9", "Posing", rows=20), sequence("S11", "Posing", rows=9)]
    return [walking, *others]


def write_cut(folder: Path, cuts: Sequence[int], cameras: dict[str, dict] | None = None) -> Manifest:
    """The sequences in files that end before these rows of them all."""
    files: dict[str, list[PoseSequence]] = {}
    edges = [0, *cuts, 80]
    start = 0
    for whole in sequences():
        stop = start + len(whole)
        for number, (low, high) in enumerate(pairwise(edges)):
            first, last = max(low, start) - start, min(high, stop) - start
            if first < last:
                files.setdefault(f"split=test/part-{number:05d}.parquet", []).append(part(whole, slice(first, last)))
        start = stop
    return write_folder(folder, files, cameras)


def write_long_sequence(folder: Path, files: int, rows: int) -> Manifest:
    """One sequence in so many files of so many rows each."""
    whole = sequence("S9", "Walking", rows=files * rows)
    parts = (part(whole, slice(number * rows, (number + 1) * rows)) for number in range(files))
    return write_folder(folder, {f"split=test/part-{number:05d}.parquet": [one] for number, one in enumerate(parts)})


def part(whole: PoseSequence, rows: slice) -> PoseSequence:
    assert whole.pose_3d is not None and whole.root_3d is not None
    kept = {"frame": whole.frame[rows], "mixture": whole.mixture[rows]}
    return replace(whole, **kept, pose_3d=whole.pose_3d[rows], root_3d=whole.root_3d[rows])


def predicted(output: Path | str, column: str = "pose_3d") -> np.ndarray:
    """A column of all predictions, in the order of the shards."""
    paths = sorted(Path(output, "predictions").rglob("*.parquet"))
    return np.concatenate([tensor_values(predictions.read(str(path))[column]) for path in paths])
