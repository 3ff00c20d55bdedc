"""Keeps what is read from an archive's files within bounds, however many there are.

Files are read when a plan is made, since clips and their rows must be known. As long as it fits, what was read is kept, to
be sent to whoever loads the clips. Beyond that it is let go, and a clip reads its file again; the last files stay at hand,
since the clips of a file follow each other.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import numpy as np

from pose_diffusion.data.sequence import LazySequence, PoseSequence
from pose_diffusion.errors import InputError

MOST_BYTES = 256 << 20


class ClipCache:
    """Space for the arrays of clips, whose `load` is a partial that holds them."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.bytes_left, self.is_empty = most_bytes, True

    def add(self, clips: Sequence[LazySequence], read: Callable[[], Sequence[LazySequence]]) -> list[LazySequence]:
        """The clips of one file: as they are where they fit, and those of the first file in any case, as nothing is
        gained where it is the only one; else such as call `read`, which gives the same clips again and is picklable.
        """
        size = sum(value.nbytes for clip in clips for value in _arguments(clip) if isinstance(value, np.ndarray))
        if self.is_empty or size <= self.bytes_left:
            self.bytes_left, self.is_empty = self.bytes_left - size, False
            return list(clips)
        file = _File(uuid.uuid4().hex, read)
        return [replace(clip, load=_Again(file, number, (clip.subject, clip.action, clip.camera, clip.rows)), file=file.token)
                for number, clip in enumerate(clips)]  # fmt: skip


@dataclass(frozen=True)
class _File:
    token: str
    read: Callable[[], Sequence[LazySequence]] = field(compare=False)


@dataclass(frozen=True)
class _Again:
    """Loads one clip of a file that is read again."""

    file: _File
    number: int
    key: tuple[str, str, str, int]

    def __call__(self) -> PoseSequence:
        clips = _read(self.file)
        clip = clips[self.number] if self.number < len(clips) else None
        if clip is None or (clip.subject, clip.action, clip.camera, clip.rows) != self.key:
            raise InputError(f"{' / '.join(filter(None, self.key[:3]))}: its file has changed since it was read first")
        return clip.load()


@lru_cache(maxsize=4)  # as many as an ensemble usually has
def _read(file: _File) -> Sequence[LazySequence]:
    return file.read()


def _arguments(clip: LazySequence) -> tuple:
    return clip.load.args if isinstance(clip.load, partial) else ()
