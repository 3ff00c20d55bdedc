"""People followed from frame to frame in two steps: tracklets, then tracklets joined over the gaps.

The two steps are those of Huang et al., 'Robust object tracking by hierarchical association of detection responses' (2008).

1. In each frame, detected poses are assigned to the tracks predicted from the frames before, so that the sum of the log
   likelihood ratios of the pairs (`tracking.motion`) is the largest (Kuhn and Munkres). A pair whose ratio is below 0 stays
   apart. A track that has been lost for longer than _BRIDGE takes part in the assignment, but the pose that it gets begins a
   new tracklet. A pose that is left over may continue a track in a sudden movement, where no other track and no other pose
   is near enough.
2. `tracking.linking` joins tracklets, with what is known before and after each gap.

Files do not say how many frames they have a second, and how far people move in a frame depends on it. So a sample of the
frames is followed with several time scales, and the one with the largest sum of ratios is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from pose_diffusion.data.tracking.linking import link
from pose_diffusion.data.tracking.motion import Fit, Motion, Poses, fit, middle, place_ratio

MAX_PEOPLE = 500  # in a frame who can be followed: memory grows with the square
_TIME_SCALES = (1.0, 1.7, 3.0, 5.0)  # units of time a frame: 25 to 5 frames a second; a smaller one loses crowds at 25
_SAMPLE = 60  # frames on which the time scale is chosen
# How long a track that is lost may take a pose, and how long it takes part: the longer of units of time and of frames.
_BRIDGE = (12, 6)
_COMPETES = (60, 12)
_COMPETES_ROWS = 3  # a track of fewer rows, maybe a false find, takes no part after _BRIDGE
# Log likelihood ratios, and lengths in sizes, chosen as those of `tracking.motion`:
_SPREAD, _WIDE_SPREAD = 0.18, 0.45  # of a joint about the predicted pose: from frame to frame, in a sudden movement
_SUDDEN = 0.04  # standard deviation of a sudden change of velocity, in sizes a unit of time
_PLACE, _PLACE_WEIGHT = 3.2, 2.5
_REACH, _REACH_DEVIATIONS = 3.0, 6.0  # between the middles of poses that may be one person's


def track(points: np.ndarray, seen: np.ndarray, frame: np.ndarray, confidence: np.ndarray | None = None) -> np.ndarray:
    """The number of the person in each row, in the order in which people appear, (n,) int64.

    points: (n, J, 2) pixels; places of joints that are not seen do not matter. seen: (n, J) bool, at least one in a row.
    frame: (n,) ints, the video's or the images' numbers, rows in any order. confidence: (n, J) from 0 to 1, where known, by
    which joints count less. A false find is a person too, of few rows. Where no frame has two people there is one, wherever
    they are. Who comes back after about six seconds, or far from where they went, is another person.
    """
    frames, counts = np.unique(frame, return_counts=True)
    if counts.max(initial=0) <= 1:
        return np.zeros(len(frame), np.int64)
    step = float(np.median(np.diff(frames))) if len(frames) > 1 else 1.0
    poses = Poses.create(points, seen, confidence, frame)
    scale = _time_scale(poses, frames, counts, step)
    poses = Poses(poses.points, poses.weight, poses.time * scale)
    found = _follow(poses, step * scale)
    return link(poses, found.tracklet, found.motion, step * scale)


def _time_scale(poses: Poses, frames: np.ndarray, counts: np.ndarray, step: float) -> float:
    """Units of time a frame, chosen on the frames around the one with the most people."""
    first = max(0, int(np.argmax(counts)) - _SAMPLE // 2)
    sample = frames[first : first + _SAMPLE]
    rows = np.flatnonzero((poses.time >= sample[0]) & (poses.time <= sample[-1]))
    points, weight, time = poses.points[rows], poses.weight[rows], poses.time[rows]
    ratios = [_follow(Poses(points, weight, time * scale), step * scale).ratio for scale in _TIME_SCALES]
    return _TIME_SCALES[int(np.argmax(ratios))]


@dataclass(frozen=True)
class _Pairs:
    """Tracks and poses that agree, as indices of both, with the log likelihood ratio."""

    track: np.ndarray
    pose: np.ndarray
    ratio: np.ndarray
    fit: Fit

    def take(self, rows: np.ndarray) -> _Pairs:
        return _Pairs(self.track[rows], self.pose[rows], self.ratio[rows], self.fit.take(rows))


class _Tracklets:
    """tracklet: (n,) of each row, numbered in the order in which they begin. motion: the state after each row.

    ratio: the sum of the log likelihood ratios. lost: the row in which each was last seen.
    """

    def __init__(self, poses: Poses) -> None:
        self.poses, self.least_size = poses, poses.least_size
        self.motion = Motion.start(poses, self.least_size)
        self.tracklet, self.length = np.zeros(len(poses.time), np.int64), np.ones(len(poses.time), np.int64)
        self.lost, self.count, self.ratio = np.zeros(0, np.int64), 0, 0.0

    def forget(self, time: float, bridge: float, competes: float) -> None:
        kept = time - self.poses.time[self.lost] <= np.where(self.length[self.lost] < _COMPETES_ROWS, bridge, competes)
        self.lost = self.lost[kept]

    def predict(self, time: float, sudden: float = 0.0) -> Motion:
        state = self.motion.take(self.lost)
        if sudden:
            state = replace(state, variance=state.variance + [0, 0, sudden**2])
        return state.predict(time - self.poses.time[self.lost])

    def extend(self, predicted: Motion, pairs: _Pairs, rows: np.ndarray) -> np.ndarray:
        """Gives tracks the poses that are paired with them, and returns the other rows."""
        if not len(pairs.track):
            return rows
        old, new = self.lost[pairs.track], rows[pairs.pose]
        self.tracklet[new], self.length[new] = self.tracklet[old], self.length[old] + 1
        points, weight = self.poses.points[new], self.poses.weight[new]
        self.motion.put(new, predicted.take(pairs.track).update(points, weight, pairs.fit, self.least_size))
        self.ratio += float(pairs.ratio.sum())
        self.lost = np.delete(self.lost, pairs.track)
        return np.delete(rows, pairs.pose)

    def begin(self, rows: np.ndarray) -> None:
        self.tracklet[rows] = np.arange(self.count, self.count + len(rows))
        self.count += len(rows)


def _follow(poses: Poses, step: float) -> _Tracklets:
    """step: units of time from frame to frame."""
    found = _Tracklets(poses)
    bridge, competes = (max(units, frames * step) for units, frames in (_BRIDGE, _COMPETES))
    order = np.argsort(poses.time, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(poses.time[order])) + 1):
        time = poses.time[rows[0]]
        found.forget(time, bridge, competes)
        predicted = found.predict(time)
        pairs = _assign(_agreeing(predicted, poses, rows, _SPREAD))
        others = found.extend(predicted, pairs.take(time - poses.time[found.lost[pairs.track]] <= bridge), rows)
        if len(others) and len(found.lost):
            predicted = found.predict(time, sudden=_SUDDEN)
            pairs = _alone(_agreeing(predicted, poses, others, _WIDE_SPREAD))
            others = found.extend(predicted, pairs.take(time - poses.time[found.lost[pairs.track]] <= step), others)
        found.begin(others)
        found.lost = np.concatenate([found.lost, rows])
    return found


def _agreeing(predicted: Motion, poses: Poses, rows: np.ndarray, spread: float) -> _Pairs:
    """Pairs of states and `rows` whose ratio is above 0. spread: of a joint about the offset, in sizes."""
    points, weight = poses.points[rows], poses.weight[rows]
    apart = cdist(middle(predicted.pose, predicted.weight), middle(points, weight))
    reach = predicted.size * (_REACH + _REACH_DEVIATIONS * np.sqrt(predicted.variance[:, 0]))
    track, pose = np.nonzero(apart <= reach[:, None])
    near = predicted.take(track)
    fits = fit(near, points[pose], weight[pose], spread)
    ratio = fits.shape + _PLACE_WEIGHT * (_PLACE + place_ratio(fits.offset, near.variance[:, 0] + fits.noise))
    return _Pairs(track, pose, ratio, fits).take((ratio > 0) & (fits.joints > 0))


def _assign(pairs: _Pairs) -> _Pairs:
    """Those of the largest sum in which no track and no pose is twice."""
    shape = pairs.track.max(initial=-1) + 1, pairs.pose.max(initial=-1) + 1
    ratio, index = np.zeros(shape), np.full(shape, -1)
    ratio[pairs.track, pairs.pose], index[pairs.track, pairs.pose] = pairs.ratio, np.arange(len(pairs.track))
    chosen = index[linear_sum_assignment(ratio, maximize=True)]
    return pairs.take(chosen[chosen >= 0])


def _alone(pairs: _Pairs) -> _Pairs:
    """Those whose track and pose are in no other pair."""
    return pairs.take((np.bincount(pairs.track)[pairs.track] == 1) & (np.bincount(pairs.pose)[pairs.pose] == 1))
