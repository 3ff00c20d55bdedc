"""Timing: the median call, and the peak."""

from __future__ import annotations

import time

import torch

from benchmarks.timing import matmul_peak, seconds_a_call

CPU = torch.device("cpu")


def test_a_call_takes_at_least_as_long_as_it_sleeps():
    assert seconds_a_call(lambda: time.sleep(0.01), 0.05, CPU) >= 0.01


def test_a_call_is_repeated_though_it_is_longer_than_asked():
    calls: list[int] = []
    seconds_a_call(lambda: calls.append(1), 1e-12, CPU)
    assert len(calls) == 1 + 3


def test_the_peak_is_of_the_precision_that_is_asked_for():
    assert matmul_peak("float32", 0.01, CPU, sizes=(64,)) > 0
    assert matmul_peak("bf16", 0.01, CPU, sizes=(64,)) > 0
