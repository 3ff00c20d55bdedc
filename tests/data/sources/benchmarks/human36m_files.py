"""Writes small files in the form in which Human3.6M is published for 2D-to-3D lifting."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pose_diffusion.geometry import camera as cameras
from pose_diffusion.geometry.camera import h36m_cameras
from pose_diffusion.geometry.skeleton import H36M_32

FRAMES, KERNELS = 5, 3
KEYS = [("S1", "Walking"), ("S1", "Walking 1"), ("S9", "Sitting")]


def world(subject: str, action: str) -> np.ndarray:
    """(T, 32, 3) metres near the middle of the room."""
    rng = np.random.default_rng(len(subject + action))
    return (rng.normal(0, 0.3, (FRAMES, 32, 3)) + [0, 0, 1]).astype(np.float32)


def pixels(subject: str, action: str, extra: int = 0) -> list[np.ndarray]:
    """What each camera sees of `world`, with `extra` frames after its end: 4 x (T + extra, 17, 2)."""
    joints = world(subject, action)[:, H36M_32]
    joints = np.concatenate([joints, joints[:extra]])
    return [
        cameras.to_pixels(camera.project(camera.to_camera(joints)), camera.width, camera.height)
        for camera in h36m_cameras()[subject].values()
    ]


def mixtures(subject: str, action: str) -> list[np.ndarray]:
    """4 x (T, 17, K, 5): the second kernel is the heaviest and holds the joint; sigma 8 and 4 pixels."""
    found = []
    for points in pixels(subject, action):
        mixture = np.full((FRAMES, 17, KERNELS, 5), 100, np.float32)
        mixture[..., 0] = [1, 2, 1]
        mixture[:, :, 1, 1:3] = points
        mixture[..., 3:] = [8, 4]
        found.append(mixture)
    return found


def write(folder: Path, poses: dict | None = None, detections: dict | None = None) -> None:
    """Both files; a dict changes the sequences of one ((subject, action) -> value, None leaves it out)."""
    for name, key, make, changes in (("3d", "positions_3d", world, poses), ("2d", "positions_2d", mixtures, detections)):
        nested: dict = {}
        for at in dict.fromkeys([*KEYS, *(changes or {})]):
            value = (changes or {}).get(at, False)
            value = make(*at) if value is False else value
            if value is not None:
                nested.setdefault(at[0], {})[at[1]] = value
        np.savez(folder / f"{name}.npz", **{key: np.array(nested, dtype=object)})
