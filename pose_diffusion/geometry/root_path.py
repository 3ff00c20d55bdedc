"""A person's root followed through time: the fit's noise along the camera's rays taken out, feet held where they stand.

The path r(t) of the pelvis minimises a sum over frames of squares, each over its variance:

    r - fitted r                  across the ray, and along it, where the fit is an order of magnitude less certain
    r''                           acceleration, as of people
    (r + foot)'                   velocity of a foot that stands on the floor

It is a Whittaker smoother (Eilers, 'A perfect smoother', 2003) in three coordinates with contacts: a banded system, solved a
few times, with Cauchy's weights for residuals of the fit. A foot's weight is how surely it stands: near the floor and slow on
the path found so far. The terms are integrals over time, so that the frame rate hardly matters.

A body of extent S metres across the ray, known with sigma, is at the distance d with the deviation d sigma / S: of a person who
crouches, or bends towards the camera, it is larger (`fit_deviation`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import solveh_banded

from pose_diffusion.geometry.skeleton import JOINTS, N_JOINTS

Floats = NDArray[np.float64]

FEET = [JOINTS.index("RFoot"), JOINTS.index("LFoot")]
LONGEST_GAP = 0.5  # seconds between frames over which a path is followed
_JOINT = 0.03  # metres of a joint's error, in pose and image together
_SHORTEST = 0.15  # metres of a body's extent across the ray
_MEMORY = 0.5  # seconds over which errors of the fit fade
_ACCELERATION, _STEADY = 8.0, 0.1  # of a pelvis, m/s^2 of each axis, and seconds over which it changes
_SLIDE = 0.15  # m/s of a standing foot, as the pose has it
_NEAR, _SLOW = 0.05, 0.6  # metres over the floor and m/s at which a foot is half, and a quarter, on the floor
_CAUCHY = 2.0  # deviations at which a fit counts half
_STEPS = 5
_BAND = 6  # diagonals beside the main one: frames two apart, three coordinates


@dataclass(frozen=True)
class Floor:
    """A plane: up . x = height of an ankle that stands on it. up: (3,) unit, in the frame of the camera. height: metres."""

    up: Floats
    height: float


def fit_deviation(pose: Floats, root: Floats, spread: Floats | None = None) -> tuple[Floats, Floats]:
    """Standard deviations of a fitted root across and along its ray, each (T,), metres.

    pose: (T, 17, 3), root: (T, 3). spread: (T, 17), what is known of each joint's deviation; adds to that of all joints.
    """
    distance = np.linalg.norm(root, axis=-1)
    ray = root / distance[:, None].clip(1e-9)
    across = pose - (pose @ ray[..., None]) * ray[:, None]
    extent = np.sqrt(((across - across.mean(1, keepdims=True)) ** 2).sum((-2, -1)) / N_JOINTS)
    joint = np.full(len(pose), _JOINT) if spread is None else np.hypot(_JOINT, np.sqrt((spread**2).mean(-1)))
    aside = joint / np.sqrt(N_JOINTS)
    return aside, aside * distance / extent.clip(_SHORTEST)


def smooth_root(pose: Floats, root: Floats, time: Floats, spread: Floats | None = None, floor: Floor | None = None) -> Floats:
    """The root (T, 3) smoothed, with contacts where there is a floor. pose: (T, 17, 3) minus the pelvis, metres, all finite.

    time: (T,) seconds, ascending. spread: see `fit_deviation`. Frames more than `LONGEST_GAP` apart do not act on each other.
    """
    if len(root) < 2:
        return root.copy()
    step = np.diff(time)
    linked = step <= LONGEST_GAP
    span = frame_seconds(time)
    aside, along = fit_deviation(pose, root, spread)
    axes = _ray_axes(root) / np.stack([aside, aside, along], -1)[..., None]  # (T, 3, 3), residuals in deviations
    motion = _acceleration(step, linked)
    path = root
    for _ in range(_STEPS):
        squared = ((axes @ (path - root)[..., None]) ** 2).sum((-2, -1))
        weight = np.sqrt(span / _MEMORY / (1 + squared / _CAUCHY**2))
        rows = axes * weight[:, None, None]
        matrices, targets = [motion, _blocks(rows)], [np.zeros(motion.shape[0]), (rows @ root[..., None]).ravel()]
        if floor is not None:
            for foot in FEET:
                held, goal = _contact(path, pose[:, foot], step, linked, floor)
                matrices.append(held)
                targets.append(goal)
        path = _least_squares(sparse.vstack(matrices, format="csr"), np.concatenate(targets)).reshape(-1, 3)
    return path


def standing(foot: Floats, time: Floats, floor: Floor) -> Floats:
    """How surely a foot stands on the floor, (T,) from 0 to 1. foot: (T, 3) metres, in the frame of the camera."""
    if len(foot) < 2:
        return np.zeros(len(foot))
    over = (foot @ floor.up - floor.height).clip(0)
    speed = np.linalg.norm(np.gradient(foot, time, axis=0), axis=-1)
    return np.exp2(-((over / _NEAR) ** 2)) / (1 + (speed / _SLOW) ** 2) ** 2  # a skater's feet are quick, and free


def frame_seconds(time: Floats) -> Floats:
    """How long each frame stands for, (T,) seconds. time: (T,) ascending."""
    if len(time) < 2:
        return np.full(len(time), 1 / 30)
    step = np.diff(time)
    return np.gradient(time).clip(step.min(), max(LONGEST_GAP, step.min()))


def _ray_axes(root: Floats) -> Floats:
    """Orthonormal rows of which the last is the ray, (T, 3, 3)."""
    ray = root / np.linalg.norm(root, axis=-1, keepdims=True).clip(1e-9)
    first = np.cross(ray, np.where(np.abs(ray[:, :1]) < 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]]))
    first /= np.linalg.norm(first, axis=-1, keepdims=True)
    return np.stack([first, np.cross(ray, first), ray], 1)


def _blocks(rows: Floats) -> sparse.bsr_array:
    """(T, n, 3) as the blocks of a block diagonal matrix."""
    count = len(rows)
    return sparse.bsr_array((rows, np.arange(count), np.arange(count + 1)))


def _acceleration(step: Floats, linked: NDArray[np.bool_]) -> sparse.csr_array:
    """Second divided differences of paths (3 T), in deviations."""
    first, second = step[:-1], step[1:]
    whole = (first + second) / 2
    weight = np.sqrt(whole / _STEADY) / _ACCELERATION * (linked[1:] & linked[:-1])
    before, after = weight / (first * whole), weight / (second * whole)
    shape = max(0, len(step) - 1), len(step) + 1
    return sparse.kron(sparse.diags_array([before, -before - after, after], offsets=[0, 1, 2], shape=shape), np.eye(3), "csr")


def _contact(
    path: Floats, offset: Floats, step: Floats, linked: NDArray[np.bool_], floor: Floor
) -> tuple[sparse.csr_array, Floats]:
    """Velocities of a foot that stands, (3 T - 3, 3 T), and what they should give, in deviations. offset: (T, 3) metres."""
    stands = standing(path + offset, np.concatenate([[0], np.cumsum(step)]), floor)
    weight = np.sqrt(np.minimum(stands[1:], stands[:-1]) * linked * step / _MEMORY) / _SLIDE / step
    shape = len(step), len(step) + 1
    matrix = sparse.kron(sparse.diags_array([-weight, weight], offsets=[0, 1], shape=shape), np.eye(3), "csr")
    return matrix, -(weight[:, None] * np.diff(offset, axis=0)).ravel()


def _least_squares(matrix: sparse.csr_array, target: Floats) -> Floats:
    normal = (matrix.T @ matrix).todia()
    count = matrix.shape[1]
    band = np.zeros((_BAND + 3, count))
    for below in range(min(len(band), count)):
        band[below, : count - below] = normal.diagonal(-below)
    return solveh_banded(band, matrix.T @ target, lower=True)
