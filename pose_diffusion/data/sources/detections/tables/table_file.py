"""A table's file, Parquet or CSV: its rows, all or some of them, and its columns as numbers and names, checked."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pose_diffusion import storage
from pose_diffusion.errors import InputError

_BLOCK = 16 << 20  # bytes of a CSV that are read at once
_BAD_CELL = re.compile(r"CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to \w+: invalid value '(.*)'")


class Place(NamedTuple):
    """Where a row of a CSV begins: its number, and the bytes before it."""

    row: int
    byte: int


@dataclass(frozen=True)
class Piece:
    """Rows start to stop of a file; the whole file where stop is None. place: of a row of a CSV that is not after the first."""

    path: str
    start: int = 0
    stop: int | None = None
    place: Place | None = None

    def __str__(self) -> str:
        return self.path if self.stop is None else f"{self.path}, rows {self.start} to {self.stop - 1}"


@dataclass(frozen=True)
class Columns:
    """The columns that are read of a table: those of numbers and those of names, by their name."""

    is_number: Callable[[str], bool]
    is_name: Callable[[str], bool]

    def of(self, present: list[str]) -> list[str]:
        return [name for name in present if self.is_number(name) or self.is_name(name)]


@dataclass(frozen=True)
class Batch:
    """Some rows of a file. first: the number of their first in the file. place: of the first of a CSV's block."""

    table: pa.Table
    first: int
    place: Place | None = None


def batches(piece: Piece, columns: Columns) -> Iterator[Batch]:
    """The piece's rows, some at a time.

    Raises InputError for a file that is no table and for one that has fewer rows than the piece.
    """
    path, reached = piece.path, piece.start
    with storage.open_file(path) as file, _reading(path):
        read = _parquet if is_parquet(path) else _csv
        for batch in read(path, file, piece, columns):
            low = max(piece.start - batch.first, 0)
            rows = batch.table.num_rows
            high = rows if piece.stop is None else min(piece.stop - batch.first, rows)
            if low < high:
                yield Batch(batch.table.slice(low, high - low), batch.first + low, batch.place)
                reached = batch.first + high
            if reached == piece.stop:
                break
    if piece.stop is not None and reached < piece.stop:
        raise InputError(f"{piece}: the file has changed since it was read first")


def is_parquet(path: str) -> bool:
    return path.lower().endswith(".parquet")


def header(path: str) -> list[str]:
    """The names of a file's columns. Raises InputError for a file that is no table."""
    with storage.open_file(path) as file, _reading(path):
        return _unique(path, pq.ParquetFile(file).schema_arrow.names if is_parquet(path) else _header(file))


def has(table: pa.Table, name: str) -> bool:
    """Whether there is such a column. (`column_names` is a new list at each use.)"""
    return table.schema.get_field_index(name) >= 0


def numbers(path: str, table: pa.Table, name: str) -> np.ndarray:
    """A column as float64, empty cells NaN. Raises InputError where there is none or it holds anything else."""
    if not has(table, name):
        raise InputError(f"{path}: no column '{name}'")
    try:
        return table[name].cast(pa.float64()).to_numpy()
    except pa.ArrowException:
        raise InputError(f"{path}: column '{name}': expected numbers, got {table[name].type}") from None


def names(path: str, table: pa.Table, *columns: str) -> tuple[np.ndarray, np.ndarray]:
    """The distinct names in the first of the columns that is there, sorted, and each row's place among them.

    Where none is there the only name is empty, as that of an empty cell is. Raises InputError for other things than names.
    """
    column = next((name for name in columns if has(table, name)), None)
    if column is None:
        return np.array([""]), np.zeros(table.num_rows, np.int32)
    kind = table[column].type
    try:
        plain = table[column].cast(kind.value_type) if pa.types.is_dictionary(kind) else table[column]
        coded = plain.combine_chunks().dictionary_encode(null_encoding="encode")
    except pa.ArrowException:
        raise InputError(f"{path}: column '{column}': expected names or numbers, got {kind}") from None
    found = ["" if value is None else str(value) for value in coded.dictionary.to_pylist()]
    distinct, place = np.unique(found, return_inverse=True)
    return distinct, place.astype(np.int32)[coded.indices.to_numpy()]


def _parquet(path: str, file: Any, piece: Piece, columns: Columns) -> Iterator[Batch]:
    """The rows of the row groups that hold the piece; a whole file's at once, as that is the fastest."""
    parquet = pq.ParquetFile(file, pre_buffer=True)
    used = columns.of(_unique(path, parquet.schema_arrow.names))
    if piece.stop is None:
        yield Batch(parquet.read(used), 0)
        return
    row = 0
    for group in range(parquet.num_row_groups):
        rows = parquet.metadata.row_group(group).num_rows
        if row + rows > piece.start:
            for batch in parquet.iter_batches(row_groups=[group], columns=used):
                yield Batch(pa.Table.from_batches([batch]), row)
                row += len(batch)
        else:
            row += rows


def _csv(path: str, file: Any, piece: Piece, columns: Columns) -> Iterator[Batch]:
    """The rows from the piece's place on. Types are set, as those that Arrow finds in the first rows need not fit the rest."""
    present = _unique(path, _header(file))
    names = pyarrow.csv.ReadOptions(column_names=present)
    types = pyarrow.csv.ConvertOptions(
        include_columns=columns.of(present),
        column_types={name: pa.float64() if columns.is_number(name) else pa.string() for name in present},
        strings_can_be_null=True,
    )
    row, byte = piece.place or Place(0, file.tell())
    file.seek(byte)
    try:
        for block in _blocks(file):
            table = pyarrow.csv.read_csv(pa.BufferReader(block), names, convert_options=types)
            yield Batch(table, row, Place(row, byte))
            row, byte = row + table.num_rows, byte + len(block)
    except pa.ArrowInvalid as error:
        if not (bad := _BAD_CELL.search(str(error))):
            raise
        raise InputError(f"{path}: column '{present[int(bad[1])]}': expected numbers, got string '{bad[3]}'") from None


def _header(file: Any) -> list[str]:
    """A CSV's names; the file stands after them then."""
    line = file.readline().decode("utf-8-sig")
    if not line.strip():
        raise ValueError("its first line is empty")
    return next(csv.reader([line]))


def _blocks(file: Any) -> Iterator[bytes]:
    """A CSV's rows from where the file stands, so many bytes of whole lines at a time."""
    rest = b""
    while chunk := file.read(_BLOCK):
        lines, end, rest = (rest + chunk).rpartition(b"\n")
        if end:
            yield lines + end
    if rest.strip():
        yield rest


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: not a table ({str(error).splitlines()[0]})") from None


def _unique(path: str, found: list[str]) -> list[str]:
    """The columns' names. Raises InputError where one is there twice."""
    if len(set(found)) < len(found):
        raise InputError(f"{path}: column '{next(n for n in found if found.count(n) > 1)}' is there twice")
    return found
