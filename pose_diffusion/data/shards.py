"""Writing and reading the Parquet files of a shard folder (see `schema` for the columns, `manifest` for the folder)."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pose_diffusion import storage
from pose_diffusion.data import schema
from pose_diffusion.data.manifest import Manifest, Selection, ShardFile, Span
from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.errors import InputError

ROW_GROUP = 4096
_MAGIC = b"PAR1"
_FOOTER = 1 << 16  # bytes
_FOOTERS = 256  # are looked at before a job begins
_AT_ONCE = 16  # files that are asked for while others are under way


def write(folder: str, path: str, split: str, sequences: Iterable[PoseSequence]) -> ShardFile:
    """Publishes the sequences as one file.

    Raises InputError for poses that no reader would take (shape, K, NaN, weights), naming the sequence.
    """
    return write_tables(folder, path, split, [schema.checked_table(sequence) for sequence in sequences])


def write_tables(
    folder: str, path: str, split: str, tables: Sequence[pa.Table], footer: Mapping[str, str] | None = None
) -> ShardFile:
    """Publishes checked rows (`schema.checked_table`) as one file. `footer`: further text for it, by name."""
    if len({table.schema for table in tables}) != 1:
        raise InputError(f"{path}: sequences of different K cannot share a file")
    table = pa.concat_tables(tables).unify_dictionaries()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **(footer or {})})
    with storage.publish(storage.join(folder, path)) as temporary, temporary.open("wb") as file:
        written = _Hashed(file)
        # Float mantissas hardly compress, and reading them raw is what training waits for; strings are dictionaries anyway.
        pq.write_table(
            table,
            pa.PythonFile(written, "w"),
            compression="none",
            use_dictionary=list(schema.KEYS),
            row_group_size=ROW_GROUP,
            write_statistics=[*schema.KEYS, "frame"],  # nobody looks for a pose by the range of a number in it
            write_page_checksum=True,
        )
        digest = written.digest.hexdigest()
        return ShardFile(path=path, split=split, rows=len(table), bytes=file.tell(), sha256=digest, spans=spans_of(table))


class _Hashed(io.RawIOBase):
    """A file that is hashed while it is written, front to back."""

    def __init__(self, file: BinaryIO):
        self.file, self.digest = file, hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.digest.update(data)
        return self.file.write(data)


def describe(folder: str, path: str, split: str, spans: list[Span] | None = None, content: bytes | None = None) -> ShardFile:
    """The manifest's entry of a file that is there, which is read once unless its content is at hand. Spans may be too."""
    full = storage.join(folder, path)
    content = storage.read_bytes(full) if content is None else content
    if spans is None:
        spans = spans_of(read_table(full, list(schema.KEYS), content))
    return ShardFile(
        path=path,
        split=split,
        rows=sum(span.rows for span in spans),
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        spans=spans,
    )


def spans_of(table: pa.Table) -> list[Span]:
    """Runs of rows with the same subject, action and camera, in order."""
    if not len(table):
        return []
    # Dictionary codes are compared, not strings: one file is one chunk or has unified dictionaries.
    columns = [table[key].unify_dictionaries().combine_chunks() for key in schema.KEYS]
    codes = np.stack([np.asarray(column.indices) for column in columns])  # (3, rows)
    starts = np.flatnonzero(np.r_[True, (codes[:, 1:] != codes[:, :-1]).any(0)])
    rows = np.diff(np.r_[starts, len(table)])
    return [
        Span(**{key: column[int(start)].as_py() for key, column in zip(schema.KEYS, columns, strict=True)}, rows=int(count))
        for start, count in zip(starts, rows, strict=True)
    ]


def sequences_of(spans: Sequence[Span]) -> tuple[list[tuple[str, str, str]], np.ndarray]:
    """The sequences (subject, action, camera) of a file, and the number among them of each row, (rows,) int64."""
    names = [(span.subject, span.action, span.camera) for span in spans]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    of_spans = np.array([numbers[name] for name in names], np.int64)
    return list(numbers), np.repeat(of_spans, [span.rows for span in spans])


def read_table(path: str, columns: Sequence[str] | None = None, content: bytes | None = None) -> pa.Table:
    """A file's columns (None: all), with its schema checked but not its values. `content`: the file, where it is at hand.

    Raises InputError for a file that is missing, truncated, not Parquet, or of another schema.
    """
    with _parquet(path, content) as parquet:
        schema.check_schema(parquet.schema_arrow, path, columns)
        return parquet.read(columns=list(columns) if columns is not None else None)


def read(
    path: str,
    columns: Sequence[str] | None = None,
    kernels: int | None = None,
    require_3d: bool = False,
    content: bytes | None = None,
) -> pa.Table:
    """A file's columns, schema and values checked. `kernels`: the K it must have; `content`: the file, where it is at hand.

    Raises InputError with file, row and column.
    """
    table = read_table(path, columns, content)
    if kernels is not None and "mixture" in table.column_names and table["mixture"].type.shape[1] != kernels:
        raise InputError(f"{path}: column 'mixture' has K = {table['mixture'].type.shape[1]}, expected {kernels}")
    schema.check_rows(table, path, require_3d)
    return table


