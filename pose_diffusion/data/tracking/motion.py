"""Where a followed person is and will be, and how well a pose agrees with it.

A pose moves as a whole, at a velocity that changes by white noise: a Kalman filter of place and velocity, the same for x and
y, as Bewley et al., 'Simple online and realtime tracking' (2016), move boxes. The measurement is the offset of a detected
pose from the predicted one, a mean over the joints that both have. All lengths are divided by the person's own size, so the
pose of a small person must be near in proportion.

Agreement is a sum of log likelihood ratios, of 'the same person' to 'anybody':

    shape = sum over common joints of  weight * max(a - r^2 / (2 spread^2), -b)      r: the joint's distance from the offset
    place = c - offset^2 / (2 variance) - log(variance / least variance)

Shape has the exponent of object keypoint similarity (COCO), with one spread for all joints. It grows with the number of
common joints: a few joints cannot outdo a whole pose. The logarithm in `place` is the density's normalisation: without it, a
track that has long been lost, whose variance is large, would agree with everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Lengths in sizes: the root mean square distance of the joints from their middle, 0.45 m for a standing adult. Times in units
# of about 1/25 s. All were chosen on scenes of benchmarks/crowd_scenes.py, seeds 0, 1 and 10 to 15.
_PLACE_NOISE = 0.042  # standard deviation of a detected pose as a whole
_JOINT_NOISE = 0.14  # the same for one of its joints
_FIRST_VELOCITY = 0.075  # standard deviation of a velocity that is not known
_ACCELERATION = 0.0054  # standard deviation of the change of velocity in a unit of time
_LEAST_SIZE = 0.3  # share of the recording's median: few joints span less than the person
_NO_SIZE = 0.05  # share of the diagonal of all points, for people of one joint or one place
_UNSEEN = 0.8  # of a joint's weight is left after each detection without it: a copy of ever other joints is no whole person
_LEAST_WEIGHT = 0.05  # of a joint that is seen
_AGREES, _DISAGREES = 2.1, 1.5  # a and b


@dataclass(frozen=True)
class Poses:
    """Detected poses. points: (n, J, 2) pixels. weight: (n, J) from 0, not seen, to 1. time: (n,) units."""

    points: np.ndarray
    weight: np.ndarray
    time: np.ndarray

    @property
    def least_size(self) -> float:
        """Pixels below which nobody's size is thought to be."""
        usual = float(np.median(_size(self.points, self.weight)))
        if usual > 1e-3:
            return _LEAST_SIZE * usual
        places = self.points[self.weight > 0]
        return _NO_SIZE * float(np.linalg.norm(np.ptp(places, axis=0))) or 1.0

    @staticmethod
    def create(points: np.ndarray, seen: np.ndarray, confidence: np.ndarray | None, time: np.ndarray) -> Poses:
        weight = np.where(seen, 1.0 if confidence is None else np.clip(confidence, _LEAST_WEIGHT, 1), 0.0)
        return Poses(np.where(seen[..., None], points, 0.0), weight, time.astype(np.float64))


@dataclass(frozen=True)
class Motion:
    """The states of n people.

    pose: (n, J, 2) pixels. weight: (n, J), that of each joint's last detection, less the older it is; 0 for a joint never
    seen. velocity: (n, 2) pixels a unit of time. variance: (n, 3) of place, of place with velocity, of velocity, in size^2.
    size: (n,) pixels.
    """

    pose: np.ndarray
    weight: np.ndarray
    velocity: np.ndarray
    variance: np.ndarray
    size: np.ndarray

    @staticmethod
    def start(poses: Poses, least_size: float) -> Motion:
        """Of people seen once, a row for each pose."""
        size = np.maximum(_size(poses.points, poses.weight), least_size)
        variance = np.tile([_PLACE_NOISE**2, 0, _FIRST_VELOCITY**2], (len(size), 1))
        return Motion(poses.points.copy(), poses.weight.copy(), np.zeros((len(size), 2)), variance, size)

    def take(self, rows: np.ndarray) -> Motion:
        return Motion(self.pose[rows], self.weight[rows], self.velocity[rows], self.variance[rows], self.size[rows])

    def put(self, rows: np.ndarray, other: Motion) -> None:
        self.pose[rows], self.weight[rows] = other.pose, other.weight
        self.velocity[rows], self.variance[rows], self.size[rows] = other.velocity, other.variance, other.size

    def predict(self, elapsed: np.ndarray) -> Motion:
        """elapsed: (n,) units of time."""
        pose = self.pose + (self.velocity * elapsed[:, None])[:, None]
        return Motion(pose, self.weight, self.velocity, predict_variance(self.variance, elapsed), self.size)

    def update(self, points: np.ndarray, weight: np.ndarray, fit: Fit, least_size: float) -> Motion:
        """With a detected pose each, points (n, J, 2) and weight (n, J). fit: of these with the states' poses."""
        place, cross, velocity = self.variance.T
        gain = self.variance[:, :2] / (place + fit.noise)[:, None]  # (n, 2) of place and of velocity
        shift = fit.offset * self.size[:, None]
        seen = weight > 0
        pose = np.where(seen[..., None], points, self.pose + (shift * gain[:, :1])[:, None])
        known = np.where(seen, weight, self.weight * _UNSEEN)
        variance = np.empty_like(self.variance)
        variance[:, 0] = place * (1 - gain[:, 0])
        variance[:, 1] = cross * (1 - gain[:, 0])
        variance[:, 2] = velocity - gain[:, 1] * cross
        size = np.maximum(_size(pose, known), least_size)
        return Motion(pose, known, self.velocity + shift * gain[:, 1:], variance, size)


