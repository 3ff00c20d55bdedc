"""Velocity errors of sequences that may be spread over files.

MPJVE compares neighbouring frames: |(p - p') - (g - g')| = |e - e'| with e = p - g the error vector of a joint. A file
gives the sums within it and, for each unbroken segment of frames, the error vectors at its two ends; joining the ends
of all files gives what one file would have given, whatever the order in which they come.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

_MM = 1000.0


@dataclass(frozen=True)
class Segment:
    """Consecutive rows of a sequence: first and last frame, error vectors (methods, 17, 3) in mm at both."""

    first: int
    last: int
    at_first: np.ndarray
    at_last: np.ndarray


@dataclass
class VelocityErrors:
    """What is known of a sequence: for each distance between neighbouring frames (count, sum of errors a method)."""

    steps: dict[int, np.ndarray] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)

    def merge(self, other: VelocityErrors) -> None:
        for distance, sums in other.steps.items():
            self._add(distance, sums)
        self.segments += other.segments

    def total(self) -> np.ndarray | None:
        """(1 + methods,): count and sums in mm over neighbours one stride apart; None without any.

        The stride of a sequence is its most common distance between neighbours, the smallest of equally common ones:
        1 for whole sequences, 4 where every fourth frame was kept. Wider gaps are left out.
        """
        joined = VelocityErrors({distance: sums.copy() for distance, sums in self.steps.items()})
        ordered = sorted(self.segments, key=lambda segment: (segment.first, segment.last))
        for before, after in itertools.pairwise(ordered):
            if after.first > before.last:
                errors = np.linalg.norm(after.at_first - before.at_last, axis=-1).mean(-1)  # (methods,)
                joined._add(after.first - before.last, np.concatenate([[1.0], errors]))
        if not joined.steps:
            return None
        return joined.steps[max(joined.steps, key=lambda distance: (joined.steps[distance][0], -distance))]

    def _add(self, distance: int, sums: np.ndarray) -> None:
        self.steps[distance] = self.steps[distance] + sums if distance in self.steps else sums


def velocity_errors(error: np.ndarray, frame: np.ndarray, sequence: np.ndarray) -> dict[int, VelocityErrors]:
    """The track of each sequence in a file. error: (rows, methods, 17, 3) metres; frame, sequence (a number): (rows,)."""
    found: dict[int, VelocityErrors] = defaultdict(VelocityErrors)
    if not len(frame):
        return found
    error = error.astype(np.float64) * _MM
    distance = np.diff(frame.astype(np.int64))
    joined = (np.diff(sequence) == 0) & (distance > 0)  # (rows - 1,)

    speed = np.linalg.norm(np.diff(error, axis=0)[joined], axis=-1).mean(-1)  # (neighbours, methods)
    pairs, which = np.unique(np.stack([sequence[:-1][joined], distance[joined]]), axis=1, return_inverse=True)
    sums = np.stack([np.bincount(which.ravel(), weights, pairs.shape[1]) for weights in (np.ones(len(speed)), *speed.T)], 1)
    for (number, step), values in zip(pairs.T, sums, strict=True):
        found[int(number)].steps[int(step)] = values

    starts = np.flatnonzero(np.r_[True, ~joined])
    ends = np.r_[starts[1:], len(frame)] - 1
    for start, end in zip(starts, ends, strict=True):
        segment = Segment(int(frame[start]), int(frame[end]), error[start].copy(), error[end].copy())
        found[int(sequence[start])].segments.append(segment)
    return found
