"""Which rows of a folder of tables are read at once: those of whole recordings, of which one may go on in the next file.

Rows of a recording lie together as a rule, and then each row is read once. Where they do not, as in tables that are sorted by
time or by nothing, a part reads past the rows of others, and parts are made larger, so that each row is read a few times.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import unquote

import numpy as np
import pyarrow as pa

from pose_diffusion.data.sources.detections.tables import table_file
from pose_diffusion.data.sources.detections.tables.table_file import Columns, Piece, Place
from pose_diffusion.errors import InputError

Recording = tuple[str, ...]  # its names
Keys = Sequence[Sequence[str]]  # the columns of these names, each under its possible ones
PART_ROWS = 1 << 18  # that a part has at least, unless its file ends (larger ones go on over files)
_MOST_TIMES = 8  # that a row is read, in the mean


@dataclass(frozen=True)
class Part:
    """Pieces of files. only: the recordings that are read of them, where others lie between; None for all."""

    pieces: tuple[Piece, ...]
    only: frozenset[Recording] | None = None


@dataclass(frozen=True)
class Look:
    """What recordings a file holds. of: of each stretch of rows its recording's number, (stretches,). starts: its first row.
    places: of some rows of a CSV.
    """

    path: str
    recordings: list[Recording]
    of: np.ndarray
    starts: np.ndarray
    rows: int
    places: Sequence[Place] = ()


def recordings(path: str, table: pa.Table, keys: Keys, default: Recording) -> tuple[list[Recording], np.ndarray]:
    """The distinct recordings of a table's rows, in the order of their names, and each row's place among them.

    default: the names in place of empty ones.
    """
    found = [table_file.names(path, table, *columns) for columns in keys]
    starts = np.flatnonzero(np.any([np.diff(codes, prepend=-1) != 0 for _, codes in found], axis=0))
    # Of stretches of rows with the same names, which are few as a rule, where sorting all rows would take seconds.
    stretches = np.stack([codes[starts] for _, codes in found])
    order = np.lexsort(stretches[::-1])
    new = np.any(np.diff(stretches[:, order], prepend=-1) != 0, axis=0)
    place = np.empty(len(order), np.int32)
    place[order] = np.cumsum(new) - 1
    columns = [
        [name or other for name in distinct[codes].tolist()]
        for (distinct, _), codes, other in zip(found, stretches[:, order[new]], default, strict=True)
    ]
    return list(zip(*columns, strict=True)), np.repeat(place, np.diff(starts, append=table.num_rows))


def names_in_path(path: str, keys: Keys, name: str) -> Recording:
    """A recording's names as folders such as 'video=a' in its file's path tell them (Hive's way), else `name` for the first."""
    told = dict(part.partition("=")[::2] for part in path.split("/")[:-1])
    found = [next((unquote(told[column]) for column in columns if column in told), "") for columns in keys]
    return (found[0] or name, *found[1:])


def look(path: str, keys: Keys, default: Recording) -> Look:
    """A file's recordings. Raises InputError for a file that is no table or has no rows."""
    used = {column for columns in keys for column in columns}
    if not used & set(table_file.header(path)):
        return Look(path, [default], np.zeros(1, np.int32), np.zeros(1, np.int64), 1)
    numbers: dict[Recording, int] = {}
    of, starts, places, rows = [], [], [], 0
    for batch in table_file.batches(Piece(path), Columns(lambda _: False, used.__contains__)):
        found, codes = recordings(path, batch.table, keys, default)
        begins = np.flatnonzero(np.diff(codes, prepend=-1))
        number = np.zeros(len(found), np.int32)
        for one in dict.fromkeys(codes[begins].tolist()):  # in the order of their first rows
            number[one] = numbers.setdefault(found[one], len(numbers))
        of.append(number[codes[begins]])
        starts.append(begins + batch.first)
        places += [batch.place] if batch.place else []
        rows = batch.first + batch.table.num_rows
    if not rows:
        raise InputError(f"{path}: has no rows")
    return Look(path, list(numbers), np.concatenate(of), np.concatenate(starts), rows, places)


def parts(looks: Sequence[Look]) -> list[Part]:
    """What is read at once, by the first rows of the recordings."""
    found = _Stretches(looks)
    size = PART_ROWS
    while found.rows_read(size) > _MOST_TIMES * found.total and size < found.total:
        size *= 2
    return list(found.parts(size))


class _Stretches:
    """The stretches of rows of all files, one after another."""

    def __init__(self, looks: Sequence[Look]) -> None:
        self.looks = looks
        place: dict[Recording, int] = {}
        numbers = [
            np.array([place.setdefault(one, len(place)) for one in look.recordings], np.int64)[look.of] for look in looks
        ]
        self.of = np.concatenate(numbers)
        self.file = np.repeat(np.arange(len(looks)), [len(look.of) for look in looks])
        self.start = np.concatenate([look.starts for look in looks])
        self.stop = np.concatenate([np.append(look.starts[1:], look.rows) for look in looks])
        self.total = sum(look.rows for look in looks)
        self.recordings = list(place)
        self.rows = np.bincount(self.of, self.stop - self.start, len(place)).astype(np.int64)  # of each recording
        # Recordings are numbered by their first rows, so the first file of each does not fall.
        self.first = np.full(len(place), len(looks))
        np.minimum.at(self.first, self.of, self.file)

    def rows_read(self, size: int) -> int:
        return sum(stop - start for _, pieces in self._grouped(size) for _, start, stop in pieces)

    def parts(self, size: int) -> Iterator[Part]:
        for group, pieces in self._grouped(size):
            has_others = sum(stop - start for _, start, stop in pieces) > self.rows[group].sum()
            yield Part(
                tuple(self._piece(*piece) for piece in pieces),
                frozenset(self.recordings[one] for one in group) if has_others else None,
            )

    def _grouped(self, size: int) -> Iterator[tuple[np.ndarray, list[tuple[int, int, int]]]]:
        """Recordings that are read together; of each file that has some of them its place, their first row and their end."""
        group = np.empty(len(self.recordings), np.int64)
        number, space, file = -1, 0, -1
        for one, (rows, first) in enumerate(zip(self.rows.tolist(), self.first.tolist(), strict=True)):
            if space <= 0 or (first != file and size == PART_ROWS):
                number, space, file = number + 1, size, first
            group[one] = number
            space -= rows
        of = group[self.of]
        key, place = np.unique(of * len(self.looks) + self.file, return_inverse=True)
        start, stop = np.full(len(key), np.iinfo(np.int64).max), np.zeros(len(key), np.int64)
        np.minimum.at(start, place, self.start)
        np.maximum.at(stop, place, self.stop)
        bounds = np.searchsorted(group, np.arange(number + 2))
        columns = (*np.divmod(key, len(self.looks)), start, stop)
        for one, of_it in groupby(zip(*(column.tolist() for column in columns), strict=True), lambda piece: piece[0]):
            yield np.arange(bounds[one], bounds[one + 1]), [piece[1:] for piece in of_it]

    def _piece(self, file: int, start: int, stop: int) -> Piece:
        look = self.looks[file]
        if (start, stop) == (0, look.rows):
            return Piece(look.path)
        before = bisect_right(look.places, start, key=lambda place: place.row)
        return Piece(look.path, start, stop, look.places[before - 1] if before else None)
