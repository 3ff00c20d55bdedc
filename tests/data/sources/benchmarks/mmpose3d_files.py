"""Writes MMPose's body3d annotations of Human3.6M, as its converters do."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pose_diffusion.geometry import camera as cameras
from pose_diffusion.geometry.camera import h36m_cameras

CAMERA = "54138969"
FRAMES = 3


def write(folder: Path, **changes: np.ndarray) -> dict[str, np.ndarray]:
    """Two sequences, rows out of order; 'part' is the projection of 'S' without distortion."""
    camera = h36m_cameras()["S1"][CAMERA]
    rng = np.random.default_rng(0)
    joints = rng.normal(0, 0.3, (2 * FRAMES, 17, 3)) + [0, 0, 5]
    pixels = cameras.to_pixels(camera.project(joints, distort=False), camera.width, camera.height)
    ones = np.ones((2 * FRAMES, 17, 1))
    names = [f"S1_{action}.{CAMERA}_{frame:06d}.jpg" for frame in (3, 1, 2) for action in ("Directions_1", "WalkDog")]
    arrays = {
        "imgname": np.array(names),
        "part": np.concatenate([pixels, ones], axis=2).astype(np.float32),
        "S": np.concatenate([joints, ones], axis=2).astype(np.float32),
    } | changes
    np.savez(folder / "a.npz", **arrays)
    return arrays