def read_rows(path: str, start: int, stop: int, columns: Sequence[str], kernels: int) -> pa.Table:
    """Rows start to stop of a file, schema and values checked, without reading more than the row groups that hold them.

    Raises InputError as `read` does, and for a file that has fewer rows.
    """
    with _parquet(path) as parquet:
        if schema.check_schema(parquet.schema_arrow, path, columns) != kernels:
            raise InputError(f"{path}: column 'mixture' has another K than {kernels}")
        sizes = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
        if sum(sizes) < stop:
            raise InputError(f"{path}: {sum(sizes)} rows, expected at least {stop}")
        ends = np.cumsum(sizes)
        groups = np.flatnonzero((ends > start) & (ends - sizes < stop))
        first = int(ends[groups[0]] - sizes[groups[0]])
        table = parquet.read_row_groups(groups.tolist(), columns=list(columns)).slice(start - first, stop - start)
    schema.check_rows(table, f"{path}, from row {start} on")
    return table


def select(table: pa.Table, selection: Selection) -> pa.Table:
    """The rows that a selection keeps (its split aside)."""
    if selection.actions is None and selection.subjects is None and not selection.without_subjects:
        return table
    # Decided once for each sequence, then for all its rows.
    keep = [np.full(span.rows, selection.holds(span.subject, span.action)) for span in spans_of(table)]
    mask = np.concatenate(keep) if keep else np.zeros(0, bool)
    return table if mask.all() else table.filter(pa.array(mask))


def read_evenly(folder: str, manifest: Manifest, selection: Selection, most: int, columns: Sequence[str]) -> pa.Table:
    """At most `most` selected rows, evenly spaced over all of them, in order. Reads the files that hold one, some at once."""
    files = selection.files(manifest)
    counts = [selection.count(file) for file in files]
    total = sum(counts)
    wanted = np.unique(np.linspace(0, total - 1, min(most, total)).round().astype(np.int64))
    starts = np.cumsum([0, *counts])
    parts = [
        (file, wanted[(wanted >= start) & (wanted < stop)] - start)
        for file, (start, stop) in zip(files, pairwise(starts), strict=True)
    ]

    def taken(part: tuple[ShardFile, np.ndarray]) -> pa.Table:
        file, rows = part
        table = read(storage.join(folder, file.path), [*schema.KEYS, *columns], manifest.kernels)
        return select(table, selection).select(list(columns)).take(pa.array(rows))

    with ThreadPoolExecutor(4) as pool:  # each holds a file in memory
        tables = list(pool.map(taken, [part for part in parts if len(part[1])]))
    if not tables:
        raise InputError(f"{folder}: no rows selected")
    return pa.concat_tables(tables)


def batches(table: pa.Table, rows: int) -> Iterator[pa.Table]:
    """Consecutive slices of at most `rows` rows."""
    for start in range(0, len(table), rows):
        yield table.slice(start, rows)


def check_footers(folder: str, files: Sequence[ShardFile], kernels: int) -> None:
    """Checks version, columns, K and row count by the footers of files, or of some evenly spaced ones where there are many.

    A request a file, many at once. Raises InputError for the first bad. Who reads a file whole checks it anyway: this is
    to say early what is wrong with all.
    """

    def check(file: ShardFile) -> None:
        path = storage.join(folder, file.path)
        with _parquet(path, read_footer(path, file.bytes)) as parquet:
            found = schema.check_schema(parquet.schema_arrow, path)
            if found != kernels:
                raise InputError(f"{path}: column 'mixture' has K = {found}, expected {kernels}")
            if parquet.metadata.num_rows != file.rows:
                raise InputError(f"{path}: {parquet.metadata.num_rows} rows, the manifest says {file.rows}")

    chosen = np.unique(np.linspace(0, len(files) - 1, min(_FOOTERS, len(files))).round().astype(int))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(check, (files[number] for number in chosen)):
            pass


def read_footer(path: str, size: int, most: int = _FOOTER) -> bytes:
    """A Parquet file of `size` bytes without its rows: magic number, then footer, its length, magic number.

    most: bytes that are read at first, which hold most footers.
    """
    end = storage.read_range(path, max(0, size - most), size)
    length = int.from_bytes(end[-8:-4], "little") + 8
    if len(end) < length <= size:
        end = storage.read_range(path, size - length, size)
    return _MAGIC + end[-length:]


def find_bad(folder: str, files: Sequence[ShardFile], kernels: int, columns: Sequence[str]) -> None:
    """Reads these columns until a file is bad, to name it: InputError with file, row and column; nothing where all are good."""
    for file in files:
        read(storage.join(folder, file.path), columns, kernels, require_3d=True)


@contextlib.contextmanager
def _parquet(path: str, content: bytes | None = None) -> Iterator[pq.ParquetFile]:
    try:
        opened = storage.open_file(path) if content is None else pa.BufferReader(content)
        with storage.clear_errors(path), opened as file, pq.ParquetFile(file) as parquet:
            yield parquet
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read as Parquet: {str(error).splitlines()[0]}") from None
