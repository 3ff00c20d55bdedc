"""Reads rows of one Parquet or CSV file, a batch at a time, in bounded memory.

A range of a Parquet file is read by the row groups that hold it. A CSV is read in blocks of whole lines; a range of it begins
at the last block before it whose place in the file is known, so that the lines before are not read again. Its columns are
separated by commas, semicolons or tabs, whichever its first line has most of.
"""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pose_diffusion import storage
from pose_diffusion.data.sources.detections.tables.columns import ColumnFilter
from pose_diffusion.errors import InputError

BLOCK_BYTES = 16 << 20  # of a CSV that are read at once
_BAD_CELL = re.compile(r"CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to \w+: invalid value '(.*)'")


class RowOffset(NamedTuple):
    """Where a row of a CSV begins: its number (0 is the first after the header) and the bytes before it."""

    row: int
    byte: int


@dataclass(frozen=True)
class RowRange:
    """Rows start to stop of a file; all of them if stop is None. offset: a known place in a CSV at or before start."""

    path: str
    start: int = 0
    stop: int | None = None
    offset: RowOffset | None = None

    def __str__(self) -> str:
        return self.path if self.stop is None else f"{self.path}, rows {self.start} to {self.stop - 1}"


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of a file. first_row: the number of the first in the file. offset: of the CSV block that holds them."""

    table: pa.Table
    first_row: int
    offset: RowOffset | None = None


def read_batches(rows: RowRange, columns: ColumnFilter, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
    """The rows of a range, in order.

    Raises InputError for a file that is not a table, and for one with fewer rows than the range, which has changed since it
    was indexed.
    """
    path, next_row = rows.path, rows.start
    with storage.open_file(path) as file, _input_errors(path):
        batches = _parquet_batches(file, rows, columns) if _is_parquet(path) else _csv_batches(file, rows, columns, block_bytes)
        for batch in batches:
            size = batch.table.num_rows
            low = max(rows.start - batch.first_row, 0)
            high = size if rows.stop is None else min(rows.stop - batch.first_row, size)
            if low < high:
                yield Batch(batch.table.slice(low, high - low), batch.first_row + low, batch.offset)
                next_row = batch.first_row + high
            if next_row == rows.stop:
                break
    if rows.stop is not None and next_row < rows.stop:
        raise InputError(f"{rows}: the file has changed since it was read first")


def header(path: str) -> list[str]:
    """The names of a file's columns. Raises InputError for a file that is not a table."""
    with storage.open_file(path) as file, _input_errors(path):
        return _unique(path, pq.ParquetFile(file).schema_arrow.names if _is_parquet(path) else _csv_header(file)[0])


def _is_parquet(path: str) -> bool:
    return path.lower().endswith(".parquet")


def _parquet_batches(file: Any, rows: RowRange, columns: ColumnFilter) -> Iterator[Batch]:
    """The row groups that hold the range; a whole file in one batch, which is fastest."""
    parquet = pq.ParquetFile(file, pre_buffer=True)
    used = columns.select(_unique(rows.path, parquet.schema_arrow.names))
    if rows.stop is None:
        yield Batch(parquet.read(used), 0)
        return
    row = 0
    for group in range(parquet.num_row_groups):
        size = parquet.metadata.row_group(group).num_rows
        if row + size <= rows.start:
            row += size
            continue
        for batch in parquet.iter_batches(row_groups=[group], columns=used):
            yield Batch(pa.Table.from_batches([batch]), row)
            row += len(batch)


def _csv_batches(file: Any, rows: RowRange, columns: ColumnFilter, block_bytes: int) -> Iterator[Batch]:
    """The blocks from the range's offset on.

    Column types are given to Arrow, because those that it infers from the first rows need not fit the rest.
    """
    names, delimiter = _csv_header(file)
    present = _unique(rows.path, names)
    parse_options = pyarrow.csv.ParseOptions(delimiter=delimiter)
    column_names = pyarrow.csv.ReadOptions(column_names=present)
    types = pyarrow.csv.ConvertOptions(
        include_columns=columns.select(present),
        column_types={name: pa.float64() if columns.is_number(name) else pa.string() for name in present},
        strings_can_be_null=True,
    )
    row, byte = rows.offset or RowOffset(0, file.tell())
    file.seek(byte)
    try:
        for block in _line_blocks(file, block_bytes):
            table = pyarrow.csv.read_csv(pa.BufferReader(block), column_names, parse_options, types)
            yield Batch(table, row, RowOffset(row, byte))
            row, byte = row + table.num_rows, byte + len(block)
    except pa.ArrowInvalid as error:
        if not (cell := _BAD_CELL.search(str(error))):
            raise
        column, value = present[int(cell[1])], cell[3]
        raise InputError(f"{rows.path}: column '{column}': expected numbers, got string '{value}'") from None


def _csv_header(file: Any) -> tuple[list[str], str]:
    """The column names of a CSV, and what separates them. Leaves the file at the first byte after them."""
    line = file.readline().decode("utf-8-sig")
    if not line.strip():
        raise ValueError("its first line is empty")
    delimiter = max(",;\t", key=line.count)
    return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter, strict=True)), delimiter


def _line_blocks(file: Any, block_bytes: int) -> Iterator[bytes]:
    """The rest of the file in blocks of whole lines, about block_bytes each."""
    rest = b""
    while chunk := file.read(block_bytes):
        lines, end, rest = (rest + chunk).rpartition(b"\n")
        if end:
            yield lines + end
    if rest.strip():
        yield rest


@contextlib.contextmanager
def _input_errors(path: str) -> Iterator[None]:
    """Turns what readers raise for a broken file into an InputError of one line."""
    try:
        yield
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: not a table ({str(error).splitlines()[0]})") from None


def _unique(path: str, names: list[str]) -> list[str]:
    """The names as they are. Raises InputError if one occurs twice."""
    if len(set(names)) < len(names):
        raise InputError(f"{path}: column '{next(name for name in names if names.count(name) > 1)}' is there twice")
    return names
