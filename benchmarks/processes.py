"""Bare loops in several processes at once, as the jobs' workers are."""

from __future__ import annotations

import os
from typing import Any

import ray
import torch

from benchmarks import reference_loops
from benchmarks.config import BenchmarkConfig
from benchmarks.reference_loops import Rate
from pose_diffusion.runtime.process import configure_runtime


def worker_counts(config: BenchmarkConfig, device: torch.device) -> list[int]:
    """bench.workers, or 1, 2, 4, ... up to the machine's processors of the kind."""
    if config.bench.workers:
        return sorted(set(config.bench.workers))
    most = torch.cuda.device_count() if device.type == "cuda" else max(1, (os.cpu_count() or 1) // config.bench.threads)
    return sorted({2**power for power in range(most.bit_length()) if 2**power <= most} | {most})


def run_together(kind: str, count: int, config: BenchmarkConfig, device: torch.device, precision: str) -> tuple[float, Rate]:
    """The matmul peak in GFLOP/s, then the loop, in `count` processes at the same time: rates summed, the largest memory."""
    train = config.train.model_copy(update={"workers": count, "precision": precision})
    with_workers = config.model_copy(update={"train": train})
    processes: list[Any] = [
        ray.remote(num_cpus=0, num_gpus=1 if device.type == "cuda" else 0)(_Process).remote(config.bench.threads)
        for _ in range(count)
    ]
    ray.get([process.ready.remote() for process in processes])
    seconds = max(config.bench.seconds, 1.0)
    peak, rate = (
        _sum(ray.get([process.run.remote(one, with_workers, device.type, seconds) for process in processes]))
        for one in ("peak", kind)
    )
    for process in processes:
        ray.kill(process)
    return peak.a_second, rate


def _sum(rates: list[Rate]) -> Rate:
    return Rate(sum(rate.a_second for rate in rates), max(rate.memory_mib for rate in rates))


class _Process:
    """A worker as the jobs have them."""

    def __init__(self, threads: int):
        self.threads = threads

    def ready(self) -> None: ...

    def run(self, kind: str, config: BenchmarkConfig, device: str, seconds: float) -> Rate:
        configure_runtime(self.threads, (config.infer if kind == "lifting" else config.train).precision == "tf32")
        return reference_loops.run(kind, config, torch.device(device), seconds)
