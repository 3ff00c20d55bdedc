"""Which of several layouts with equally many joints a file has, told by the poses themselves.

Read in a wrong order, a face is torn apart and bones run across the body. So of two layouts the one is right in which the eyes
are nearer to the nose or, where a face is not seen, in which the bones are shorter. Every pose has a vote.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pose_diffusion.geometry.layouts import Layout
from pose_diffusion.geometry.skeleton import EDGES

_SURE = 0.8  # share of the votes
_CLEAR = 1.25  # times as long, for a vote
_LEAST_BONES = 6  # seen in both readings, for a vote
_FACE = ("left eye", "right eye")


def choose(candidates: Sequence[Layout], points: np.ndarray) -> Layout | None:
    """The layout that the poses (n, J, 3) x, y, confidence speak for, None where they do not decide."""
    best = candidates[0]
    for other in candidates[1:]:
        votes = _votes(best, other, points)
        against, total = int((votes < 0).sum()), int((votes != 0).sum())
        if not total or max(against, total - against) / total < _SURE:
            return None
        best = other if against > total / 2 else best
    return best


def _votes(one: Layout, other: Layout, points: np.ndarray) -> np.ndarray:
    """(n,): 1 for the one layout, -1 for the other, 0 where a pose does not tell."""
    seen = (points[..., 2] > 0) & (points[..., :2] != 0).any(-1)
    face = _ratio(_eyes(one, points, seen), _eyes(other, points, seen), least=1)
    bones = _ratio(_bones(one, points, seen), _bones(other, points, seen), least=_LEAST_BONES)
    ratio = np.where(np.isfinite(face), face, bones)
    return np.where(ratio > np.log(_CLEAR), -1, np.where(ratio < -np.log(_CLEAR), 1, 0))


def _ratio(one: np.ndarray, other: np.ndarray, least: int) -> np.ndarray:
    """(n,) log of the mean length in one reading over that in the other, NaN where fewer than `least` are seen in both."""
    count = np.minimum(np.isfinite(one).sum(1), np.isfinite(other).sum(1))
    lengths = [np.nansum(each, 1) / np.maximum(np.isfinite(each).sum(1), 1) for each in (one, other)]
    tiny = 1e-6 * max(float(lengths[0].max(initial=0)), 1e-300)
    ratio = np.log(np.maximum(lengths[0], tiny)) - np.log(np.maximum(lengths[1], tiny))
    return np.where(count >= least, ratio, np.nan)


def _eyes(layout: Layout, points: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(n, 2) distances of the eyes from the nose, NaN where they are not seen or the layout has none."""
    if not {"nose", *_FACE} <= set(layout.joints):
        return np.full((len(points), len(_FACE)), np.nan)
    nose, eyes = layout.joints.index("nose"), [layout.joints.index(eye) for eye in _FACE]
    distance = np.linalg.norm(points[:, eyes, :2] - points[:, nose, None, :2], axis=-1)
    return np.where(seen[:, eyes] & seen[:, [nose]], distance, np.nan)


def _bones(layout: Layout, points: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(n, 16) lengths of the bones of the 17 joints, NaN where an end is not seen."""
    joints, there = layout.positions(points[..., :2]), layout.confidence(seen.astype(float)) > 0
    start, end = np.array(EDGES).T
    return np.where(there[:, start] & there[:, end], np.linalg.norm(joints[:, start] - joints[:, end], axis=-1), np.nan)
