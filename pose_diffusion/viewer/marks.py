"""What the timeline marks: frames of which the model is unsure, and frames at which a pose or a place jumps.

The speeds are above all of 157,377 frames of motion capture (CMU and others: joints about the pelvis at most 3.4 m/s in the
mean over joints, the pelvis at most 5.6 m/s) and above a sprinter's, so a mark is a fault of the input or of the lifting.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pose_diffusion.inference.lifted import LiftedPerson

UNSURE = 1.5
"""A frame is unsure where its mean spread is above this many times the median of the recording."""
POSE_JUMP = (4.0, 0.06)
"""Mean over the joints of their motion about the pelvis, from one frame to the next: above m/s, and above metres."""
PLACE_JUMP = (12.0, 0.3)
"""Motion of the pelvis from one frame to the next: above m/s, and above metres."""


def spread_limit(people: Sequence[LiftedPerson]) -> float | None:
    """Metres above which the mean spread of a frame counts as unsure; None where poses have no spread."""
    means = np.concatenate([person.spread.mean(1) for person in people])
    means = means[np.isfinite(means) & (means > 0)]
    return UNSURE * float(np.median(means)) if len(means) else None


def find(person: LiftedPerson, limit: float | None, fps: float) -> dict[str, list[list[int]]]:
    """{"unsure": [[first, last], ...], "jump": ...}: frame numbers, both ends marked. limit: see `spread_limit`."""
    unsure = np.zeros(len(person.frame), bool) if limit is None else person.spread.mean(1) > limit
    pose = np.linalg.norm(np.diff(person.pose_3d, axis=0), axis=-1).mean(1)
    place = np.linalg.norm(np.diff(person.root_3d, axis=0), axis=-1)
    seconds = np.diff(person.frame) / fps
    jump = np.zeros(len(person.frame), bool)
    for moved, (speed, least) in ((pose, POSE_JUMP), (place, PLACE_JUMP)):
        jump[1:] |= (moved > speed * seconds) & (moved > least)
    return {"unsure": spans(person.frame, unsure), "jump": spans(person.frame, jump)}


def spans(frame: np.ndarray, marked: np.ndarray) -> list[list[int]]:
    """Runs of marked rows as [first frame, last frame]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    return [[int(frame[first]), int(frame[stop - 1])] for first, stop in edges.reshape(-1, 2)]
