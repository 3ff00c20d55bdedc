"""Places for joints that a detector did not see: from the frames around, else from the joints around.

Both are guesses, so a filled joint gets a wide kernel and is counted (see `sources.detections.person_sequences`).
"""

from __future__ import annotations

import numpy as np

from pose_diffusion.geometry.skeleton import PARENTS


def fill(points: np.ndarray, seen: np.ndarray, frame: np.ndarray, longest_gap: int) -> np.ndarray:
    """points: (T, 17, 2). seen: (T, 17) bool, at least one in each row. frame: (T,) ascending. Returns new points.

    A joint unseen for at most longest_gap frames goes on a straight line between where it was and where it is seen again;
    at the ends of a track, and for as long, it stays where it was. Any other takes its parent's place in the skeleton, or
    for the root the middle of the joints that are there.
    """
    points, known = points.copy(), seen.copy()
    if longest_gap and len(points):
        _in_time(points, known, frame, longest_gap)
    centre = (points * known[..., None]).sum(1) / known.sum(1)[:, None]  # (T, 2)
    for joint, parent in enumerate(PARENTS):
        place = centre if parent < 0 else points[:, parent]
        points[:, joint] = np.where(known[:, joint, None], points[:, joint], place)
    return points


def _in_time(points: np.ndarray, known: np.ndarray, frame: np.ndarray, longest_gap: int) -> None:
    """Fills in place what has a seen neighbour in time near enough, and marks it as known."""
    rows = np.arange(len(points))[:, None]
    before = np.maximum.accumulate(np.where(known, rows, -1), axis=0)
    after = np.minimum.accumulate(np.where(known, rows, len(points))[::-1], axis=0)[::-1]
    has_before, has_after = before >= 0, after < len(points)
    before, after = np.where(has_before, before, after), np.where(has_after, after, before)
    found = ~known & (has_before | has_after)
    t, joint = np.nonzero(found)
    first, last = before[t, joint], after[t, joint]
    start, stop = frame[first], frame[last]
    # Frames for which the joint is unseen: between two sightings, or from the only one to here.
    gap = np.where(stop > start, stop - start - 1, abs(frame[t] - start))
    near = gap <= longest_gap
    t, joint, first, last, start, stop = (a[near] for a in (t, joint, first, last, start, stop))
    share = np.where(stop > start, (frame[t] - start) / np.maximum(stop - start, 1), 0)[:, None]
    points[t, joint] = (1 - share) * points[first, joint] + share * points[last, joint]
    known[t, joint] = True
