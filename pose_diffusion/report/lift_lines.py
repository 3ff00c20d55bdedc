"""What `lift` tells: what it read, what it assumed and how to say it better, whom it found, and how good the model is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pose_diffusion.geometry.skeleton import JOINTS
from pose_diffusion.inference.lifted import LiftedFile, LiftedPerson, LiftedRecording

_SHOWN = 8  # people, recordings, cameras in full


def lines(lifted: LiftedFile) -> list[str]:
    """Each 'subject   what there is to say'."""
    told = [
        ("input", lifted.found),
        *_images(lifted),
        _camera(lifted),
        _rate(lifted),
        *_people(lifted),
        *_world(lifted),
        *_model(lifted),
    ]
    if lifted.skipped:
        told.append(("left out", f"{len(lifted.skipped)} files or sequences, the first: {lifted.skipped[0]}"))
    rate = lifted.poses / max(lifted.seconds, 1e-9)
    told.append(("lifted", f"{lifted.poses:,} poses in {lifted.seconds:.1f} s ({rate:,.0f} a second)"))
    return [f"{subject:<9}{text}" for subject, text in told]


def _images(lifted: LiftedFile) -> Iterator[tuple[str, str]]:
    sizes = sorted({(one.width, one.height) for one in lifted.recordings})
    shown = ", ".join(f"{width} x {height}" for width, height in sizes[:_SHOWN])
    yield "images", f"{shown}{_more(sizes)} pixels"


def _camera(lifted: LiftedFile) -> tuple[str, str]:
    assumed = [one for one in lifted.recordings if one.camera_assumed]
    if not assumed:
        return "camera", f"field of view {_angles(lifted.recordings)} degrees, as the input or the command says"
    some = "" if len(assumed) == len(lifted.recordings) else f" for {len(assumed)} of {len(lifted.recordings)} recordings"
    return "camera", (
        f"assumed{some}: focal length = the image's diagonal, a field of view of {_angles(assumed)} degrees; how far away "
        "people are depends on it: add --field-of-view if you know it"
    )


def _angles(recordings: list[LiftedRecording] | tuple[LiftedRecording, ...]) -> str:
    angles = sorted({f"{one.field_of_view:.0f}" for one in recordings}, key=float)
    return " or ".join(angles[:_SHOWN]) + _more(angles)


def _rate(lifted: LiftedFile) -> tuple[str, str]:
    first = lifted.recordings[0]
    told = f"{first.fps:g} frames a second"
    return "rate", f"{told}, assumed: add --fps if it is another" if first.fps_assumed else told


def _people(lifted: LiftedFile) -> Iterator[tuple[str, str]]:
    many = len(lifted.recordings) > 1
    people = [(recording, person) for recording in lifted.recordings for person in recording.people]
    for recording, person in people[:_SHOWN]:
        where = f" in {recording.name}" if many and recording.name != person.name else ""
        yield "person", f"{person.name or 'without a name'}{where}: {_person(person)}"
    if len(people) > _SHOWN:
        rest = sum(len(person.frame) for _, person in people[_SHOWN:])
        yield "", f"and {len(people) - _SHOWN} more, in {rest:,} poses"


def _person(person: LiftedPerson) -> str:
    count, never = len(person.frame), [JOINTS[joint] for joint in np.flatnonzero(~person.seen.any(axis=0))]
    frames = f"{count:,} frames, {person.frame[0]} to {person.frame[-1]}" if count > 1 else f"frame {person.frame[0]}"
    unseen = 1 - float(person.seen.mean())
    parts = [frames, f"{100 * unseen:.1f}% of the joints not seen" if unseen else "all joints seen"]
    if never:
        parts.append(f"never {', '.join(never)}: those are guesses")
    return "; ".join(parts)


def _world(lifted: LiftedFile) -> Iterator[tuple[str, str]]:
    for recording in lifted.recordings[:_SHOWN]:
        where = f"{recording.name}: " if len(lifted.recordings) > 1 else ""
        text = recording.world.summary() if recording.world else "no place of anybody is known"
        yield "world", f"{where}{text}; the camera is taken to stand still"


def _model(lifted: LiftedFile) -> Iterator[tuple[str, str]]:
    yield "model", f"{lifted.bundle} ({lifted.recordings[0].model[:12]})"
    tested = lifted.provenance.get("tested")
    yield "quality", _plain(tested) if tested else "the model's card has no figures of a test"


def _plain(value: Any) -> str:
    """A figure, or figures by name, in a line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _more(values: list[Any]) -> str:
    return f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
