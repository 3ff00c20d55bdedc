"""Divides a folder of tables into parts of whole recordings. A part is what one task reads at once.

A recording may go on in the next file. Where its rows lie together, each row is read once. Where they do not (tables sorted by
time, or not at all), a part also reads the rows of others between them; parts are then made larger, so that a row is read a few
times at the most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa

from pose_diffusion.data.sources.detections.tables.file_index import FileIndex, RecordingKey
from pose_diffusion.data.sources.detections.tables.table_file import RowRange

PART_ROWS = 1 << 18  # rows of a part, or more, unless its file ends before
_MOST_READS = 8  # of a row, in the mean


@dataclass(frozen=True)
class TablePart:
    """Ranges of rows to read together. only: the recordings to take from them; None where they hold no others."""

    ranges: tuple[RowRange, ...]
    only: frozenset[RecordingKey] | None = None


@dataclass(frozen=True)
class _Range:
    """Rows start to stop of a file for one part, of which `rows` belong to the part's recordings."""

    part: int
    file: int
    start: int
    stop: int
    rows: int


def plan_parts(files: Sequence[FileIndex], part_rows: int = PART_ROWS) -> list[TablePart]:
    """The parts of all files, in the order of their recordings' first rows."""
    numbers: dict[RecordingKey, int] = {}
    spans = [
        (numbers.setdefault(key, len(numbers)), file, span.start, span.stop, span.rows)
        for file, index in enumerate(files)
        for key, span in index.spans.items()
    ]
    recording, file, start, stop, rows = np.array(spans, np.int64).T
    recording_rows = np.bincount(recording, rows).astype(np.int64)
    first_file = file[np.unique(recording, return_index=True)[1]]
    total, size = sum(index.rows for index in files), part_rows
    while True:
        part = np.array(list(_assign(recording_rows.tolist(), first_file.tolist(), size, by_file=size == part_rows)))
        ranges = _ranges(pa.table({"part": part[recording], "file": file, "start": start, "stop": stop, "rows": rows}))
        if size >= total or sum(one.stop - one.start for one in ranges) <= _MOST_READS * total:
            break
        size *= 2
    keys, bounds = list(numbers), np.searchsorted(part, np.arange(part[-1] + 2))  # recordings of a part are numbered in a row
    return [
        _table_part(files, list(of_part), keys[bounds[number] : bounds[number + 1]])
        for number, of_part in groupby(ranges, lambda one: one.part)
    ]


def _assign(rows: Iterable[int], first_file: Iterable[int], size: int, by_file: bool) -> Iterator[int]:
    """The part of each recording. A part ends when it has `size` rows or, by_file, when a recording begins in another file."""
    part, space, part_file = -1, 0, -1
    for count, file in zip(rows, first_file, strict=True):
        if space <= 0 or (by_file and file != part_file):
            part, space, part_file = part + 1, size, file
        yield part
        space -= count


def _ranges(spans: pa.Table) -> list[_Range]:
    """The range of each part and file that holds all spans of it, sorted."""
    extents = spans.group_by(["part", "file"]).aggregate([("start", "min"), ("stop", "max"), ("rows", "sum")])
    rows = extents.sort_by([("part", "ascending"), ("file", "ascending")])
    names = ("part", "file", "start_min", "stop_max", "rows_sum")
    return [_Range(*values) for values in zip(*(rows[name].to_pylist() for name in names), strict=True)]


def _table_part(files: Sequence[FileIndex], ranges: list[_Range], keys: list[RecordingKey]) -> TablePart:
    has_others = any(one.stop - one.start > one.rows for one in ranges)
    return TablePart(
        tuple(files[one.file].row_range(one.start, one.stop) for one in ranges),
        frozenset(keys) if has_others else None,
    )
