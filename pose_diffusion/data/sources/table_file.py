"""A table's file, Parquet or CSV: its rows, all at once or in parts, and its columns as numbers and names, checked.

A part holds whole recordings. A large Parquet file has as many as its recordings allow, whose rows lie together as a rule;
where they do not, and as CSV, a file is held whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pose_diffusion import storage
from pose_diffusion.errors import InputError

LARGE = 32 << 20  # bytes; a smaller file is not looked into for parts
PART_ROWS = 1 << 18  # that a part has at least


@dataclass(frozen=True)
class Part:
    """Rows start to stop of a file; a whole file where stop is None."""

    path: str
    start: int = 0
    stop: int | None = None

    @property
    def where(self) -> str:
        return self.path if self.stop is None else f"{self.path}, rows {self.start} to {self.stop - 1}"


def parts(path: str, size: int, recording: SequenceOf[SequenceOf[str]]) -> list[Part]:
    """What of a file of so many bytes is read at once, in the order of its rows.

    recording: the columns by which recordings are told apart, each under its possible names. Raises InputError for a file
    that is no table.
    """
    if size < LARGE or not path.lower().endswith(".parquet"):
        return [Part(path)]
    with storage.open_file(path) as file, _reading(path):
        parquet = pq.ParquetFile(file)
        present = _columns(path, parquet.schema_arrow.names)
        table = parquet.read([name for names in recording for name in names if name in present])
    codes = [names(path, table, *columns)[1] for columns in recording]
    starts = np.flatnonzero(np.any([np.diff(code, prepend=-1) != 0 for code in codes], axis=0))
    # Of each stretch of rows: which recording it is of, and where that recording has its last stretch.
    _, of = np.unique(np.stack([code[starts] for code in codes]), axis=1, return_inverse=True)
    stretches, last = np.arange(len(of)), np.zeros(len(of), np.int64)
    last[of] = stretches  # of several of a recording the last one stays
    ends = np.append(starts, table.num_rows)[1:][np.maximum.accumulate(last[of]) == stretches]  # where no recording goes on
    stops = [0]
    while stops[-1] < table.num_rows:
        stops.append(int(ends[np.searchsorted(ends[:-1], stops[-1] + PART_ROWS)]))
    return [Part(path, start, stop) for start, stop in pairwise(stops)] if len(stops) > 2 else [Part(path)]


def read(part: Part, is_used: Callable[[str], bool]) -> pa.Table:
    """A part's rows, of a Parquet file the used columns alone. Raises InputError for a file that is no table or has no rows."""
    path = part.path
    with storage.open_file(path) as file, _reading(path):
        if path.lower().endswith(".parquet"):
            parquet = pq.ParquetFile(file, pre_buffer=True)
            used = list(filter(is_used, _columns(path, parquet.schema_arrow.names)))
            table = parquet.read(used) if part.stop is None else _rows(parquet, part, part.stop, used)
        else:
            table = pyarrow.csv.read_csv(file)
            _columns(path, table.column_names)
    if not table.num_rows:
        raise InputError(f"{path}: has no rows")
    return table


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


def _rows(parquet: pq.ParquetFile, part: Part, stop: int, columns: list[str]) -> pa.Table:
    """A part's rows, read in batches of row groups that may be too large to be held whole."""
    if stop > parquet.metadata.num_rows:
        raise InputError(f"{part.where}: the file has changed since it was read first")
    groups = range(parquet.num_row_groups)
    bounds = np.cumsum([0, *(parquet.metadata.row_group(group).num_rows for group in groups)]).tolist()
    kept = []
    for group in groups:
        row = bounds[group]
        if bounds[group + 1] <= part.start or row >= stop:
            continue
        for batch in parquet.iter_batches(row_groups=[group], columns=columns):
            low, high = max(part.start - row, 0), min(stop - row, len(batch))
            if low < high:
                kept.append(batch.slice(low, high - low))
            row += len(batch)
            if row >= stop:
                break
    return pa.Table.from_batches(kept)


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: not a table ({str(error).splitlines()[0]})") from None


def _columns(path: str, found: list[str]) -> list[str]:
    """The columns' names. Raises InputError where one is there twice."""
    if len(set(found)) < len(found):
        raise InputError(f"{path}: column '{next(n for n in found if found.count(n) > 1)}' is there twice")
    return found
