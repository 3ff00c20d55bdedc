"""Reads numbers and cells from MATLAB 5 files (.mat, versions 5 to 7), and refuses everything else.

A file is a header of 128 bytes and data elements, each a tag (type, bytes) and its bytes, padded to eight; an array is an
element of elements: flags, dimensions, name, and either numbers or, for a cell, arrays. (MathWorks, MAT-File Format.)
Our own, because files come from strangers and scipy's compiled reader ends the process on some that are damaged.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator

import numpy as np

from pose_diffusion.errors import InputError

_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_CELL, _NUMERIC = 1, range(6, 16)  # array classes: double, single, integers
_COMPLEX = 0x08
_MOST_DEEP = 8


class _Damaged(ValueError):
    pass


def load(content: bytes, names: Collection[str], where: str, max_bytes: int = 4 << 30) -> dict[str, np.ndarray]:
    """The named variables of a file: numbers as float64 arrays, cells as object arrays of such.

    Raises InputError for a missing variable, one that is neither, a damaged file, or one that unpacks to over max_bytes.
    """
    try:
        return _variables(content, names, max_bytes)
    except (_Damaged, struct.error, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{where}: not a sound MATLAB 5 file ({error})") from None


def _variables(content: bytes, names: Collection[str], max_bytes: int) -> dict[str, np.ndarray]:
    mark = content[126:128]
    if len(content) < 128 or mark not in (b"IM", b"MI"):
        raise _Damaged("no MATLAB 5 header")
    order = "<" if mark == b"IM" else ">"
    found: dict[str, np.ndarray] = {}
    for kind, data in _elements(memoryview(content)[128:], order):
        if kind == _COMPRESSED:
            unpacker = zlib.decompressobj()
            unpacked = unpacker.decompress(bytes(data), max_bytes)
            max_bytes -= len(unpacked)
            if unpacker.unconsumed_tail or not unpacker.eof:
                raise _Damaged("a compressed variable is cut off or too large")
            kind, data = next(_elements(memoryview(unpacked), order))
        if kind == _MATRIX:
            parts = _elements(data, order)
            if _head(parts, order)[2] in names:
                name, value = _array(data, order, 0)
                found[name] = value
    missing = [name for name in names if name not in found]
    if missing:
        raise _Damaged(f"no variable '{missing[0]}'")
    return found


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and bytes of each data element."""
    place = 0
    while len(data) - place >= 8:
        kind, size = struct.unpack_from(f"{order}II", data, place)
        if kind >> 16:  # a small element: size and type share four bytes, four of data follow
            kind, size, start, end = kind & 0xFFFF, kind >> 16, place + 4, place + 8
            if size > 4:
                raise _Damaged("an element of impossible size")
        else:
            start = place + 8
            end = start + size + (-size % 8 if kind != _COMPRESSED else 0)
        if start + size > len(data):
            raise _Damaged("cut off")
        yield kind, data[start : start + size]
        place = end


def _next(parts: Iterator[tuple[int, memoryview]], wanted: Collection[int]) -> tuple[int, memoryview]:
    kind, data = next(parts, (0, memoryview(b"")))
    if kind not in wanted:
        raise _Damaged(f"an element of type {kind} out of place")
    return kind, data


def _head(parts: Iterator[tuple[int, memoryview]], order: str) -> tuple[int, tuple[int, ...], str]:
    """Flags, shape and name of an array."""
    flags = struct.unpack_from(f"{order}I", _next(parts, (_UINT32,))[1])[0]
    shape = tuple(np.frombuffer(_whole(_next(parts, (_INT32,))[1], 4), f"{order}i4").tolist())
    name = bytes(_next(parts, (_INT8,))[1]).decode("ascii")
    if len(shape) < 2 or min(shape) < 0:
        raise _Damaged(f"variable '{name}' has no shape")
    return flags, shape, name


def _array(data: memoryview, order: str, depth: int) -> tuple[str, np.ndarray]:
    """Name and value of an array."""
    parts = _elements(data, order)
    flags, shape, name = _head(parts, order)
    count = int(np.prod(shape, dtype=object))
    if flags & 0xFF == _CELL and depth < _MOST_DEEP:
        if count > len(data):
            raise _Damaged(f"cell '{name}' claims {count} parts")
        cells = np.empty(count, object)
        for index in range(count):
            cells[index] = _array(_next(parts, (_MATRIX,))[1], order, depth + 1)[1]
        return name, cells.reshape(shape, order="F")
    if flags & 0xFF not in _NUMERIC or flags >> 8 & _COMPLEX:
        raise _Damaged(f"variable '{name}' holds neither real numbers nor cells")
    kind, raw = _next(parts, _NUMBERS)
    dtype = np.dtype(order + _NUMBERS[kind])
    if len(raw) != count * dtype.itemsize:
        raise _Damaged(f"variable '{name}' of shape {shape} has {len(raw)} bytes")
    return name, np.frombuffer(raw, dtype).astype(np.float64).reshape(shape, order="F")


def _whole(data: memoryview, size: int) -> memoryview:
    if len(data) % size:
        raise _Damaged("an element of impossible size")
    return data
