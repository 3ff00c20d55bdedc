"""From the people of one recording, in a tool's joint layout and pixels, to a sequence of mixtures for each of them.

A joint has one kernel, with sigma = sigma_px / max(confidence, 0.1) pixels. It is missing where its confidence is not above
min_confidence or it lies at exactly (0, 0), as tools write it; then `data.missing_joints` says where it may be, and its kernel
is wide. Where the tool does not tell people apart, they are followed from frame to frame (see `data.tracking`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from pose_diffusion.config import ArchiveConfig
from pose_diffusion.data import mixture as gmm
from pose_diffusion.data.missing_joints import fill
from pose_diffusion.data.sequence import LazySequence, PoseSequence
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections.detections import Detections, image_sizes, in_pixels
from pose_diffusion.data.tracking import MAX_PEOPLE, track
from pose_diffusion.errors import InputError

log = logging.getLogger(__name__)
_LEAST_CONFIDENCE = 0.1
_CROWD = 20  # people of whom most are in one frame: images that are no video, more likely than false finds


@dataclass(frozen=True)
class _Joints:
    """The 17 joints of n detected people. pixels: (n, 17, 2). confidence, seen: (n, 17). size: (n, 2), the image's.

    one_size: all images have the same.
    """

    pixels: np.ndarray
    confidence: np.ndarray
    seen: np.ndarray
    size: np.ndarray
    one_size: bool


def person_sequences(found: Detections, settings: ArchiveConfig, tool: str) -> tuple[list[LazySequence], dict[str, int]]:
    """A sequence for each person and image size, and what was counted. tool: the config section, for errors.

    Raises InputError for values or sizes that make no sense, and where nobody is left.
    """
    if found.wrong:
        raise InputError(found.wrong)
    if not len(found.points):
        raise InputError(f"{found.where}: no person in any frame")
    if found.empty:
        log.warning("%s: %d frames without a person, the first is frame %d", found.where, len(found.empty), found.empty[0])
    joints = _joints(found, settings, tool)
    seen = joints.seen
    keep = np.asarray(seen.all(1) if settings.missing == "drop" else seen.any(1))
    if not keep.any():
        raise InputError(f"{found.where}: no frame has {'all joints' if settings.missing == 'drop' else 'a joint'}")
    names, person = np.unique(_people(settings, found, joints), return_inverse=True)
    frames_of = np.bincount(person[keep], minlength=len(names))
    keep &= (frames_of >= settings.shortest_track)[person]
    if not keep.any():
        raise InputError(f"{found.where}: nobody is there for {settings.shortest_track} frames, '{tool}.shortest_track'")
    sequences = [_sequence(found, settings, joints, rows, names[person[rows[0]]], len(names))
                 for rows in _groups(found.frame, person, joints.size, keep)]  # fmt: skip
    counts = {
        "people": len(np.unique(person[keep])),
        "frames_without_person": len(found.empty),
        "frames_dropped": int((~keep).sum()),
        "joints_missing": int((~seen[keep]).sum()),
    }
    return sequences, counts


def _joints(found: Detections, settings: ArchiveConfig, tool: str) -> _Joints:
    size = image_sizes(tool, settings, found)  # (n, 2)
    states = "coordinates" in type(settings).model_fields
    way_out = f"; set '{tool}.coordinates=unit'" if states else "; multiply x by the width and y by the height"
    points = in_pixels(found, size, way_out)  # (n, J, 3)
    pixels = found.layout.positions(points[..., :2])
    confidence = found.layout.confidence(points[..., 2])
    return _Joints(pixels, confidence, confidence > settings.min_confidence, size, bool((size == size[0]).all()))


def _groups(frame: np.ndarray, person: np.ndarray, size: np.ndarray, keep: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of each person and image size, by frame."""
    kind = np.unique(size, axis=0, return_inverse=True)[1].reshape(-1)
    order = np.lexsort((frame, kind, person))
    order = order[keep[order]]
    group = np.stack([person, kind], axis=1)[order]  # (kept, 2)
    starts = np.flatnonzero((np.diff(group, axis=0, prepend=-1) != 0).any(1))
    yield from np.split(order, starts[1:])


def _sequence(
    found: Detections, settings: ArchiveConfig, joints: _Joints, rows: np.ndarray, person: str, people: int
) -> LazySequence:
    """These rows of one person. people: how many the recording has."""
    name = f"person {person}"
    subject = " ".join(filter(None, (found.subject, name))) if people > 1 or not found.subject else found.subject
    width, height = (int(x) for x in joints.size[rows[0]])
    camera = found.camera or ("" if joints.one_size else f"{width}x{height}")
    frame = found.frame[rows]
    if (np.diff(frame) == 0).any():
        raise InputError(f"{found.where}: frame {frame[np.flatnonzero(np.diff(frame) == 0)[0]]} has {subject} twice")
    confidence = np.where(joints.seen[rows], joints.confidence[rows], 0)
    load = partial(
        _load, subject, found.name, camera, frame.astype(np.int32), joints.pixels[rows], confidence, width, height, settings
    )
    return LazySequence(subject, found.name, camera, len(rows), load)


def _people(settings: ArchiveConfig, found: Detections, joints: _Joints) -> np.ndarray:
    """The name of the person in each row, (n,) strings; any for a row without a joint."""
    if found.person is not None:
        return np.asarray(found.person, str)
    if not settings.tracking:
        return np.asarray(parsing.ranks(found.frame.tolist()), str)
    frames, counts = np.unique(found.frame, return_counts=True)
    if (most := counts.max()) > MAX_PEOPLE:
        where = f"{found.where}: frame {frames[counts.argmax()]}"
        raise InputError(f"{where} has {most} people, at most {MAX_PEOPLE} can be followed; set tracking=false")
    person, there = np.zeros(len(joints.seen), np.int64), joints.seen.any(1)
    person[there] = track(joints.pixels[there], joints.seen[there], found.frame[there], joints.confidence[there])
    once = np.bincount(person[there]) == 1
    if len(once) > _CROWD and once.mean() > 0.5:
        told = f"{once.sum()} of {len(once)} people are in one frame only; set tracking=false if this is no video"
        log.warning("%s: %s", found.where, told)
    return person.astype(str)


def _load(
    subject: str, action: str, camera: str, frame: np.ndarray, pixels: np.ndarray, confidence: np.ndarray,
    width: int, height: int, settings: ArchiveConfig,
) -> PoseSequence:  # fmt: skip
    """confidence: (T, 17), 0 where the joint is missing."""
    seen = confidence > 0
    places = fill(pixels, seen, frame, settings.longest_gap)
    sigma = np.where(seen, settings.sigma_px / confidence.clip(_LEAST_CONFIDENCE, 1), settings.missing_sigma_px)
    mixture = gmm.pixels_to_screen(gmm.from_points(places, sigma[..., None]), width, height)
    return PoseSequence(subject, action, camera, frame, mixture, width, height, confidence=confidence)
