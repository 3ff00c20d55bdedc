"""Which axis of a motion capture file points up.

Two things in a file tell it: the axis from feet to head at rest (all rotations zero: a person who stands), and the axis from
feet to head while moving. Where both agree it is sure. People who lie, crawl or stand on their hands disagree with their rest
pose, and some skeletons have no upright rest pose (their bones all point along one axis): then the floor decides, below which
no part of the body goes and which most tools set to zero, or the other files of the same skeleton.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pose_diffusion.geometry.skeleton import JOINTS, ROOT

AXES = ("x", "y", "z", "-x", "-y", "-z")
_FEET, _HEAD = [JOINTS.index("RFoot"), JOINTS.index("LFoot")], JOINTS.index("Head")
_UPRIGHT = 0.8  # share of the way from feet to head that the up axis must have
_STEADIER = 2.5  # times as steady as along the other axes the lowest part of the body is along the up axis
_FLOOR = 0.05  # standard deviation of its height, in lengths of the body, above which it is no floor
_MOVES = 0.02  # and below which the body does not move enough along an axis to tell
_AT_ZERO = (-0.03, 0.25)  # height of the lowest joint over the floor, in lengths of the body


@dataclass(frozen=True)
class UpAxis:
    """axis: 'y', '-z', ...; None where the file does not tell. sure: whether all that is in the file says so."""

    axis: str | None
    sure: bool = False


def up_axis(points: np.ndarray, rest: np.ndarray | None) -> UpAxis:
    """points: (T, 17, 3) in any unit. rest: (17, 3), the joints with all rotations at zero; None where unknown."""
    moving = _towards_head(points)
    standing = None if rest is None else _standing(rest)
    if standing == moving:
        return UpAxis(moving, sure=moving is not None)
    if standing and moving:
        return UpAxis(_floor(points, (standing, moving)))
    return UpAxis(standing or moving or _floor(points, AXES))


def decide(found: Sequence[UpAxis], skeletons: Sequence[str]) -> list[str | None]:
    """The axis of each file. One that is not sure takes what most files of the same skeleton say, those that are sure first.

    skeletons: names that files of one tool share. None where neither the file nor the others tell.
    """
    usual = {}
    for skeleton in set(skeletons):
        same = [one for one, name in zip(found, skeletons, strict=True) if name == skeleton and one.axis]
        votes = Counter(one.axis for one in same if one.sure) or Counter(one.axis for one in same)
        axis, count = votes.most_common(1)[0] if votes else (None, 0)
        usual[skeleton] = axis if 2 * count > votes.total() else None
    return [
        one.axis if one.sure or usual[skeleton] is None else usual[skeleton]
        for one, skeleton in zip(found, skeletons, strict=True)
    ]


def z_up(points: np.ndarray, axis: str) -> np.ndarray:
    """A right-handed turn that brings the up axis to z."""
    up = "xyz".index(axis[-1])
    sign = -1.0 if axis.startswith("-") else 1.0
    others = [(up + 1) % 3, (up + 2) % 3]  # with the axis, right-handed
    turned = np.stack([points[..., others[0]], points[..., others[1]], points[..., up]], axis=-1)
    return turned * [sign, 1.0, sign]


def _towards_head(points: np.ndarray) -> str | None:
    rise = (points[:, _HEAD] - points[:, _FEET].mean(1)).mean(0)
    rise /= max(float(np.linalg.norm(rise)), 1e-9)
    axis = int(np.argmax(abs(rise)))
    return None if abs(rise[axis]) < _UPRIGHT else ("-" if rise[axis] < 0 else "") + "xyz"[axis]


def _standing(rest: np.ndarray) -> str | None:
    """The up axis of a rest pose (17, 3) that stands on both feet; None for one whose bones only lie along an axis."""
    axis = _towards_head(rest[None])
    if axis is None:
        return None
    height = z_up(rest - rest[ROOT], axis)[:, 2]
    return axis if height[_HEAD] > 0 and (height[_FEET] < -0.5 * height[_HEAD]).all() else None


def _floor(points: np.ndarray, candidates: Sequence[str]) -> str | None:
    """The one candidate along which the lowest joint stays at its height while the body moves, or is about at zero; or None."""
    body = max(float(np.median(np.linalg.norm(points - points.mean(1, keepdims=True), axis=-1).max(1))), 1e-9)
    lowest = {axis: z_up(points, axis)[..., 2].min(1) / body for axis in candidates}
    best, second = sorted(candidates, key=lambda axis: lowest[axis].std())[:2]
    steady, other = float(lowest[best].std()), float(lowest[second].std())
    if steady < _FLOOR and other > max(_MOVES, _STEADIER * steady):
        return best
    at_zero = [axis for axis in candidates if _AT_ZERO[0] <= np.percentile(lowest[axis], 2) <= _AT_ZERO[1]]
    return at_zero[0] if len(at_zero) == 1 else None
