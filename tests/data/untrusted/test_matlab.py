from __future__ import annotations

import io

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from pose_diffusion.data.untrusted import matlab
from pose_diffusion.errors import InputError


def mat(compressed: bool = False, **variables: object) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, variables, do_compression=compressed)
    return stream.getvalue()


def cells(*values: np.ndarray) -> np.ndarray:
    found = np.empty((len(values), 1), object)
    for index, value in enumerate(values):
        found[index, 0] = value
    return found


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "u1", "i4"])
def test_numbers_come_back_as_scipy_wrote_them(compressed: bool, dtype: str) -> None:
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)
    found = matlab.load(mat(compressed, a=values, other="text"), ["a"], "a.mat")
    assert list(found) == ["a"]
    np.testing.assert_array_equal(found["a"], values)


@pytest.mark.parametrize("compressed", [False, True])
def test_cells_come_back_as_scipy_wrote_them(compressed: bool) -> None:
    parts = [np.arange(6.0).reshape(2, 3), np.ones((1, 1)), np.zeros((0, 5))]
    found = matlab.load(mat(compressed, a=cells(*parts), longer_name=parts[0]), ["a", "longer_name"], "a.mat")
    assert found["a"].shape == (3, 1)
    for one, other in zip(found["a"].reshape(-1), parts, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no MATLAB 5 header"),
        (b"x" * 300, "no MATLAB 5 header"),
        (mat(b=np.ones(3)), "no variable 'a'"),
        (mat(a="text"), "neither real numbers nor cells"),
        (mat(a=np.ones(3) * 1j), "neither real numbers nor cells"),
        (mat(a={"field": 1}), "neither real numbers nor cells"),
        (mat(a=np.ones(300))[:-8], "cut off"),
        (mat(True, a=np.ones(300))[:-8], "cut off"),
    ],
)
def test_anything_else_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(InputError, match=rf"a\.mat: not a sound MATLAB 5 file \(.*{told}"):
        matlab.load(content, ["a"], "a.mat")


def test_a_variable_that_unpacks_to_more_than_allowed_is_refused() -> None:
    with pytest.raises(InputError, match="cut off or too large"):
        matlab.load(mat(True, a=np.zeros(10**6)), ["a"], "a.mat", max_bytes=10**6)


def test_cells_within_cells_without_end_are_refused() -> None:
    nested = np.ones((1, 1))
    for _ in range(20):
        nested = cells(nested)
    with pytest.raises(InputError, match="neither real numbers nor cells"):
        matlab.load(mat(a=nested), ["a"], "a.mat")


@settings(max_examples=300, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_mutated_file_gives_numbers_or_a_clean_error(changes: list) -> None:
    content = bytearray(mat(a=cells(np.arange(6.0), np.ones((2, 2))), b=np.arange(5)))
    for place, value in changes:
        content[place % len(content)] = value
    try:
        matlab.load(bytes(content), ["a", "b"], "a.mat")
    except InputError as error:
        assert str(error).startswith("a.mat: ") and "\n" not in str(error)
