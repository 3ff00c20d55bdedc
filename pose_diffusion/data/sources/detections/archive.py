"""2D detections of any tool, with no 3D, to sequences of mixtures: what all the archive readers share.

A reader gives `Detections`: the people found in one recording, in its tool's joint layout and pixels. Here they become
tracks of the 17 joints on the normalised screen, one kernel a joint whose sigma comes from the confidence. A joint is
missing where its confidence is not above min_confidence or it lies at exactly (0, 0), as tools write it. Where the tool does
not tell people apart, they are followed from frame to frame (see `data.tracking`).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from pose_diffusion.config import ArchiveConfig
from pose_diffusion.data import mixture as gmm
from pose_diffusion.data.missing_joints import fill
from pose_diffusion.data.sequence import LazySequence, PoseSequence, Source
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections.clip_cache import ClipCache
from pose_diffusion.data.sources.detections.detections import Detections, image_sizes, in_pixels
from pose_diffusion.data.sources.inputs import Inputs, map_inputs
from pose_diffusion.data.tracking import MOST, track
from pose_diffusion.errors import InputError
from pose_diffusion.runtime.executor import Executor

log = logging.getLogger(__name__)
Item = TypeVar("Item")
_LEAST_CONFIDENCE = 0.1
_CROWD = 20  # people of whom most are in one frame: images that are no video, more likely than false finds


@dataclass
class _Recordings:
    """What one item holds. skipped: a line for each of its recordings that was left out."""

    sequences: list[LazySequence] = field(default_factory=list)
    layouts: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    skipped: list[str] = field(default_factory=list)


def detections_source(
    tool: str,
    inputs: Inputs,
    settings: ArchiveConfig,
    executor: Executor,
    items: Sequence[Item],
    read: Callable[[Item], Sequence[Detections]],
    skipped: Sequence[str] = (),
) -> Source:
    """A sequence of every person in every recording, in order.

    items: files, or groups of them. read: the recordings that one of them holds; it is picklable, as are items, for where they
    are read. skipped: a line for each file that was left out before. Raises InputError for values or sizes that make no sense.
    """
    reader = partial(_read, tool, settings, inputs.on_error, read)
    counts = Counter(people=0, frames_without_person=0, frames_dropped=0, joints_missing=0)
    cache, layouts, lines = ClipCache(), set[str](), list(skipped)
    sequences: list[LazySequence] = []
    for item, recordings in map_inputs(inputs, reader, items, executor, lines):
        for line in recordings.skipped:
            log.warning("prepare: skipped: %s", line)
        lines += recordings.skipped
        layouts |= recordings.layouts
        counts.update(recordings.counts)
        sequences += cache.add(recordings.sequences, partial(_read_again, reader, item))
    keys = Counter((one.subject, one.action, one.camera) for one in sequences)
    if len(keys) < len(sequences):
        raise InputError(f"{inputs.path}: {' / '.join(filter(None, keys.most_common(1)[0][0]))} is there twice")
    description = {
        "converter": tool,
        "layouts": sorted(layouts),
        "counts": dict(counts),
        "settings": settings.model_dump(mode="json"),
    }
    return Source(sequences, 1, {}, description, lines, with_3d=False)


def _read(
    tool: str, settings: ArchiveConfig, on_error: str, read: Callable[[Item], Sequence[Detections]], item: Item
) -> _Recordings:
    result, recordings = _Recordings(), read(item)
    for recording in recordings:
        try:
            sequences, counts = _sequences(tool, settings, recording)
        except InputError as error:
            if on_error == "fail" or len(recordings) == 1:
                raise
            result.skipped.append(str(error))
            continue
        result.sequences += sequences
        result.counts.update(counts)
        result.layouts.add(recording.layout.name)
    if not result.sequences:
        raise InputError(result.skipped[0])
    return result


def _read_again(reader: Callable[[Item], _Recordings], item: Item) -> list[LazySequence]:
    return reader(item).sequences


def _sequences(tool: str, settings: ArchiveConfig, found: Detections) -> tuple[list[LazySequence], dict[str, int]]:
    """The recording's sequences, and what was counted."""
    if found.wrong:
        raise InputError(found.wrong)
    if not len(found.points):
        raise InputError(f"{found.where}: no person in any frame")
    if found.empty:
        log.warning("%s: %d frames without a person, the first is frame %d", found.where, len(found.empty), found.empty[0])
    size = image_sizes(tool, settings, found)  # (n, 2)
    joints = in_pixels(found, size)
    pixels = found.layout.positions(joints[..., :2])  # (n, 17, 2)
    confidence = found.layout.confidence(joints[..., 2])  # (n, 17)
    seen = confidence > settings.min_confidence
    keep = np.asarray(seen.all(1) if settings.missing == "drop" else seen.any(1))
    if not keep.any():
        raise InputError(f"{found.where}: no frame has {'all joints' if settings.missing == 'drop' else 'a joint'}")

    names, person = np.unique(_people(settings, found, pixels, seen), return_inverse=True)
    frames_of = np.bincount(person[keep], minlength=len(names))
    keep &= (frames_of >= settings.shortest_track)[person]
    if not keep.any():
        raise InputError(f"{found.where}: nobody is there for {settings.shortest_track} frames, '{tool}.shortest_track'")
    sizes, kind = np.unique(size, axis=0, return_inverse=True)
    order = np.lexsort((found.frame, kind.reshape(-1), person))
    order = order[keep[order]]
    group = np.stack([person, kind.reshape(-1)], axis=1)[order]  # (kept, 2)
    starts = np.flatnonzero((np.diff(group, axis=0, prepend=-1) != 0).any(1))
    sequences = []
    for rows in np.split(order, starts[1:]):
        name = f"person {names[person[rows[0]]]}"
        subject = " ".join(filter(None, (found.subject, name))) if len(names) > 1 or not found.subject else found.subject
        width, height = (int(x) for x in sizes[kind.reshape(-1)[rows[0]]])
        camera = found.camera or (f"{width}x{height}" if len(sizes) > 1 else "")
        frame = found.frame[rows]
        if (np.diff(frame) == 0).any():
            raise InputError(f"{found.where}: frame {frame[np.flatnonzero(np.diff(frame) == 0)[0]]} has {subject} twice")
        load = partial(
            _load, subject, found.name, camera, frame.astype(np.int32), pixels[rows],
            np.where(seen[rows], confidence[rows], 0), width, height, settings,
        )  # fmt: skip
        sequences.append(LazySequence(subject, found.name, camera, len(rows), load))
    counts = {
        "people": len(np.unique(person[keep])),
        "frames_without_person": len(found.empty),
        "frames_dropped": int((~keep).sum()),
        "joints_missing": int((~seen[keep]).sum()),
    }
    return sequences, counts


def _people(settings: ArchiveConfig, found: Detections, pixels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The name of the person in each row, (n,) strings; any for a row without a joint."""
    if found.person is not None:
        return np.asarray(found.person, str)
    if not settings.tracking:
        return np.asarray(parsing.ranks(found.frame.tolist()), str)
    frames, counts = np.unique(found.frame, return_counts=True)
    if (most := counts.max()) > MOST:
        where = f"{found.where}: frame {frames[counts.argmax()]}"
        raise InputError(f"{where} has {most} people, at most {MOST} can be followed; set tracking=false")
    person, there = np.zeros(len(seen), np.int64), seen.any(1)
    person[there] = track(pixels[there], seen[there], found.frame[there])
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
