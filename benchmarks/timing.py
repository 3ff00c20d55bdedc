"""How long a call takes, and the fastest matrix products of this machine to hold it against."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch

_SIZES = {"cpu": (512, 1024, 2048), "cuda": (2048, 4096, 8192)}


def seconds_a_call(call: Callable[[], object], seconds: float, device: torch.device) -> float:
    """The median time of a call, repeated for so many seconds (3 times at least) after one that is not counted."""
    _timed(call, device)
    times = [_timed(call, device) for _ in range(3)]
    while sum(times) < seconds:
        times.append(_timed(call, device))
    return statistics.median(times)


def _timed(call: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def matmul_peak(precision: str, seconds: float, device: torch.device, sizes: Sequence[int] = ()) -> float:
    """GFLOP/s of square matrix products with the present threads: the best of a few sizes, each for its share of seconds."""
    sizes = sizes or _SIZES[device.type]
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    best = 0.0
    with tf32(precision == "tf32"):
        for size in sizes:
            a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
            out = torch.empty_like(a)
            took = seconds_a_call(partial(torch.mm, a, b, out=out), seconds / len(sizes), device)
            best = max(best, 2 * size**3 / took / 1e9)
    return best


class tf32:
    """TensorFloat-32 products on a GPU within the block, or none."""

    def __init__(self, on: bool):
        self.on = on

    def __enter__(self) -> None:
        self.before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = self.on

    def __exit__(self, *error: object) -> None:
        torch.backends.cuda.matmul.allow_tf32 = self.before
