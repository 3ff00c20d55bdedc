"""Data sets that give joints in the camera's frame together with 2D points: arrays to a clip, checked alike."""

from __future__ import annotations

from functools import partial

import numpy as np

from pose_diffusion.data import mixture as gmm
from pose_diffusion.data.sequence import LazySequence, PoseSequence
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.skeleton import ROOT

_LEAST_SCORE = 0.1
_FARTHEST = 100.0  # metres; beyond it, the unit is not what it should be


def clip(
    subject: str, action: str, camera: str, frame: np.ndarray, points: np.ndarray, joints: np.ndarray, size: tuple[int, int],
    sigma_px: float, with_root: bool, where: str,
) -> LazySequence:  # fmt: skip
    """A clip of one sequence in our joint order.

    points: (T, 17, 3) x, y in pixels and score. joints: (T, 17, 3) metres in the camera frame. with_root: whether the
    pelvis' place is to be believed. Raises InputError with the first frame whose values make no sense.
    """
    limit = 3 * np.array([*size, np.inf])
    for bad, reason in (
        (~np.isfinite(points).all((1, 2)), "a 2D value is not finite"),
        (~np.isfinite(joints).all((1, 2)), "a 3D value is not finite"),
        ((abs(points) > limit).any((1, 2)), f"a 2D joint lies far outside the image of {size[0]} x {size[1]} pixels"),
        ((abs(joints) > _FARTHEST).any((1, 2)), f"a joint is more than {_FARTHEST:g} m away; is the unit right?"),
    ):
        if bad.any():
            raise InputError(f"{where}: frame {frame[np.argmax(bad)]}: {reason}")
    order = np.argsort(frame, kind="stable")
    if (np.diff(frame[order]) == 0).any():
        raise InputError(f"{where}: frame {frame[order][:-1][np.diff(frame[order]) == 0][0]} is there twice")
    arrays = frame[order].astype(np.int32), points[order].astype(np.float32), joints[order].astype(np.float32)
    return LazySequence(
        subject, action, camera, len(frame), partial(_load, subject, action, camera, *arrays, size, sigma_px, with_root)
    )


def _load(
    subject: str, action: str, camera: str, frame: np.ndarray, points: np.ndarray, joints: np.ndarray, size: tuple[int, int],
    sigma_px: float, with_root: bool,
) -> PoseSequence:  # fmt: skip
    sigma = sigma_px / points[..., 2:].clip(_LEAST_SCORE, 1)
    mixture = gmm.pixels_to_screen(gmm.from_points(points[..., :2], sigma), *size)
    root = joints[:, ROOT].copy()
    return PoseSequence(subject, action, camera, frame, mixture, *size, joints - root[:, None], root if with_root else None)
