"""Reads .npz and .npy files from strangers: no code runs, and no more memory is taken than the caller allows.

An .npz is a zip of .npy members (numpy.lib.format). Pickled members, as VideoPose3D and DiffPose publish theirs, go
through `pickled`, which runs nothing. Sizes are checked before anything is read.
"""

from __future__ import annotations

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from typing import IO, Any

import numpy as np

from pose_diffusion import storage
from pose_diffusion.data.untrusted import pickle
from pose_diffusion.errors import InputError

MAX_BYTES = 64 << 30
_MAX_RATIO = 300  # deflate reaches about 1000 on zeros; real poses stay below 10
_RATIO_FREE_BYTES = 64 << 20  # below this a large ratio does no harm
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError, OSError)
_HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def load(path: str, keys: Collection[str] | None = None, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """The members of an .npz by name: arrays (possibly read-only), and for 0-d object arrays the object inside.

    keys: members to read, all of which must be there; None reads every one. max_bytes: the largest unpacked size.
    Raises InputError naming the file and member: missing, truncated, too large, unsafe, or not numpy data.
    """
    with storage.open_file(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = _members(path, archive, max_bytes)
                missing = [key for key in keys or () if key not in members]
                if missing:
                    raise InputError(f"{path}: no array '{missing[0]}'; the file holds {', '.join(sorted(members)) or 'none'}")
                return {key: _member(path, archive, key, members[key]) for key in (members if keys is None else keys)}
        except InputError:
            raise
        except _BROKEN as error:
            raise InputError(f"{path}: truncated or not an .npz file ({error})") from None


def load_npy(path: str, max_bytes: int = MAX_BYTES) -> Any:
    """The array of one .npy file; as `load` for objects and errors."""
    size = storage.size(path)
    if size > max_bytes:
        raise InputError(f"{path}: {size:,} bytes, more than the {max_bytes:,} allowed")
    with storage.open_file(path) as file:
        return _array(path, file, size)


def names(path: str) -> list[str]:
    """The members of an .npz."""
    with storage.open_file(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return sorted(_members(path, archive, MAX_BYTES))
        except _BROKEN as error:
            raise error if isinstance(error, InputError) else InputError(f"{path}: not an .npz file ({error})") from None


def shape_of(path: str, key: str) -> tuple[int, ...]:
    """The shape of an array of numbers, of which the header alone is read: an .npy file's, or an .npz's by its key."""
    with _opened(path, key) as (where, stream, size):
        return _header(where, stream, size)[0]


def blocks(path: str, key: str, rows: int) -> Iterator[np.ndarray]:
    """An array of numbers in parts of at most so many of its first axis, for arrays larger than memory; as `shape_of`."""
    with _opened(path, key) as (where, stream, size):
        form, fortran, dtype = _header(where, stream, size)
        if fortran or not form:
            raise InputError(f"{where}: expected an array in C order, of rows")
        row = int(np.prod(form[1:], dtype=object)) * dtype.itemsize
        for start in range(0, form[0], rows):
            count = min(rows, form[0] - start)
            raw = stream.read(count * row)
            if len(raw) != count * row:
                raise InputError(f"{where}: truncated at row {start + len(raw) // max(row, 1)} of {form[0]}")
            yield np.frombuffer(raw, dtype).reshape(count, *form[1:])


@contextlib.contextmanager
def _opened(path: str, key: str) -> Iterator[tuple[str, IO[bytes], int]]:
    """The place for errors, the bytes and their number of one array: the .npy file, or the member `key` of an .npz."""
    with storage.open_file(path) as file:
        if path.lower().endswith(".npy"):
            yield path, file, storage.size(path)
            return
        try:
            with zipfile.ZipFile(file) as archive:
                members = _members(path, archive, MAX_BYTES)
                if key not in members:
                    raise InputError(f"{path}: no array '{key}'; the file holds {', '.join(sorted(members)) or 'none'}")
                with archive.open(members[key]) as stream:
                    yield f"{path}: member '{key}'", stream, members[key].file_size
        except InputError:
            raise
        except _BROKEN as error:
            raise InputError(f"{path}: truncated or not an .npz file ({error})") from None


def _members(path: str, archive: zipfile.ZipFile, max_bytes: int) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename
        if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
            raise InputError(f"{path}: member '{name}' points outside the archive")
        if not name.endswith(".npy"):
            raise InputError(f"{path}: member '{name}' is not an .npy array")
        if name.removesuffix(".npy") in members:
            raise InputError(f"{path}: member '{name}' is there twice")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"{path}: member '{name}' is packed by method {info.compress_type}, expected stored or deflated")
        members[name.removesuffix(".npy")] = info
    unpacked = sum(info.file_size for info in members.values())
    packed = sum(info.compress_size for info in members.values())
    if unpacked > max_bytes:
        raise InputError(f"{path}: unpacks to {unpacked:,} bytes, more than the {max_bytes:,} allowed")
    if unpacked > _RATIO_FREE_BYTES and unpacked > _MAX_RATIO * packed:
        raise InputError(f"{path}: unpacks to {unpacked // max(packed, 1)} times its size, more than {_MAX_RATIO} (a zip bomb)")
    return members


def _member(path: str, archive: zipfile.ZipFile, key: str, info: zipfile.ZipInfo) -> Any:
    with archive.open(info) as stream:
        return _array(f"{path}: member '{key}'", stream, info.file_size)


def _array(where: str, stream: IO[bytes], size: int) -> Any:
    """The array in an .npy stream of `size` bytes, over the bytes read (no copy)."""
    shape, fortran, dtype = _form(where, stream)
    if dtype.hasobject:
        return _objects(where, stream, shape, dtype)
    count, left = _count(where, stream, size, shape, dtype)
    raw = stream.read(left)
    if len(raw) != left:
        raise InputError(f"{where}: truncated, {len(raw):,} of {left:,} bytes")
    flat = np.frombuffer(raw, dtype) if left else np.empty(count, dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def _header(where: str, stream: IO[bytes], size: int) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type of an array of numbers, of which all bytes are announced."""
    shape, fortran, dtype = _form(where, stream)
    if dtype.kind not in "fiu":
        raise InputError(f"{where}: expected an array of numbers, got {dtype}")
    _count(where, stream, size, shape, dtype)
    return shape, fortran, dtype


def _form(where: str, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        version = np.lib.format.read_magic(stream)
        return _HEADER_READERS[version](stream)
    except Exception as error:  # the header is a Python literal: numpy lets through whatever Python's parsers raise
        raise InputError(f"{where}: not a numpy array ({type(error).__name__}: {error})") from None


def _count(where: str, stream: IO[bytes], size: int, shape: tuple[int, ...], dtype: np.dtype) -> tuple[int, int]:
    """Numbers in the array and bytes left in the stream, which must agree."""
    left = size - stream.tell()
    count = 1
    for n in shape:
        count *= n
    if min(shape, default=0) < 0 or count * dtype.itemsize != left:
        raise InputError(f"{where}: {left:,} bytes of data, but its header says {shape} of {dtype}")
    return count, left


def _objects(where: str, stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype) -> Any:
    if dtype != np.dtype(object):
        raise InputError(f"{where}: objects inside a structured array are not read")
    try:
        value = pickle.load(stream)
    except pickle.Refused as refusal:
        found = str(refusal).replace("\n", "\\n")
        raise InputError(
            f"{where}: holds {found}; expected numpy arrays, numbers, text, lists, tuples and dicts alone (nothing was run)"
        ) from None
    if not isinstance(value, np.ndarray) or value.shape != shape:
        raise InputError(f"{where}: expected an object array of shape {shape}")
    return value[()] if value.ndim == 0 else value
