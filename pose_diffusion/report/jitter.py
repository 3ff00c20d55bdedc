"""Errors of the motion in sequences that may be spread over files: of velocity and of acceleration.

With e = p - g the error vector of a joint, MPJVE compares neighbouring frames, |(p - p') - (g - g')| = |e - e'| (VideoPose3D,
arXiv 1811.11742), and the acceleration error three of them, |e - 2 e' + e''| (Kanazawa et al., arXiv 1812.01601). A file gives
the sums within it and, for each unbroken segment of frames, the error vectors at its two ends; joining the ends of all files
gives what one file would have given, whatever the order in which they come.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

_MM = 1000.0

Row = tuple[int, np.ndarray]  # a frame and its error vectors (methods, 17, 3) in mm
Sums = dict[int, np.ndarray]  # distance between neighbouring frames -> (1 + methods,), count and sums of errors in mm


@dataclass(frozen=True)
class Segment:
    """The ends of consecutive rows of a sequence: the first two and the last two of them, both in order; of one row, that."""

    head: tuple[Row, ...]
    tail: tuple[Row, ...]

    @property
    def order(self) -> tuple[int, int]:
        return self.head[0][0], self.tail[-1][0]


@dataclass(frozen=True)
class JitterSums:
    """velocity, acceleration: (1 + methods,), count and sums in mm a step and a step squared; a step is `stride` frames."""

    stride: int
    velocity: np.ndarray
    acceleration: np.ndarray

    def both(self, rate: float | None = None) -> np.ndarray:
        """(2, 1 + methods), velocity and acceleration; with a rate, frames a second, in mm a second and a second squared."""
        scale = 1.0 if rate is None else rate / self.stride
        sums = np.stack([self.velocity, self.acceleration])
        sums[:, 1:] *= [[scale], [scale**2]]
        return sums


@dataclass
class JitterErrors:
    """What is known of a sequence. pairs: of neighbouring rows. triples: of three, as far apart, by that distance."""

    pairs: Sums = field(default_factory=dict)
    triples: Sums = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)

    def merge(self, other: JitterErrors) -> None:
        for mine, others in ((self.pairs, other.pairs), (self.triples, other.triples)):
            for distance, sums in others.items():
                _add(mine, distance, sums)
        self.segments += other.segments

    def total(self) -> JitterSums | None:
        """Sums over neighbours one stride apart; None without any.

        The stride of a sequence is its most common distance between neighbours, the smallest of equally common ones:
        1 for whole sequences, 4 where every fourth frame was kept. Wider gaps are left out.
        """
        pairs, triples = dict(self.pairs), dict(self.triples)
        tail: tuple[Row, ...] = ()
        for segment in sorted(self.segments, key=lambda segment: segment.order):
            if tail and segment.head[0][0] <= tail[-1][0]:
                tail = ()
            _join(pairs, triples, tail, segment.head)
            tail = segment.tail if len(segment.tail) == 2 else (*tail[-1:], *segment.tail)
        if not pairs:
            return None
        stride = max(pairs, key=lambda distance: (pairs[distance][0], -distance))
        return JitterSums(stride, pairs[stride], triples.get(stride, np.zeros_like(pairs[stride])))


def jitter_errors(error: np.ndarray, frame: np.ndarray, sequence: np.ndarray) -> dict[int, JitterErrors]:
    """The errors of each sequence in a file. error: (rows, methods, 17, 3) metres; frame, sequence (a number): (rows,)."""
    found: dict[int, JitterErrors] = defaultdict(JitterErrors)
    if not len(frame):
        return found
    error = error.astype(np.float64) * _MM
    distance = np.diff(frame.astype(np.int64))
    joined = (np.diff(sequence) == 0) & (distance > 0)  # (rows - 1,)
    change = np.diff(error, axis=0)  # (rows - 1, methods, 17, 3)
    even = joined[:-1] & joined[1:] & (distance[:-1] == distance[1:])  # (rows - 2,)

    for key, sums in _sums(sequence[:-1][joined], distance[joined], change[joined]).items():
        found[key[0]].pairs[key[1]] = sums
    for key, sums in _sums(sequence[:-2][even], distance[:-1][even], np.diff(change, axis=0)[even]).items():
        found[key[0]].triples[key[1]] = sums

    starts = np.flatnonzero(np.r_[True, ~joined])
    stops = np.r_[starts[1:], len(frame)]
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        head, tail = (
            tuple((int(frame[row]), error[row].copy()) for row in rows)
            for rows in (range(start, min(start + 2, stop)), range(max(stop - 2, start), stop))
        )
        found[int(sequence[start])].segments.append(Segment(head, tail))
    return found


def _sums(sequence: np.ndarray, distance: np.ndarray, vectors: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    """(sequence, distance) -> count and sums over its rows of the vectors' mean length. vectors: (n, methods, 17, 3)."""
    length = np.linalg.norm(vectors, axis=-1).mean(-1)  # (n, methods)
    keys, which = np.unique(np.stack([sequence, distance]), axis=1, return_inverse=True)
    columns = (np.ones(len(length)), *length.T)
    sums = np.stack([np.bincount(which.ravel(), weights, keys.shape[1]) for weights in columns], 1)
    return {(int(number), int(step)): values for (number, step), values in zip(keys.T, sums, strict=True)}


def _join(pairs: Sums, triples: Sums, tail: Sequence[Row], head: Sequence[Row]) -> None:
    """Adds the neighbours that the end of one segment and the begin of the next make."""
    rows, edge = [*tail, *head], len(tail)
    if tail:
        (before, at_before), (after, at_after) = rows[edge - 1 : edge + 1]
        _add(pairs, after - before, _one(at_after - at_before))
    for place in range(max(0, edge - 2), min(edge, len(rows) - 2)):
        (first, at_first), (middle, at_middle), (last, at_last) = rows[place : place + 3]
        if middle - first == last - middle:
            _add(triples, middle - first, _one(at_last - 2 * at_middle + at_first))


def _one(vector: np.ndarray) -> np.ndarray:
    """A count of one and each method's mean length. (methods, 17, 3) -> (1 + methods,)."""
    return np.concatenate([[1.0], np.linalg.norm(vector, axis=-1).mean(-1)])


def _add(sums: Sums, distance: int, values: np.ndarray) -> None:
    sums[distance] = sums[distance] + values if distance in sums else values
