"""Columns of a table as arrays: numbers as float64, names as codes into their distinct values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pose_diffusion.errors import InputError

_SHOWN = 8  # names in an error line


@dataclass(frozen=True)
class ColumnFilter:
    """Which columns of a table are read, by their names: those that hold numbers and those that hold names."""

    is_number: Callable[[str], bool]
    is_name: Callable[[str], bool]

    def select(self, present: list[str]) -> list[str]:
        return [name for name in present if self.is_number(name) or self.is_name(name)]


def listed(names: Sequence[str]) -> str:
    """Some of the names, for an error line."""
    shown = [name if name.isprintable() else repr(name) for name in names[:_SHOWN]]
    return ", ".join(shown) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def has_column(table: pa.Table, name: str) -> bool:
    """Whether the table has the column. A look-up in the schema; `column_names` builds a new list at each use."""
    return table.schema.get_field_index(name) >= 0


def numbers(path: str, table: pa.Table, name: str) -> np.ndarray:
    """A column as float64 (rows,), NaN for an empty cell. Raises InputError if it is absent or does not hold numbers."""
    if not has_column(table, name):
        raise InputError(f"{path}: no column '{name}'")
    try:
        return table[name].cast(pa.float64()).to_numpy()
    except pa.ArrowException:
        raise InputError(f"{path}: column '{name}': expected numbers, got {table[name].type}") from None


def names(path: str, table: pa.Table, *candidates: str) -> tuple[np.ndarray, np.ndarray]:
    """The first of the candidate columns that is present: its distinct names, sorted, and each row's index into them (rows,).

    An empty cell has the name "". Without any of the columns every row has. Raises InputError for a column of other values
    than names or numbers.
    """
    column = next((name for name in candidates if has_column(table, name)), None)
    if column is None:
        return np.array([""]), np.zeros(table.num_rows, np.int32)
    kind = table[column].type
    try:
        plain = table[column].cast(kind.value_type) if pa.types.is_dictionary(kind) else table[column]
        encoded = plain.combine_chunks().dictionary_encode(null_encoding="encode")
    except pa.ArrowException:
        raise InputError(f"{path}: column '{column}': expected names or numbers, got {kind}") from None
    values = ["" if value is None else str(value) for value in encoded.dictionary.to_pylist()]
    distinct, codes = np.unique(values, return_inverse=True)
    return distinct, codes.astype(np.int32)[encoded.indices.to_numpy()]
