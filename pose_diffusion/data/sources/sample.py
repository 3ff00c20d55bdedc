"""A look at one input file, by which its tool is told: name, first bytes, headers. No array is read, nothing unpickled."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pose_diffusion import storage
from pose_diffusion.data.sources import json_head
from pose_diffusion.errors import InputError

HEAD_BYTES = 256 << 10
_WHOLE_BYTES = 1 << 20  # JSON up to this size is read whole
_ROWS = 12  # of a CSV that are looked at
_UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, EOFError, zipfile.BadZipFile, pa.ArrowException, InputError)
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class Seen:
    """What a recogniser says of a file that its tool wrote.

    tool: what wrote it and of what kind it is, such as 'AlphaPose results'. why: what shows it. wrong: why the file cannot be
    read although it is the tool's, with the way out. settings: keys of the source's section that the file states.
    """

    tool: str
    why: str
    wrong: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ArrayHeader:
    """Of an array in a file: its shape, and its kind as numpy's dtype.kind ('f', 'O' for pickled objects, ...)."""

    shape: tuple[int, ...]
    kind: str


@dataclass(frozen=True)
class Sample:
    """One file of the input. Each property is None, or empty, for a file of another form or a broken one.

    size: in bytes. head: its first HEAD_BYTES, all of a smaller file.
    """

    path: str
    size: int
    head: bytes = field(repr=False)

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    @property
    def suffix(self) -> str:
        """Lower case, with its dot; '' without one."""
        stem, dot, suffix = self.name.rpartition(".")
        return f".{suffix.lower()}" if dot and stem else ""

    @cached_property
    def text(self) -> str:
        """The head as text, without a byte order mark; '' for what holds zero bytes or is not UTF-8."""
        content = self.head.removeprefix(b"\xef\xbb\xbf")
        if b"\0" in content:
            return ""
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:  # the head may end within a character
            at_end = error.start > len(content) - 4
            return content[: error.start].decode("utf-8") if at_end else content.decode("latin-1")

    @cached_property
    def json(self) -> Any:
        """The content of a JSON file; of a large or broken one as much as its head has. None for a file that is not JSON."""
        if self.suffix != ".json":
            return None
        whole = self.head if self.size <= len(self.head) else None
        if whole is None and self.size <= _WHOLE_BYTES:
            whole = storage.read_bytes(self.path)
        return json_head.parse(self.head if whole is None else whole, is_whole=whole is not None)

    @cached_property
    def rows(self) -> list[list[str]]:
        """The first rows of a CSV, without blanks around cells, whatever separates them: commas, semicolons or tabs."""
        if self.suffix not in (".csv", ".tsv") or not self.text.strip():
            return []
        lines = self.text.splitlines()
        lines = lines[: -1 if self.size > len(self.head) and len(lines) > 1 else None]
        delimiter = max(",;\t", key=lines[0].count)
        try:
            rows = list(csv.reader(io.StringIO("\n".join(lines[:_ROWS])), delimiter=delimiter))
        except csv.Error:
            return []
        return [[cell.strip() for cell in row] for row in rows if row]

    @cached_property
    def columns(self) -> list[str]:
        """The names of a table's columns, CSV or Parquet."""
        if self.suffix == ".parquet":
            try:
                with storage.open_file(self.path) as file:
                    return list(pq.read_schema(file).names)
            except _UNREADABLE:
                return []
        return self.rows[0] if self.rows else []

    @cached_property
    def arrays(self) -> dict[str, ArrayHeader]:
        """The headers of an .npz file's arrays by name, of an .npy file's as ''."""
        if self.suffix not in (".npz", ".npy"):
            return {}
        try:
            with storage.open_file(self.path) as file:
                if self.suffix == ".npy":
                    return {"": _array_header(file)}
                with zipfile.ZipFile(file) as archive:
                    names = [name for name in archive.namelist() if name.endswith(".npy")]
                    return {name.removesuffix(".npy"): _member_header(archive, name) for name in names[:100]}
        except _UNREADABLE:
            return {}

    @cached_property
    def datasets(self) -> set[str]:
        """The names at the top of an HDF5 file."""
        if not self.head.startswith(b"\x89HDF\r\n\x1a\n"):
            return set()
        try:
            with storage.open_file(self.path) as file, h5py.File(file, "r") as content:
                return set(content)
        except _UNREADABLE:
            return set()


def look(path: str) -> Sample:
    """A look at a file. Raises InputError where it cannot be opened."""
    size = storage.size(path)
    return Sample(path, size, storage.read_range(path, 0, min(size, HEAD_BYTES)) if size else b"")


def _member_header(archive: zipfile.ZipFile, name: str) -> ArrayHeader:
    with archive.open(name) as stream:
        return _array_header(stream)


def _array_header(stream: Any) -> ArrayHeader:
    try:
        shape, _, dtype = _HEADERS[np.lib.format.read_magic(stream)](stream)
    except Exception as error:  # the header is a Python literal: numpy lets through whatever Python's parsers raise
        raise ValueError("not a numpy array") from error
    return ArrayHeader(shape, "O" if dtype.hasobject else dtype.kind)


def is_numbers(value: Any, least: int = 1) -> bool:
    """Whether a value is a list of at least so many numbers."""
    return isinstance(value, list) and len(value) >= least and all(isinstance(x, int | float) for x in value)


def dicts(value: Any) -> list[dict]:
    """The mappings in a list; none where it is not a list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
