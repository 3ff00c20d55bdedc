from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from pose_diffusion.data.untrusted import hdf5
from pose_diffusion.errors import InputError


def read(path: Path, name: str = "a", spare_bytes: int = 1 << 20) -> np.ndarray:
    with hdf5.open_file(str(path), spare_bytes) as file:
        return file.read(name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.h5"


def test_a_data_set_and_the_names_of_all_are_read(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["a"] = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(read(path), np.arange(6.0).reshape(2, 3))
    with hdf5.open_file(str(path)) as opened:
        assert opened.names() == ["a"]


def test_values_of_variable_length_are_not_read(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["a"] = ["nose", "hip"]
    with pytest.raises(InputError, match=r"'a' has values of variable length"):
        read(path)


def test_a_name_that_is_not_there_is_refused(path: Path) -> None:
    h5py.File(path, "w").close()
    with pytest.raises(InputError, match=r"a\.h5: no data set 'a'"):
        read(path)


def test_a_group_is_no_data_set(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("a")
    with pytest.raises(InputError, match=r"'a' is no data set of this file's own"):
        read(path)


def test_links_to_other_files_are_not_followed(path: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["a"] = [1.0]
    with h5py.File(path, "w") as file:
        file["a"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "a")
    with pytest.raises(InputError, match=r"no data set 'a'"):
        read(path)


def test_virtual_data_sets_of_other_files_are_not_read(path: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["a"] = [1.0]
    layout = h5py.VirtualLayout((1,), "f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "a", (1,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("a", layout)
    with pytest.raises(InputError, match=r"no data set of this file's own"):
        read(path)


def test_values_stored_in_another_file_are_not_read(path: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(8))
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (1,), "f8", external=[(str(tmp_path / "secret"), 0, 8)])
    with pytest.raises(InputError, match=r"no data set of this file's own"):
        read(path)


def test_a_small_file_that_unpacks_to_a_large_array_is_refused_by_what_it_may_spare(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (1 << 20,), "f8", chunks=True, compression="gzip")
    with pytest.raises(InputError, match=r"'a' unpacks to 8,388,608 bytes, too many"):
        read(path)
    assert read(path, spare_bytes=8 << 20).shape == (1 << 20,)


@pytest.mark.parametrize("content", [b"", b"text", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(500)])
def test_what_is_no_hdf5_is_refused_in_one_line(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.h5: not an HDF5 file") as error:
        read(path)
    assert "\n" not in str(error.value)
