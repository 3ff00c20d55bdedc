"""2D detections of any tool, with no 3D, to sequences of mixtures: what all the archive readers share.

A reader gives `Detections`: the people found in one recording, in its tool's joint layout and pixels. `person_sequences`
makes tracks of the 17 joints on the normalised screen of them.
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
from pose_diffusion.data.sequence import LazySequence, Source
from pose_diffusion.data.sources.detections.clip_cache import ClipCache
from pose_diffusion.data.sources.detections.detections import Detections
from pose_diffusion.data.sources.detections.person_sequences import person_sequences
from pose_diffusion.data.sources.inputs import Inputs, map_inputs
from pose_diffusion.errors import InputError
from pose_diffusion.runtime.executor import Executor

log = logging.getLogger(__name__)
Item = TypeVar("Item")


@dataclass
class _Recordings:
    """What one item holds. skipped: a line for each of its recordings that was left out. frames: those with a person.

    tracking: how people are told apart.
    """

    sequences: list[LazySequence] = field(default_factory=list)
    layouts: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    skipped: list[str] = field(default_factory=list)
    frames: int = 0
    tracking: set[str] = field(default_factory=set)


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
    frames, tracking = 0, set[str]()
    for item, recordings in map_inputs(inputs, reader, items, executor, lines):
        for line in recordings.skipped:
            log.warning("prepare: skipped: %s", line)
        lines += recordings.skipped
        layouts |= recordings.layouts
        counts.update(recordings.counts)
        frames, tracking = frames + recordings.frames, tracking | recordings.tracking
        sequences += cache.add(recordings.sequences, partial(_read_again, reader, item))
    keys = Counter((one.subject, one.action, one.camera) for one in sequences)
    if len(keys) < len(sequences):
        raise InputError(f"{inputs.path}: {' / '.join(filter(None, keys.most_common(1)[0][0]))} is there twice")
    description = {
        "converter": tool,
        "layouts": sorted(layouts),
        "counts": dict(counts),
        "frames": frames,
        "tracking": " or ".join(sorted(tracking)),
        "settings": settings.model_dump(mode="json"),
    }
    return Source(sequences, 1, {}, description, lines, with_3d=False)


def _read(
    tool: str, settings: ArchiveConfig, on_error: str, read: Callable[[Item], Sequence[Detections]], item: Item
) -> _Recordings:
    result, recordings = _Recordings(), read(item)
    for recording in recordings:
        try:
            sequences, counts = person_sequences(recording, settings, tool)
        except InputError as error:
            if on_error == "fail" or len(recordings) == 1:
                raise
            result.skipped.append(str(error))
            continue
        result.sequences += sequences
        result.counts.update(counts)
        result.layouts.add(recording.layout.name)
        result.frames += len(np.unique(recording.frame))
        result.tracking.add(_tracking(recording, settings))
    if not result.sequences:
        raise InputError(result.skipped[0])
    return result


def _tracking(recording: Detections, settings: ArchiveConfig) -> str:
    if recording.person is not None:
        return "ids in the file"
    return "no ids, people are followed" if settings.tracking else "no ids, people by their place in the list"


def _read_again(reader: Callable[[Item], _Recordings], item: Item) -> list[LazySequence]:
    return reader(item).sequences
