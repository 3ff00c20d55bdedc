"""Lifted people set down in the world that their camera stands in: see `geometry.world`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pose_diffusion.geometry.world import Person, place
from pose_diffusion.inference.lifted import LiftedPerson, LiftedRecording

_NEAREST_M = 0.2  # a root that is fitted nearer to the camera is no place


def placed(recording: LiftedRecording, tilt: float | None = None, roll: float = 0.0) -> LiftedRecording:
    """The recording with its `world`, as seen by a still camera; without one where nobody has a place.

    tilt, roll: degrees, see `geometry.world.place`; None finds up from how people stand.
    """
    people = [_person(person, recording.fps) for person in recording.people]
    if not any(np.isfinite(person.root).all(-1).any() for person in people):
        return recording
    return replace(recording, world=place(people, tilt, roll))


def _person(person: LiftedPerson, fps: float) -> Person:
    root = np.where(person.root_3d[:, 2:] > _NEAREST_M, person.root_3d, np.nan)
    return Person(person.pose_3d, root, person.frame / fps, person.spread if person.spread.any() else None)
