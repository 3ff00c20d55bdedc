"""Arrays as short text, for a page that holds hours of poses.

An array (T, ...) is rounded to whole steps, each number is replaced by its difference from the frame before, folded to a
natural number (0, -1, 1, -2, ... to 0, 1, 2, 3, ...), and written byte by byte: of all numbers the lowest, then of all the
second, the third and the fourth; then zlib and base64. assets/unpack.js reads it. What is not finite comes back as NaN.
"""

from __future__ import annotations

import base64
import math
import zlib

import numpy as np

_MISSING = -(2**31)
_MOST = 2**31 - 2


def pack(values: np.ndarray, step: float) -> dict:
    """{"shape", "step", "data"}. step: what values are rounded to, in their unit; one beyond 2^31 steps is cut there."""
    count = len(values)
    flat = np.asarray(values, np.float64).reshape(count, math.prod(values.shape[1:])) / step
    finite = np.isfinite(flat)
    whole = np.where(finite, np.clip(np.rint(np.where(finite, flat, 0)), -_MOST, _MOST), _MISSING).astype(np.int32)
    difference = np.diff(whole, axis=0, prepend=np.int32(0)).reshape(-1)  # wraps around, as the reader's sum does
    folded = (difference << 1) ^ (difference >> 31)
    planes = folded.astype("<i4").view(np.uint8).reshape(-1, 4).T
    data = base64.b64encode(zlib.compress(planes.tobytes())).decode()
    return {"shape": list(values.shape), "step": step, "data": data}
