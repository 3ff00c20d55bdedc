"""Who is who from frame to frame, for 2D poses of detectors that do not say it and list people in any order.

Each frame's poses are matched one to one with those of the people who are followed, moved on at their speed, so that the
distances sum up to the least (as Bewley et al., 'Simple online and realtime tracking', 2016, match boxes: a constant velocity
and Kuhn's and Munkres' assignment). The distance of two poses is the mean over the joints seen in both, as a share of the
larger pose's diagonal.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

MOST = 500  # people of a frame who can be followed: memory grows with the square
_FARTHEST = 0.4  # diagonals between where a person is and should be
# In frames of the video:
_LOST = 25  # after which a person unseen comes back as another
_COAST = 3  # over which a person unseen is thought to go on at the speed


def track(points: np.ndarray, seen: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """The number of the person in each row, in the order in which people appear, (n,) int64.

    points: (n, J, 2) pixels. seen: (n, J) bool, at least one in a row. frame: (n,) ints, rows in any order. Where no frame
    has two people there is one, wherever they are.
    """
    person = np.zeros(len(frame), np.int64)
    frames, counts = np.unique(frame, return_counts=True)
    if counts.max(initial=0) <= 1:
        return person
    stride = float(np.median(np.diff(frames))) if len(frames) > 1 else 1.0
    size, speed = _diagonal(points, seen), np.zeros((len(frame), 2))  # pixels, pixels a frame
    people, followed = 0, np.zeros(0, np.int64)  # the row in which each was last seen
    for rows in np.split(np.argsort(frame, kind="stable"), np.cumsum(counts)[:-1]):
        away = frame[rows[0]] - frame[followed]
        followed, away = followed[away <= _LOST * stride], away[away <= _LOST * stride]
        moved = points[followed] + (speed[followed] * np.minimum(away, _COAST * stride)[:, None])[:, None]
        both = seen[followed][:, None] & seen[rows]  # (followed, rows, J)
        apart = (np.linalg.norm(moved[:, None] - points[rows], axis=-1) * both).sum(-1)
        scale = both.sum(-1) * np.maximum(size[followed][:, None], size[rows])
        far = np.full(scale.shape, _FARTHEST)  # also without a common joint
        distance = np.minimum(np.divide(apart, scale, out=far, where=scale > 0), _FARTHEST)
        before, here = linear_sum_assignment(distance)
        near = distance[before, here] < _FARTHEST
        before, here = before[near], here[near]

        old, new = followed[before], rows[here]
        person[new] = person[old]
        common = both[before, here][..., None]
        change = ((points[new] - points[old]) * common).sum(1) / common.sum(1) / away[before, None]
        speed[new] = (change + speed[old]) / 2
        others = np.delete(rows, here)
        person[others] = np.arange(people, people + len(others))
        people += len(others)
        followed = np.concatenate([np.delete(followed, before), rows])
    return person


def _diagonal(points: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Of the box around the seen joints, (n,), in pixels."""
    least = np.where(seen[..., None], points, np.inf).min(1)
    most = np.where(seen[..., None], points, -np.inf).max(1)
    return np.linalg.norm(most - least, axis=-1)
