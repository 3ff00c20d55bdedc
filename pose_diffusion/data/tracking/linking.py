"""Tracklets of one person joined over the gaps in which the person was not found.

A tracklet's end and another's beginning agree by the likelihood ratios of `tracking.motion`: in shape, and in place and
velocity when the end is predicted to the time of the beginning. What is known of a beginning comes from the first rows of its
tracklet, followed backwards. The links that are chosen, at most one an end and one a beginning, have the largest sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from pose_diffusion.data.tracking.motion import Motion, Poses, fit, middle, place_and_velocity_ratio, predict_variance

_LONGEST_GAP = (150, 8)  # the longer of units of time, here 6 s, and of frames
_ROWS = 8  # of a tracklet that tell about its beginning; more tell no more
# Log likelihood ratios, and lengths in sizes, chosen as those of `tracking.motion`:
_SPREAD = 0.45  # wider than from frame to frame: a posture changes during a gap
_PLACE, _PLACE_WEIGHT = 5.1, 2.3
_REACH, _REACH_DEVIATIONS = 3.0, 7.0
_PAIRS = 1_000_000  # compared at a time, which bounds the memory


def link(poses: Poses, tracklet: np.ndarray, motion: Motion, step: float) -> np.ndarray:
    """The person in each row, numbered in the order in which people appear, (n,) int64.

    tracklet: (n,), numbered in the order in which they begin. motion: the state after each row. step: units of time a frame.
    """
    order = np.lexsort((poses.time, tracklet))
    length = np.bincount(tracklet)
    starts = np.cumsum(length) - length  # of each tracklet's rows in `order`
    first, last = order[starts], order[starts + length - 1]
    ends, beginnings = motion.take(last), _beginnings(poses, order, starts, length, poses.least_size)
    begin, end = poses.time[first], poses.time[last]
    longest = max(_LONGEST_GAP[0], _LONGEST_GAP[1] * step)
    found = [
        _ratios(ends, beginnings, begin[after] - end[before], before, after)
        for before, after in _candidates(begin, end, length, longest)
    ]
    if not any(len(ratio) for _, _, ratio in found):
        return tracklet
    before, after, ratio = (np.concatenate([links[column] for links in found]) for column in range(3))
    person = np.arange(len(length))
    for old, new in zip(*_best(before, after, ratio, len(length)), strict=True):
        person[new] = person[old]
    return np.unique(person[tracklet], return_inverse=True)[1]


def _beginnings(poses: Poses, order: np.ndarray, starts: np.ndarray, length: np.ndarray, least_size: float) -> Motion:
    """The state of each tracklet at its first row, in the direction of time, from the rows after it."""
    seen = np.minimum(length, _ROWS)
    start = Motion.start(poses, least_size)
    now = order[starts + seen - 1]
    motion = start.take(now)
    for row in range(_ROWS - 2, -1, -1):
        which = np.flatnonzero(seen > row + 1)
        new = order[starts[which] + row]
        state = motion.take(which).predict(poses.time[now[which]] - poses.time[new])
        points, weight = poses.points[new], poses.weight[new]
        motion.put(which, state.update(points, weight, fit(state, points, weight, _SPREAD), least_size))
        now[which] = new
    return Motion(motion.pose, motion.weight, -motion.velocity, motion.variance * [1, -1, 1], motion.size)


def _candidates(begin: np.ndarray, end: np.ndarray, length: np.ndarray, gap: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of a tracklet and one that begins after its end, within the gap; not two of a single row."""
    for rows, others in ((length > 1, length > 0), (length == 1, length > 1)):
        before, after = np.flatnonzero(rows), np.flatnonzero(others)  # both in the order of their beginnings
        low = np.searchsorted(begin[after], end[before], "right")
        count = np.searchsorted(begin[after], end[before] + gap, "right") - low
        total = np.cumsum(count)
        block = total // _PAIRS
        for part in np.split(np.arange(len(before)), np.flatnonzero(np.diff(block)) + 1):
            if (pairs := count[part].sum()) == 0:
                continue
            offset = np.arange(pairs) - np.repeat(np.cumsum(count[part]) - count[part], count[part])
            yield np.repeat(before[part], count[part]), after[np.repeat(low[part], count[part]) + offset]


def _ratios(
    ends: Motion, beginnings: Motion, gap: np.ndarray, before: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the candidates, those that agree: before, after, and the ratio. gap: (n,) units of time."""
    variance = predict_variance(ends.variance[before], gap) + beginnings.variance[after]
    size = np.sqrt(ends.size[before] * beginnings.size[after])
    moved = middle(ends.pose, ends.weight)[before] + ends.velocity[before] * gap[:, None]
    apart = np.linalg.norm(moved - middle(beginnings.pose, beginnings.weight)[after], axis=1)
    near = apart <= size * (_REACH + _REACH_DEVIATIONS * np.sqrt(variance[:, 0]))
    before, after, gap, variance, size = before[near], after[near], gap[near], variance[near], size[near]

    predicted = replace(ends.take(before).predict(gap), size=size)
    fits = fit(predicted, beginnings.pose[after], beginnings.weight[after], _SPREAD)
    change = (beginnings.velocity[after] - predicted.velocity) / size[:, None]
    ratio = fits.shape + _PLACE_WEIGHT * (_PLACE + place_and_velocity_ratio(fits.offset, change, variance))
    good = (ratio > 0) & (fits.joints > 0)
    return before[good], after[good], ratio[good]


def _best(before: np.ndarray, after: np.ndarray, ratio: np.ndarray, tracklets: int) -> tuple[np.ndarray, np.ndarray]:
    """The links with the largest sum, ordered by the later tracklet. Every end may also stay without one, at a ratio of 0."""
    alone = np.arange(tracklets)
    dearest = ratio.max() + 1
    cost = np.concatenate([dearest - ratio, np.full(tracklets, dearest)])
    entries = np.concatenate([before, alone]), np.concatenate([after, tracklets + alone])
    rows, columns = min_weight_full_bipartite_matching(coo_array((cost, entries), shape=(tracklets, 2 * tracklets)).tocsr())
    linked = columns < tracklets
    order = np.argsort(columns[linked])
    return rows[linked][order], columns[linked][order]
