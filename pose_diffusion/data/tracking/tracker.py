"""People followed from frame to frame in two steps: tracklets that are sure, then tracklets joined over the gaps.

In each frame, detected poses are assigned to the tracks predicted from the frames before, so that the log likelihood ratios
(`tracking.motion`) of the pairs sum up to the most; a pair whose ratio is below 0 stays apart. A track that has been lost for
longer than _BRIDGE competes for poses but takes none: who appears near it begins a tracklet. `tracking.linking` then joins
tracklets, knowing what came before and after the gap. (Huang et al., 'Robust object tracking by hierarchical association of
detection responses', 2008, have the two steps.)

Nobody says how many frames a second there are, and it matters how far people move in one: of several time scales, the one
is taken under which a sample of the frames is the most likely.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from pose_diffusion.data.tracking.linking import link
from pose_diffusion.data.tracking.motion import Fit, Motion, Poses, fit, middle, place_ratio

MAX_PEOPLE = 500  # in a frame who can be followed: memory grows with the square
_TIME_SCALES = (1.0, 1.5, 2.5, 4.0)  # units of time a frame
_SAMPLE = 60  # frames on which the time scale is chosen
# The longer of units of time and of frames:
_BRIDGE = (12, 6)
_COMPETES = (60, 12)
_COMPETES_ROWS = 3  # of a track that competes when it is lost for longer than _BRIDGE
# Log likelihood ratios, and lengths in sizes, as in `tracking.motion`:
_SPREAD = 0.18
_PLACE, _PLACE_WEIGHT = 3.2, 2.5
_WHOLE = 4.0  # common joints from which on the place has its full weight
_REACH, _REACH_DEVIATIONS = 3.0, 6.0  # between the middles of poses that may be one person's


def track(points: np.ndarray, seen: np.ndarray, frame: np.ndarray, confidence: np.ndarray | None = None) -> np.ndarray:
    """The number of the person in each row, in the order in which people appear, (n,) int64.

    points: (n, J, 2) pixels. seen: (n, J) bool, at least one in a row. frame: (n,) ints, rows in any order. confidence:
    (n, J), where known; between 0 and 1 it weights the joints. Where no frame has two people there is one, wherever they are.
    """
    frames, counts = np.unique(frame, return_counts=True)
    if counts.max(initial=0) <= 1:
        return np.zeros(len(frame), np.int64)
    step = float(np.median(np.diff(frames))) if len(frames) > 1 else 1.0
    poses = Poses.create(points, seen, confidence, frame)
    scale = _time_scale(poses, frames, counts, step)
    poses = Poses(poses.points, poses.weight, poses.time * scale)
    tracklet, motion, _ = _tracklets(poses, step * scale)
    return link(poses, tracklet, motion, step * scale)


def _time_scale(poses: Poses, frames: np.ndarray, counts: np.ndarray, step: float) -> float:
    """Units of time a frame, chosen on the frames around the one with the most people."""
    first = max(0, int(np.argmax(counts)) - _SAMPLE // 2)
    sample = frames[first : first + _SAMPLE]
    rows = np.flatnonzero((poses.time >= sample[0]) & (poses.time <= sample[-1]))
    points, weight, time = poses.points[rows], poses.weight[rows], poses.time[rows]
    ratios = [_tracklets(Poses(points, weight, time * scale), step * scale)[2] for scale in _TIME_SCALES]
    return _TIME_SCALES[int(np.argmax(ratios))]


def _tracklets(poses: Poses, step: float) -> tuple[np.ndarray, Motion, float]:
    """The tracklet of each row, in the order in which they begin; the state after each row; the sum of the ratios.

    step: units of time from frame to frame.
    """
    least_size = poses.least_size
    motion = Motion.start(poses, least_size)
    bridge, competes = (max(units, frames * step) for units, frames in (_BRIDGE, _COMPETES))
    tracklet, length = np.zeros(len(poses.time), np.int64), np.ones(len(poses.time), np.int64)
    lost, people, total = np.zeros(0, np.int64), 0, 0.0  # lost: the row in which each was last seen
    order = np.argsort(poses.time, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(poses.time[order])) + 1):
        elapsed = poses.time[rows[0]] - poses.time[lost]
        kept = elapsed <= np.where(length[lost] < _COMPETES_ROWS, bridge, competes)
        lost, elapsed = lost[kept], elapsed[kept]
        predicted = motion.take(lost).predict(elapsed)
        before, here, ratio, fits = _assign(predicted, poses, rows)
        near = elapsed[before] <= bridge
        before, here, fits = before[near], here[near], fits.take(near)
        total += float(ratio[near].sum())

        old, new = lost[before], rows[here]
        tracklet[new], length[new] = tracklet[old], length[old] + 1
        motion.put(new, predicted.take(before).update(poses.points[new], poses.weight[new], fits, least_size))
        others = np.delete(rows, here)
        tracklet[others] = np.arange(people, people + len(others))
        people += len(others)
        lost = np.concatenate([np.delete(lost, before), rows])
    return tracklet, motion, total


def _assign(predicted: Motion, poses: Poses, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, Fit]:
    """Pairs of states and of `rows`, as indices into both, with their ratio and fit."""
    points, weight = poses.points[rows], poses.weight[rows]
    apart = cdist(middle(predicted.pose, predicted.weight), middle(points, weight))
    reach = predicted.size * (_REACH + _REACH_DEVIATIONS * np.sqrt(predicted.variance[:, 0]))
    state, row = np.nonzero(apart <= reach[:, None])
    pair = predicted.take(state)
    fits = fit(pair, points[row], weight[row], _SPREAD)
    place = _PLACE + place_ratio(fits.offset, pair.variance[:, 0] + fits.noise)
    ratio = fits.shape + _PLACE_WEIGHT * place * np.minimum(1, fits.joints / _WHOLE)
    good = np.flatnonzero((ratio > 0) & (fits.joints > 0))
    states, at = np.unique(state[good], return_inverse=True)
    gain, index = np.zeros((len(states), len(rows))), np.full((len(states), len(rows)), -1)
    gain[at, row[good]], index[at, row[good]] = ratio[good], good
    pairs = index[linear_sum_assignment(gain, maximize=True)]
    pairs = pairs[pairs >= 0]
    return state[pairs], row[pairs], ratio[pairs], fits.take(pairs)
