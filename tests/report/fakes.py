"""Plausible predictions of known sequences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from pose_diffusion.data import predictions, schema
from pose_diffusion.data.mixture import from_points
from pose_diffusion.data.recording import SOURCES, Recording
from pose_diffusion.data.sequence import PoseSequence

# (subject, action, camera, frames, stride); whole names differ where a prefix would not tell them apart.
SEQUENCES = (
    ("S9", "Sitting 1", "c1", 31, 1),
    ("S9", "SittingDown", "c1", 12, 1),
    ("S9", "SittingDown", "c2", 12, 1),
    ("S11", "Sitting", "c1", 25, 4),
    ("S11", "Walking 2", "c2", 40, 1),
    ("S11", "Photo", "c2", 1, 1),
)
# A standing person, metres, camera axes: x right, y down, z away.
_REST = np.array(
    [
        *((0, 0, 0), (-0.13, 0, 0), (-0.14, 0.45, 0.02), (-0.14, 0.88, 0.1)),
        *((0.13, 0, 0), (0.14, 0.45, 0.02), (0.14, 0.88, 0.1)),
        *((0, -0.24, 0.01), (0, -0.5, 0), (0, -0.58, -0.05), (0, -0.7, -0.02)),
        *((0.16, -0.45, 0), (0.22, -0.18, 0.04), (0.2, 0.05, -0.06)),
        *((-0.16, -0.45, 0), (-0.22, -0.18, 0.04), (-0.2, 0.05, -0.06)),
    ]
)

Run = Callable[..., list[str]]


def motion(frames: int, rng: np.random.Generator) -> np.ndarray:
    """(frames, 17, 3) metres: a standing person whose joints swing."""
    time = np.linspace(0, 4 * np.pi, frames)[:, None, None]
    swing = rng.uniform(0.02, 0.12, (1, 17, 3)) * np.sin(time + rng.uniform(0, 6, (1, 17, 3)))
    pose = _REST + swing
    return (pose - pose[:, :1]).astype(np.float32)


def table(
    truth: bool = True,
    hypotheses: int = 1,
    names: Callable[[str], str] = str,
    seed: int = 0,
    smoothed: bool = False,
    recorded: bool = False,
) -> pa.Table:
    """Predictions of all sequences: lifter about 60 mm off, diffusion about 45 mm, some poses much worse than others.

    recorded: at 50 frames a second, with known cameras but for camera c1 of S9; people are 1.5 to 25 m away.
    """
    rng = np.random.default_rng(seed)
    rows, poses = [], []
    for subject, action, camera, frames, stride in SEQUENCES:
        pose = motion(frames, rng)
        mixture = from_points(pose[..., :2] / 2.5, 0.01)
        frame = (np.arange(frames) * stride).astype(np.int32)
        root = np.linspace([0.5, 1, 1.5], [-2, 0.2, 25], frames, dtype=np.float32)
        known = {"pose_3d": pose, "root_3d": root} if truth else {}
        rows.append(schema.to_table(PoseSequence(subject, names(action), camera, frame, mixture, 1000, 1002, **known)))
        poses.append(pose)
    pose = np.concatenate(poses)
    size = rng.gamma(3, 1 / 3, (len(pose), 1, 1))
    noisy = {
        k: (pose + s * size * rng.normal(0, 1, pose.shape)).astype(np.float32)
        for k, s in (("lifter", 0.04), ("diffusion", 0.03))
    }
    spread, drawn = None, None
    if hypotheses > 1:
        draws = noisy["diffusion"][:, None] + 0.03 * size[:, None] * rng.normal(0, 1, (len(pose), hypotheses, 17, 3))
        drawn = draws.astype(np.float32)
        noisy["diffusion"] = drawn.mean(1)
        spread = 1000 * np.sqrt(np.square(drawn - drawn.mean(1, keepdims=True)).sum(-1).mean(1))
    if smoothed:
        noisy["smoothed"] = (pose + noisy["diffusion"]) / 2
    whole = pa.concat_tables(rows).unify_dictionaries()
    return predictions.build(whole, noisy, spread, drawn, recording=recording(whole) if recorded else None)


def recording(rows: pa.Table) -> Recording:
    """Cameras rolled and pitched, one of them unknown."""
    unknown = np.array([row["subject"] == "S9" and row["camera"] == "c1" for row in rows.to_pylist()])
    up = np.tile(np.array([0.1, -0.9, -0.3]) / np.linalg.norm([0.1, -0.9, -0.3]), (len(rows), 1))
    up[unknown] = np.nan
    return Recording(up, np.where(unknown, SOURCES.index("image_diagonal"), SOURCES.index("known")), 50.0)


def write(folder: Path, rows: pa.Table, per_file: int = 1000) -> list[str]:
    """Writes predictions as files of so many rows; returns their paths."""
    paths = []
    for number, start in enumerate(range(0, len(rows), per_file)):
        paths.append(str(folder / "split=test" / f"part-{number:05d}.parquet"))
        predictions.write(paths[-1], rows.slice(start, per_file))
    return paths
