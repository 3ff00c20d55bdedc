"""Which rows of which clips go into which file of a shard folder, decided before anything is read.

The plan depends on the source and the size of a file alone, not on workers or their order, so that the same input and seed
give identical files. Clips are packed in order and none is cut that fits into a file. A longer clip gets files to itself,
of about equal length, which one worker writes: it is read once, however many files it becomes. So do the clips of an input
file that is read again for them and fills several: no other worker has to read it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from pose_diffusion.config import PrepareConfig
from pose_diffusion.data import schema
from pose_diffusion.data.sequence import LazySequence, Source
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.skeleton import N_JOINTS

_MIB = 1 << 20
_SEVERAL = 4  # files that an input file's clips fill before they share none with others
_MOST_ROWS = 1 << 19  # of a batch, after which it takes no further file


@dataclass(frozen=True)
class SequenceSlice:
    """Rows start to stop of a clip."""

    clip: LazySequence
    start: int
    stop: int


@dataclass(frozen=True)
class PlannedFile:
    """One output file: its path in the folder, its split and what goes into it. fingerprint: the identity of this content."""

    path: str
    split: str
    slices: list[SequenceSlice]
    fingerprint: str

    @property
    def rows(self) -> int:
        return sum(part.stop - part.start for part in self.slices)

    @property
    def is_part(self) -> bool:
        """Whether it holds a part of a clip that is cut."""
        return len(self.slices) == 1 and self.rows < self.slices[0].clip.rows


def plan(source: Source, settings: PrepareConfig) -> list[PlannedFile]:
    """The files of all splits, in order. Raises InputError for a source with no sequence, or with one twice."""
    if not source.sequences:
        raise InputError(f"{settings.input or settings.source}: no sequences found")
    _refuse_twins(source.sequences)
    most = rows_of_a_file(source.kernels, settings)
    fingerprint = hashlib.sha256(json.dumps([source.description, settings.seed, most, schema.VERSION], sort_keys=True).encode())
    files: list[PlannedFile] = []
    for split in ("train", "test"):
        clips = [clip for clip in source.sequences if _split(source, clip, settings) == split]
        for number, slices in enumerate(_packed(clips, most)):
            path = f"split={split}/part-{number:05d}.parquet"
            keys = [(p.clip.subject, p.clip.action, p.clip.camera, p.start, p.stop) for p in slices]
            fingerprint.update(json.dumps([path, keys]).encode())
            files.append(PlannedFile(path, split, slices, fingerprint.copy().hexdigest()))
    return files


def batches(files: Iterable[PlannedFile], most_rows: int = _MOST_ROWS) -> Iterator[list[PlannedFile]]:
    """Files that one worker makes, one after another: all that one clip is cut into; those whose clips come from one file that
    is read for them, up to `most_rows`; else one.
    """
    batch: list[PlannedFile] = []
    rows = 0
    for file in files:
        if batch and not _belong_together(batch[-1], file, rows < most_rows):
            yield batch
            batch, rows = [], 0
        batch.append(file)
        rows += file.rows
    if batch:
        yield batch


def rows_of_a_file(kernels: int, settings: PrepareConfig) -> int:
    """The most rows that stay within both bounds of a file's size."""
    tensors = N_JOINTS * kernels * 5 + N_JOINTS * 3 + 3
    row = 4 * (tensors + 3) + len(schema.KEYS)  # frame, width, height; a byte or so for each dictionary code
    return max(1, min(settings.rows_per_file, int(settings.mib_per_file * _MIB / row)))


def _belong_together(before: PlannedFile, file: PlannedFile, has_space: bool) -> bool:
    ours, theirs = before.slices[0].clip, file.slices[0].clip
    return ours is theirs if before.is_part or file.is_part else has_space and ours.file == theirs.file != ""


def _split(source: Source, clip: LazySequence, settings: PrepareConfig) -> str:
    if source.with_3d and clip.split is not None:
        return clip.split
    return "test" if not source.with_3d or clip.subject in settings.test_subjects else "train"


def _packed(clips: list[LazySequence], most: int) -> list[list[SequenceSlice]]:
    files: list[list[SequenceSlice]] = []
    rows_of = Counter[str]()
    for clip in clips:
        rows_of[clip.file] += clip.rows
    large = {name for name, rows in rows_of.items() if name and rows > _SEVERAL * most}
    space, last = 0, ""
    for clip in clips:
        if clip.file != last and large & {clip.file, last}:
            space = 0
        last = clip.file
        if clip.rows <= space:
            files[-1].append(SequenceSlice(clip, 0, clip.rows))
            space -= clip.rows
            continue
        parts = -(-clip.rows // most)
        bounds = [clip.rows * part // parts for part in range(parts + 1)]
        files += [[SequenceSlice(clip, *bound)] for bound in pairwise(bounds)]
        space = most - clip.rows if parts == 1 else 0
    return files


def _refuse_twins(clips: list[LazySequence]) -> None:
    seen = set()
    for clip in clips:
        key = (clip.subject, clip.action, clip.camera)
        if key in seen:
            raise InputError(f"{' / '.join(filter(None, key)) or 'a sequence without a name'} is there twice")
        seen.add(key)
