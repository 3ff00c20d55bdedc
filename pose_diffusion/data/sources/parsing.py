"""Small steps that the readers share: JSON and numbers, with a place in every error."""

from __future__ import annotations

import contextlib
import json
import re
from array import array
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from pose_diffusion import storage
from pose_diffusion.errors import InputError


def natural(name: str) -> list:
    """Sorts 'S9' before 'S11' and '2.jpg' before '10.jpg'."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", str(name))]


def read_json(path: str, made_of: Callable[[dict], Any] | None = None) -> Any:
    """A whole JSON file. made_of: what becomes of each mapping. Raises InputError with line and column where it is broken."""
    return json_of(storage.read_bytes(path), path, made_of)


def json_of(content: bytes, path: str, made_of: Callable[[dict], Any] | None = None) -> Any:
    """The same from a file's content."""
    if not content or content.isspace():
        raise InputError(f"{path}: is empty")
    try:
        return json.loads(content, object_hook=made_of)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON, line {error.lineno}, column {error.colno}: {error.msg}") from None
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise InputError(f"{path}: not JSON ({error})") from None


def packed(entry: dict) -> dict:
    """For `read_json`: an entry with its keypoints as floats, a quarter of the memory of a list, and without its outlines."""
    entry.pop("segmentation", None)
    with contextlib.suppress(KeyError, TypeError, OverflowError):  # what is no list of numbers stays, and is refused later
        entry["keypoints"] = array("d", entry["keypoints"])
    return entry


def number_table(rows: list, what: Callable[[int], str], width: int | None = None) -> np.ndarray:
    """Equally long lists (or arrays) of numbers as (n, width) float64. what: the place of row n for errors."""
    try:
        table = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        table = np.empty(0)
    if table.ndim == 2 and (width is None or table.shape[1] == width):
        return table
    rows = [row.tolist() if isinstance(row, array) else row for row in rows]
    expected = width if width is not None else (len(rows[0]) if isinstance(rows[0], list) else None)
    for index, row in enumerate(rows):
        numeric = isinstance(row, list) and all(isinstance(x, int | float) and abs(x) < 1e300 for x in row)
        if not numeric or len(row) != expected:
            found = f"{len(row)} values" if isinstance(row, list) else type(row).__name__
            raise InputError(f"{what(index)}: expected a list of {expected or 'some'} numbers, got {found}")
    raise InputError(f"{what(0)}: expected lists of numbers")


def frame_number(value: Any, where: str) -> int:
    """A frame's number: an integer, or the last digits of a name such as 'clip_000012.jpg'."""
    if isinstance(value, bool):
        value = None
    if isinstance(value, str):
        digits = re.findall(r"\d+", value.rsplit("/", 1)[-1].rsplit(".", 1)[0] if "." in value else value)
        value = int(digits[-1]) if digits and len(digits[-1]) < 19 else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or not 0 <= value < 2**63:
        raise InputError(f"{where}: expected a frame number or a name with one, got {value!r}")
    return value


def ranks(keys: Sequence[Hashable]) -> list[str]:
    """For each row, how many rows before it have the same key: the order of people within a frame."""
    before: dict[Hashable, int] = {}
    found = []
    for key in keys:
        before[key] = before.get(key, -1) + 1
        found.append(str(before[key]))
    return found


def keypoints(rows: list, what: Callable[[int], str]) -> np.ndarray:
    """Lists x, y, score, x, y, score, ... as (n, J, 3). what: the place of row n for errors."""
    if not rows:
        return np.zeros((0, 1, 3))
    table = number_table(rows, what)
    if table.shape[1] % 3 or not table.shape[1]:
        raise InputError(f"{what(0)}: {table.shape[1]} numbers, expected x, y, score for each joint")
    return table.reshape(len(table), -1, 3)


def field(item: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """item[key], which must be there and of the kind."""
    if not isinstance(item, dict) or key not in item:
        found = ", ".join(map(str, list(item)[:6])) if isinstance(item, dict) else type(item).__name__
        raise InputError(f"{where}: expected a key '{key}', got {found or 'an empty mapping'}")
    if not isinstance(item[key], kind):
        kinds = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
        raise InputError(f"{where}: key '{key}': expected {kinds}, got {type(item[key]).__name__}")
    return item[key]
