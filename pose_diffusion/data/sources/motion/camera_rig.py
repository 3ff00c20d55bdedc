"""Virtual camera rigs for motion that was captured without cameras: Human3.6M's, or a ring."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pose_diffusion.config import MocapConfig
from pose_diffusion.geometry.camera import Camera, h36m_cameras

_LOOK_AT = 0.9  # metres over the floor
_HEIGHT = 1.5  # metres of a ring's cameras over the floor
_FOCAL, _SIZE = 1145.0, 1000  # pixels, as Human3.6M's cameras have about


def cameras(settings: MocapConfig) -> dict[str, Camera]:
    """By name: Human3.6M's four of rig_subject, or a ring around the origin, evenly spaced."""
    if settings.cameras == "human36m":
        return h36m_cameras()[settings.rig_subject]
    angles = 2 * np.pi * np.arange(settings.ring_cameras) / settings.ring_cameras
    return {f"ring {index}": _ring_camera(angle, settings.ring_radius) for index, angle in enumerate(angles)}


def middle(rig: Iterable[Camera]) -> np.ndarray:
    """The floor point (2,) that cameras look at: nearest to their optical axes, of which there must be two or more."""
    rig = list(rig)
    across = [np.eye(3) - np.outer(camera.rotation[2], camera.rotation[2]) for camera in rig]
    towards = [project @ np.array(camera.position) for project, camera in zip(across, rig, strict=True)]
    return np.linalg.solve(np.sum(across, axis=0), np.sum(towards, axis=0))[:2]


def inside(path: np.ndarray, radius: float) -> np.ndarray:
    """A path (T, 2) around the origin, bent back where it leaves a circle of `radius` metres."""
    return path / np.sqrt(1 + (path**2).sum(-1, keepdims=True) / radius**2)


def _ring_camera(angle: float, radius: float) -> Camera:
    position = np.array([radius * np.cos(angle), radius * np.sin(angle), _HEIGHT])
    forward = np.array([0, 0, _LOOK_AT]) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    return Camera(
        rotation=tuple(tuple(row) for row in rotation.tolist()),
        position=tuple(position.tolist()),
        focal=(_FOCAL, _FOCAL),
        centre=(_SIZE / 2, _SIZE / 2),
        width=_SIZE,
        height=_SIZE,
    )
