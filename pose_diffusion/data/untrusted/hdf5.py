"""HDF5 files of unknown origin: only data sets that the file itself holds are read, and none that unpacks to far more than it.

Links to other files, external storage and virtual data sets could read any file of this machine; a data set of a few bytes
could fill its memory. HDF5's reader crashes on broken values of variable length, so that these and attributes are not read.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np

from pose_diffusion import storage
from pose_diffusion.errors import InputError

_LARGEST_RATIO = 100  # bytes unpacked for each byte of the file


@dataclass(frozen=True)
class Hdf5File:
    """An open file. most_bytes: of a data set, unpacked."""

    path: str
    file: h5py.File
    most_bytes: int

    def names(self) -> list[str]:
        """The names at the top of the file."""
        return list(self.file)

    def read(self, name: str) -> np.ndarray:
        """A data set's values. Raises InputError where there is none that the file itself holds, and for one too large."""
        values = self._dataset(name)
        if values.dtype.hasobject:
            raise InputError(f"{self.path}: '{name}' has values of variable length, expected numbers or text of a fixed length")
        return np.asarray(values[()])

    def _dataset(self, name: str) -> h5py.Dataset:
        if name not in self.file or not isinstance(self.file.get(name, getlink=True), h5py.HardLink):
            raise InputError(f"{self.path}: no data set '{name}'")
        values = self.file[name]
        if not isinstance(values, h5py.Dataset) or values.external or values.is_virtual:
            raise InputError(f"{self.path}: '{name}' is no data set of this file's own")
        if values.nbytes > self.most_bytes:
            raise InputError(f"{self.path}: '{name}' unpacks to {values.nbytes:,} bytes, too many for a file of this size")
        return values


@contextlib.contextmanager
def open_file(path: str, spare_bytes: int = 1 << 20) -> Iterator[Hdf5File]:
    """An HDF5 file, local or s3://. spare_bytes: that any data set may have, however small the file.

    Raises InputError for all that HDF5's reader raises.
    """
    content = storage.read_bytes(path)
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            yield Hdf5File(path, file, _LARGEST_RATIO * len(content) + spare_bytes)
    except InputError:
        raise
    except Exception as error:  # HDF5's reader raises nearly everything for broken files
        raise InputError(f"{path}: not an HDF5 file ({type(error).__name__}: {error})".splitlines()[0]) from None
