"""Timing: the median call, and the peak."""

from __future__ import annotations

import time

import pytest
import torch

from benchmarks.timing import matmul_peak, seconds_a_call

CPU = torch.device("cpu")


def test_a_call_takes_at_least_as_long_as_it_sleeps():
    assert seconds_a_call(lambda: time.sleep(0.01), 0.05, CPU) >= 0.01


def test_a_call_is_repeated_though_it_is_longer_than_asked():
    calls: list[int] = []
    seconds_a_call(lambda: calls.append(1), 1e-12, CPU)
    assert len(calls) == 1 + 3


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_peak_is_of_products_in_the_precision_asked_for(monkeypatch, precision, dtype):
    multiplied: list[tuple[torch.dtype, torch.Size]] = []

    def mm(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        multiplied.append((out.dtype, a.shape))
        return torch.matmul(a, b, out=out)

    monkeypatch.setattr(torch, "mm", mm)
    assert matmul_peak(precision, 0.01, CPU, sizes=(16, 32)) > 0
    assert set(multiplied) == {(dtype, torch.Size([16, 16])), (dtype, torch.Size([32, 32]))}
