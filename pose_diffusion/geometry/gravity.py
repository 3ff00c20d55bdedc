"""Which way is up in the frame of a still camera, from how people stand and where their feet are.

Two cues, each with a deviation:

- Posture. Who stands has the centre of mass over the feet: its direction from between the ankles, less the lean that comes of
  the ankles being behind the middle of the feet, is up. The frames in which the legs are straight and the trunk is in line with
  them are averaged robustly. Of a person who only sits the trunk is taken, which says less.
- Floor. The lower ankle a of each of these frames is at one height, u . a = h. Its deviation is that of the root along its
  ray, as far as the ray is steep, and some centimetres. This says much of people who walk about, and little of others. Where it
  contradicts the postures, people are on stairs or climb, and it is left out.

Gauss-Newton steps for u and h on both, with Cauchy's weights, give the most probable u and its covariance. A frame whose
posture would mean a camera tilted or rolled further than cameras are set up says nothing: a lying person is no standing one.
The lean of people who run grows with their speed.

Shares of the body's mass: de Leva, 'Adjustments to Zatsiorsky-Seluyanov's segment inertia parameters', 1996.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pose_diffusion.geometry.root_path import FEET, Floats, fit_deviation, frame_seconds
from pose_diffusion.geometry.skeleton import JOINTS, ROOT

_AT = {name: number for number, name in enumerate(JOINTS)}
_KNEES = [_AT["RKnee"], _AT["LKnee"]]
# Share of the mass at each joint: segments split between their ends at their centres of mass.
_MASS = {"Hip": 0.239, "Thorax": 0.196, "Neck/Nose": 0.02, "Head": 0.05, "RHip": 0.0835, "RKnee": 0.082, "RFoot": 0.033,
         "RShoulder": 0.0115, "RElbow": 0.0245, "RWrist": 0.0135}  # fmt: skip
_MASSES = np.array([_MASS.get(name, _MASS.get("R" + name[1:], 0)) for name in JOINTS])
_MASSES /= _MASSES.sum()
_LEAN = 0.11  # radians that the centre of mass is forward of the ankles
_RUN, _RUN_LEAN, _MOST_LEAN = (
    1.6,
    0.075,
    0.15,
)  # m/s from which on runners lean forwards, radians for each m/s more, and at most
_RUN_DEVIATION = 0.5  # of that further lean
_STRAIGHT = 0.75  # from hips to ankles, of the length of a standing person's legs
_IN_LINE = np.cos(np.radians(45))
# How far cameras are turned, degrees: looking up and down, and rolled.
_TILTS, _ROLL = (-40.0, 70.0), 50.0
_STANDING, _SITTING = np.radians([6.0, 3.0]), np.radians([12.0, 8.0])  # deviations of a posture, along and across the view
_UNEVEN = 0.05  # metres, deviation of the lower ankle's height
_STEADY = 0.3  # seconds before and after, over which a speed is taken
_MEMORY = 1.0  # seconds over which errors fade
_STEPS = 20
_CAUCHY = 2.0  # deviations at which a term counts half
_NO_HEIGHT = 1e-6  # inverse variance of the floor's height before anything is seen
_CONTRADICTS = 15.0  # degrees that the floor may move what postures say: more is stairs, or a ladder


@dataclass(frozen=True)
class Up:
    """direction: (3,) unit, camera frame (x right, y down, z away). deviation: expected root mean square error, degrees.

    apart: degrees between what postures alone say and both cues.
    """

    direction: Floats
    deviation: float
    apart: float


@dataclass(frozen=True)
class Posture:
    """direction: (3,) unit. information: (3, 3), inverse covariance in radians, 0 along the direction. frames: (T,) its own."""

    direction: Floats
    information: Floats
    frames: NDArray[np.bool_]


@dataclass(frozen=True)
class _FloorPoints:
    """ankles: (N, 2, 3) metres. ray: (N, 3) unit. along: (N,) deviation along it, metres. share: (N,) of an independent one."""

    ankles: Floats
    ray: Floats
    along: Floats
    share: Floats

    def lower(self, up: Floats) -> Floats:
        """(N, 3) the lower ankle of each frame."""
        number = (self.ankles @ up).argmin(1)
        return self.ankles[np.arange(len(number)), number]


def camera_up(tilt: float = 0.0, roll: float = 0.0) -> Floats:
    """(3,) up in the frame of a camera that looks down by `tilt` and sees upright things turned clockwise by `roll` degrees."""
    down, turned = np.radians(tilt), np.radians(roll)
    return np.array([np.sin(turned) * np.cos(down), -np.cos(turned) * np.cos(down), -np.sin(down)])


def tilt_and_roll(up: Floats) -> tuple[Floats, Floats]:
    """The inverse of `camera_up`, degrees. up: (..., 3) unit."""
    return np.degrees(np.arcsin(-up[..., 2].clip(-1, 1))), np.degrees(np.arctan2(up[..., 0], -up[..., 1]))


def degrees_between(first: Floats, second: Floats) -> Floats:
    """Angles between unit vectors (..., 3)."""
    across = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.degrees(np.arctan2(across, (first * second).sum(-1)))


def estimate_up(poses: Sequence[Floats], roots: Sequence[Floats], times: Sequence[Floats]) -> Up | None:
    """Up, from the people whom a still camera sees; None where nobody stands or sits.

    Of each person: poses (T, 17, 3) minus the pelvis, roots (T, 3), metres in the camera frame, and times (T,) in seconds, all
    finite.
    """
    postures, points = list[Posture](), list[_FloorPoints]()
    for pose, root, time in zip(poses, roots, times, strict=True):
        if len(pose) and (found := posture(pose, root, time)) is not None:
            postures.append(found)
            points.append(_floor_points(pose[found.frames], root[found.frames], frame_seconds(time)[found.frames]))
    if not postures:
        return None
    floor = _FloorPoints(*(np.concatenate([getattr(one, name) for one in points]) for name in _FloorPoints.__annotations__))
    alone = _unit(np.sum([np.trace(one.information) * one.direction for one in postures], 0))
    up, deviation = _solve(alone, postures, floor)
    apart = float(degrees_between(alone, up))
    if apart > _CONTRADICTS:
        up, deviation = _solve(alone, postures, replace(floor, share=0 * floor.share))
    return Up(up, float(np.hypot(deviation, apart / 2)), apart)


def _solve(up: Floats, postures: Sequence[Posture], floor: _FloorPoints) -> tuple[Floats, float]:
    """Up and its deviation in degrees. up: where to start."""
    height = float(np.median(floor.lower(up) @ up))
    for _ in range(_STEPS):
        basis = _axes_across(up)
        posture_normal, posture_gradient = _posture_terms(up, basis, postures)
        normal, gradient = _floor_terms(up, basis, height, floor)
        normal[:2, :2] += posture_normal
        gradient[:2] += posture_gradient
        normal[2, 2] += _NO_HEIGHT
        step = np.linalg.solve(normal, gradient)
        up, height = _unit(up + step[:2] @ basis), height + step[2]
    variance = np.trace(np.linalg.inv(normal)[:2, :2])
    return up, float(np.degrees(np.sqrt(variance)))


def posture(pose: Floats, root: Floats, time: Floats) -> Posture | None:
    """Which way a person stands, or sits where they never stand; None where they do neither."""
    middle = pose[:, FEET].mean(1)
    trunk, legs = _unit(pose[:, _AT["Thorax"]] - pose[:, ROOT]), pose[:, ROOT] - middle
    mass = _unit(np.einsum("tjc,j->tc", pose, _MASSES) - middle)
    forward = _unit(np.cross(mass, pose[:, _AT["RHip"]] - pose[:, _AT["LHip"]]))
    run = (_RUN_LEAN * (_speed(root, time, forward) - _RUN)).clip(0, _MOST_LEAN)
    straight = np.linalg.norm(legs, axis=-1) > _STRAIGHT * _leg_length(pose)
    stands = straight & ((trunk * _unit(legs)).sum(-1) > _IN_LINE)
    sits = ~straight & ((trunk * _unit(pose[:, _KNEES].mean(1) - middle)).sum(-1) > _IN_LINE)
    balanced = _unit(mass - (_LEAN + run)[:, None] * forward)
    for frames, direction, deviation in ((stands, balanced, _STANDING), (sits, trunk, _SITTING)):
        frames = frames & _plausible(direction)
        if frames.any():
            deviation = np.hypot(deviation, _RUN_DEVIATION * np.median(run[frames]))
            return _average(direction, frames, root, float(frame_seconds(time)[frames].sum()), deviation)
    return None


def _speed(root: Floats, time: Floats, direction: Floats) -> Floats:
    """Of the root along unit vectors, (T,) m/s, over a third of a second."""
    if len(root) < 2:
        return np.zeros(len(root))
    reach = max(1, round(_STEADY / float(np.median(np.diff(time)))))
    frame = np.arange(len(root))
    before, after = (frame - reach).clip(0), (frame + reach).clip(max=len(root) - 1)
    return ((root[after] - root[before]) * direction).sum(-1) / (time[after] - time[before])


def _average(direction: Floats, frames: NDArray[np.bool_], root: Floats, seconds: float, deviation: Floats) -> Posture:
    chosen = direction[frames]
    mean = _unit(np.median(chosen, 0))
    for _ in range(_STEPS):
        squared = ((chosen - mean) ** 2).sum(-1)
        scatter = max(float(np.median(squared)), 1e-12)
        mean = _unit((chosen / (1 + squared / scatter)[:, None]).sum(0))
    ray = _unit(root[frames].mean(0))
    along = _unit(ray - (ray @ mean) * mean)
    axes = np.stack([along, np.cross(mean, along)])
    variance = deviation**2 + scatter / (1 + seconds / _MEMORY)
    return Posture(mean, (axes.T / variance) @ axes, frames)


def _floor_points(pose: Floats, root: Floats, seconds: Floats) -> _FloorPoints:
    _, along = fit_deviation(pose, root)
    return _FloorPoints(pose[:, FEET] + root[:, None], _unit(root), along, seconds / _MEMORY)


def _posture_terms(up: Floats, basis: Floats, postures: Sequence[Posture]) -> tuple[Floats, Floats]:
    """Normal matrix (2, 2) and gradient (2,) of steps along the basis."""
    normal, gradient = np.zeros((2, 2)), np.zeros(2)
    for one in postures:
        away = one.direction - up
        robust = one.information / (1 + away @ one.information @ away / _CAUCHY**2)
        normal += basis @ robust @ basis.T
        gradient += basis @ robust @ away
    return normal, gradient


def _floor_terms(up: Floats, basis: Floats, height: float, floor: _FloorPoints) -> tuple[Floats, Floats]:
    """Normal matrix (3, 3) and gradient (3,) of steps along the basis and in height."""
    points = floor.lower(up)
    over = points @ up - height
    variance = _UNEVEN**2 + (floor.along * (floor.ray @ up)) ** 2
    weight = floor.share / variance / (1 + over**2 / variance / _CAUCHY**2)
    rows = np.concatenate([points @ basis.T, -np.ones((len(points), 1))], -1)
    return (rows * weight[:, None]).T @ rows, -(rows * (weight * over)[:, None]).sum(0)


def _plausible(up: Floats) -> NDArray[np.bool_]:
    tilt, roll = tilt_and_roll(up)
    return (tilt > _TILTS[0]) & (tilt < _TILTS[1]) & (np.abs(roll) < _ROLL)


def _leg_length(pose: Floats) -> float:
    thighs = np.linalg.norm(pose[:, _KNEES] - pose[:, [_AT["RHip"], _AT["LHip"]]], axis=-1)
    shins = np.linalg.norm(pose[:, FEET] - pose[:, _KNEES], axis=-1)
    return float(np.median(thighs + shins))


def _axes_across(direction: Floats) -> Floats:
    """(2, 3) orthonormal, across a unit vector."""
    first = _unit(np.cross(direction, np.eye(3)[np.abs(direction).argmin()]))
    return np.stack([first, np.cross(direction, first)])


def _unit(vector: Floats) -> Floats:
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True).clip(1e-9)
