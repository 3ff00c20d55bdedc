"""How well people keep their identity, from the true person and the found track of each detection.

IDF1 = 2 IDTP / (2 IDTP + IDFP + IDFN) (Ristani et al., 'Performance measures and a data set for multi-target, multi-camera
tracking', 2016): people and tracks are matched one to one so that the detections they share, IDTP, are the most. IDFN are
detections of people beyond those, IDFP rows of tracks. Tracks of false finds alone are left out first, as MOTChallenge leaves
out distractors, for they are right: a false find is an error where it is in a person's track.
Identity switches (Bernardin and Stiefelhagen, 'Evaluating multiple object tracking performance: the CLEAR MOT metrics', 2008):
detections of a person whose track is not that of the person's detection before.
Fragments: tracks that a person is in, beyond the first. Every detection is in some track, so this is how a person is split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True)
class Identity:
    """Counts, which add up over scenes. taken: false finds in tracks of people."""

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0
    switches: int = 0
    fragments: int = 0
    taken: int = 0

    @property
    def idf1(self) -> float:
        whole = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.true_positives / whole if whole else float("nan")

    def __add__(self, other: Identity) -> Identity:
        return Identity(*(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True)))


def identity(person: np.ndarray, frame: np.ndarray, track: np.ndarray) -> Identity:
    """person: (n,) the truth, negative for a false find. track: (n,) what was found."""
    real = person >= 0
    track = np.unique(track, return_inverse=True)[1]
    names, number = np.unique(person[real], return_inverse=True)
    shared = np.zeros((len(names), track.max(initial=-1) + 1), np.int64)  # detections of a person in a track
    np.add.at(shared, (number, track[real]), 1)
    of_people = np.asarray(shared.any(0))
    matched = int(shared[linear_sum_assignment(shared, maximize=True)].sum())
    order = np.lexsort((frame[real], number))
    changes = (np.diff(track[real][order]) != 0) & (np.diff(number[order]) == 0)
    return Identity(
        true_positives=matched,
        false_positives=int(of_people[track].sum()) - matched,
        false_negatives=int(real.sum()) - matched,
        switches=int(changes.sum()),
        fragments=int((shared > 0).sum()) - len(names),
        taken=int(of_people[track[~real]].sum()),
    )
