"""Which recordings a file of a table holds and where: the first of the two reads, of the columns with names alone.

A recording is one video (or one subject and camera of it). Its key is the tuple of its names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

import numpy as np
import pyarrow as pa

from pose_diffusion.data.sources.detections.tables import columns, table_file
from pose_diffusion.data.sources.detections.tables.columns import ColumnFilter
from pose_diffusion.data.sources.detections.tables.table_file import RowOffset, RowRange
from pose_diffusion.errors import InputError

RecordingKey = tuple[str, ...]
KeyColumns = Sequence[Sequence[str]]  # of each name in a key, the columns that may hold it, the first one present counts


@dataclass
class Span:
    """The rows of one recording in one file: all lie from start to stop, `rows` in number."""

    start: int
    stop: int = 0
    rows: int = 0


@dataclass(frozen=True)
class FileIndex:
    """The recordings of a file, in the order of their first rows. rows: in the file. offsets: of some rows of a CSV."""

    path: str
    spans: dict[RecordingKey, Span]
    rows: int
    offsets: list[RowOffset] = field(default_factory=list)

    def row_range(self, start: int, stop: int) -> RowRange:
        """Rows start to stop of the file, with the last known offset before them."""
        if (start, stop) == (0, self.rows):
            return RowRange(self.path)
        return RowRange(self.path, start, stop, max((known for known in self.offsets if known.row <= start), default=None))


def index_file(path: str, keys: KeyColumns, default: RecordingKey, block_bytes: int = table_file.BLOCK_BYTES) -> FileIndex:
    """Reads a file's names. default: names in place of empty ones.

    A file without columns of names is one recording, of which nothing need be read: its number of rows counts as 1. Raises
    InputError for a file that is not a table or has no rows.
    """
    used = {column for candidates in keys for column in candidates}
    if not used & set(table_file.header(path)):
        return FileIndex(path, {default: Span(0, 1, 1)}, 1)
    spans: dict[RecordingKey, Span] = {}
    offsets: list[RowOffset] = []
    rows = 0
    for batch in table_file.read_batches(RowRange(path), ColumnFilter(lambda _: False, used.__contains__), block_bytes):
        found, codes = recordings(path, batch.table, keys, default)
        for code, first, last, count in _extents(codes):
            span = spans.setdefault(found[code], Span(batch.first_row + first))
            span.stop, span.rows = max(span.stop, batch.first_row + last + 1), span.rows + count
        offsets += [batch.offset] if batch.offset else []
        rows = batch.first_row + batch.table.num_rows
    if not rows:
        raise InputError(f"{path}: has no rows")
    return FileIndex(path, spans, rows, offsets)


def _extents(codes: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    """Of each code its first and last row and the number of rows, in the order of first rows."""
    by_code = pa.table({"code": codes, "row": np.arange(len(codes))}).group_by("code", use_threads=False)  # keeps the order
    extents = by_code.aggregate([("row", "min"), ("row", "max"), ("row", "count")])
    return zip(*(extents[name].to_pylist() for name in ("code", "row_min", "row_max", "row_count")), strict=True)


def recordings(path: str, table: pa.Table, keys: KeyColumns, default: RecordingKey) -> tuple[list[RecordingKey], np.ndarray]:
    """The distinct recordings of a table, sorted by their names, and each row's index into them (rows,).

    default: names in place of empty ones.
    """
    names = [columns.names(path, table, *candidates) for candidates in keys]
    index = np.zeros(table.num_rows, np.int64)
    for distinct, codes in names:  # pairs are numbered anew after each column, so that no product exceeds 64 bits
        index = pa.array(index * len(distinct) + codes).dictionary_encode().indices.to_numpy().astype(np.int64)
    example = np.empty(index.max(initial=-1) + 1, np.int64)  # a row of each recording
    example[index] = np.arange(table.num_rows)
    example_codes = [codes[example] for _, codes in names]
    order = np.lexsort(example_codes[::-1])
    rank = np.argsort(order).astype(np.int32)
    key_parts = [
        [name or other for name in distinct[codes[order]].tolist()]
        for (distinct, _), codes, other in zip(names, example_codes, default, strict=True)
    ]
    return list(zip(*key_parts, strict=True)), rank[index]


def names_in_path(path: str, keys: KeyColumns, name: str) -> RecordingKey:
    """The key that folders such as 'video=a' in a file's path give, as Hive names partitions. name: the first without one."""
    folders = dict(part.partition("=")[::2] for part in path.split("/")[:-1])
    found = [next((unquote(folders[column]) for column in candidates if column in folders), "") for candidates in keys]
    return (found[0] or name, *found[1:])