def predict_variance(variance: np.ndarray, elapsed: np.ndarray) -> np.ndarray:
    """That of `Motion`, (n, 3), after some units of time (n,)."""
    place, cross, velocity = variance.T
    noise = _ACCELERATION**2 * elapsed
    moved = elapsed * velocity
    after = np.empty_like(variance)
    after[:, 0] = place + elapsed * (2 * cross + moved + noise * elapsed / 3)
    after[:, 1] = cross + moved + noise * elapsed / 2
    after[:, 2] = velocity + noise
    return after


@dataclass(frozen=True)
class Fit:
    """Pairs of poses. offset: (n, 2) sizes. noise: (n,) its variance. shape: (n,) log likelihood ratio. joints: (n,) common."""

    offset: np.ndarray
    noise: np.ndarray
    shape: np.ndarray
    joints: np.ndarray

    def take(self, rows: np.ndarray) -> Fit:
        return Fit(self.offset[rows], self.noise[rows], self.shape[rows], self.joints[rows])


def fit(motion: Motion, points: np.ndarray, weight: np.ndarray, spread: float) -> Fit:
    """States with points (n, J, 2) and weight (n, J), a pair a row. spread: of a joint about the offset, in sizes."""
    common = np.sqrt(motion.weight * weight)  # (n, J)
    scale = 2 * spread**2
    apart = (points - motion.pose) / motion.size[:, None, None]
    exponent = _squared(apart, _mean(apart, common)) / scale
    offset = _mean(apart, common * np.exp(-exponent / 4))  # joints in wrong places count less
    exponent = _squared(apart, offset) / scale
    shape = (common * np.maximum(_AGREES - exponent, -_DISAGREES)).sum(-1)
    joints = common.sum(-1)
    return Fit(offset, _PLACE_NOISE**2 + _JOINT_NOISE**2 / np.maximum(joints, 0.5), shape, joints)


def place_ratio(offset: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """`place` without its constant, of offsets (n, 2) of variance (n,)."""
    return -(offset**2).sum(-1) / (2 * variance) - np.log(variance / (2 * _PLACE_NOISE**2))


def place_and_velocity_ratio(offset: np.ndarray, change: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """The same with the change of velocity (n, 2), in sizes a unit of time. variance: (n, 3) as in `Motion`."""
    place, cross, velocity = variance.T
    determinant = np.maximum(place * velocity - cross**2, 1e-18)
    squares = velocity * (offset**2).sum(-1) - 2 * cross * (offset * change).sum(-1) + place * (change**2).sum(-1)
    return -squares / (2 * determinant) - np.log(determinant / (4 * _PLACE_NOISE**2 * _FIRST_VELOCITY**2))


def middle(points: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Of the seen joints of poses (n, J, 2), (n, 2)."""
    return _mean(points, (weight > 0).astype(np.float64))


def _mean(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Of (..., J, 2) over the joints, (..., 2)."""
    return np.einsum("...jk,...j->...k", values, weight) / np.maximum(weight.sum(-1), 1e-30)[..., None]


def _squared(values: np.ndarray, middle: np.ndarray) -> np.ndarray:
    apart = values - middle[..., None, :]
    return np.einsum("...k,...k->...", apart, apart)


def _size(pose: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Root mean square distance of the known joints from their middle, (n,) pixels."""
    known = weight > 0
    return np.sqrt((_squared(pose, middle(pose, weight)) * known).sum(-1) / np.maximum(known.sum(-1), 1))
