from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest

from pose_diffusion.viewer.packing import pack


def unpack(packed: dict) -> np.ndarray:
    """What assets/unpack.js does."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8).reshape(4, -1).astype(np.uint32)
    folded = (planes << np.arange(0, 32, 8, dtype=np.uint32)[:, None]).sum(0, dtype=np.uint32)
    difference = (folded >> 1).astype(np.int32) ^ -(folded & 1).astype(np.int32)
    count = packed["shape"][0]
    whole = np.cumsum(difference.reshape(count, -1) if count else difference.reshape(0, 1), axis=0, dtype=np.int32)
    return np.where(whole == -(2**31), np.nan, whole * packed["step"]).reshape(packed["shape"])


@pytest.mark.parametrize("step", [0.1, 0.0005])
def test_values_come_back_to_half_a_step(step: float) -> None:
    values = np.random.default_rng(0).normal(0, 3, (50, 17, 3))
    assert np.abs(unpack(pack(values, step)) - values).max() <= step / 2 * (1 + 1e-9)


def test_what_is_not_finite_comes_back_as_nan_and_harms_no_neighbour() -> None:
    values = np.arange(12.0).reshape(4, 3)
    values[1, 1], values[2, 0], values[3, 2] = np.nan, np.inf, -np.inf
    expected = np.where(np.isfinite(values), values, np.nan)
    np.testing.assert_array_equal(unpack(pack(values, 1)), expected)


def test_a_value_far_out_is_cut_and_harms_no_neighbour() -> None:
    values = np.array([[1.0, 2.0], [1e300, 3.0], [-1e300, 4.0], [5.0, 6.0]])
    found = unpack(pack(values, 1))
    np.testing.assert_array_equal(found[:, 1], values[:, 1])
    np.testing.assert_array_equal(found[[0, 3], 0], [1, 5])
    assert found[1, 0] == -found[2, 0] == 2**31 - 2


def test_no_rows_are_packed_too() -> None:
    assert unpack(pack(np.empty((0, 17, 3)), 0.1)).shape == (0, 17, 3)


def test_a_smooth_motion_takes_less_than_a_third_of_its_float32() -> None:
    motion = np.sin(np.arange(3000)[:, None] / 20 + np.arange(51)) + np.random.default_rng(0).normal(0, 0.001, (3000, 51))
    assert len(pack(motion, 0.0005)["data"]) < motion.astype(np.float32).nbytes / 3
