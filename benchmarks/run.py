"""The benchmark's driver: measures the parts that bench.parts names, here and in Ray's workers, on this machine."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import ray
import torch

from benchmarks import families, flops, jobs, mixtures, networks, reading, results
from benchmarks.config import BenchmarkConfig
from benchmarks.processes import run_together, worker_counts
from benchmarks.reference_loops import Rate
from benchmarks.results import Entry
from pose_diffusion import storage
from pose_diffusion.distributed.cluster.session import ray_cluster
from pose_diffusion.errors import InputError
from pose_diffusion.runtime.process import configure_runtime

log = logging.getLogger(__name__)
_BARE = {"training": "samples/s", "lifting": "poses/s"}


def bench(config: BenchmarkConfig) -> dict[str, Any]:
    """The figures that bench.parts asks for, published to bench.output where it is given.

    Raises InputError for a device that is not there, tf32 without a GPU, and shards or a bucket that cannot be used.
    """
    settings = config.bench
    device = _device(config)
    configure_runtime(settings.threads)
    described = results.machine(device) | {"ray": ray.__version__}
    found: list[Entry] = []
    if "network" in settings.parts:
        found += networks.measure(config, device)
    if "mixtures" in settings.parts:
        found += mixtures.measure(settings.heatmaps, device.type)
    if {"reading", "scaling", "jobs", "families"} & set(settings.parts):
        with _folder(settings.folder) as folder, contextlib.ExitStack() as servers:
            place = reading.s3_place(settings, servers) if "reading" in settings.parts else None
            with ray_cluster(config, dashboard=True):
                if "reading" in settings.parts:
                    found += reading.measure(config, folder, place)
                rates: dict[tuple[str, int], Rate] = {}
                if {"scaling", "jobs"} & set(settings.parts):
                    scaling, rates = _scaling(config, device)
                    found += scaling
                if "families" in settings.parts:
                    found += families.measure(config, device)
                if "jobs" in settings.parts:
                    found += jobs.measure(config, folder, device, rates)
    made = results.report(found, described, {name: getattr(config, name).model_dump(mode="json") for name in _SETTINGS})
    if settings.output:
        results.publish(settings.output, made)
    return made


_SETTINGS = ("bench", "model", "diffusion", "train", "infer")


def _scaling(config: BenchmarkConfig, device: torch.device) -> tuple[list[Entry], dict[tuple[str, int], Rate]]:
    """The bare loops in 1, 2, ... processes at once, as the jobs' workers are: each process's rate, summed."""
    work = {
        "training": flops.training("denoiser", config.model),
        "lifting": flops.sampler(config.model, config.diffusion, config.infer.flips) * config.infer.hypotheses,
    }
    found: list[Entry] = []
    rates: dict[tuple[str, int], Rate] = {}
    for count in worker_counts(config, device):
        for kind, precision in (("training", config.train.precision), ("lifting", config.infer.precision)):
            peak, rates[kind, count] = run_together(kind, count, config, device, precision)
            rate = rates[kind, count]
            gflops = rate.a_second * work[kind] / 1e9
            first = rates[kind, min(key[1] for key in rates if key[0] == kind)]
            found.append(
                Entry(
                    "scaling",
                    f"bare {'training step' if kind == 'training' else 'sampler'}, {precision}, {count} processes",
                    rate.a_second,
                    _BARE[kind],
                    gflops,
                    gflops / peak,
                    f"matmul peak of {count} processes ({peak:,.0f} GFLOP/s)",
                    rate.memory_mib,
                    f"{rate.a_second / first.a_second:.2f} times the first",
                )
            )
            log.info("bench: %s: %.0f %s", found[-1].name, rate.a_second, _BARE[kind])
    return found, rates


def _device(config: BenchmarkConfig) -> torch.device:
    settings = config.bench
    there = torch.cuda.is_available()
    if settings.device == "cuda" and not there:
        raise InputError("key 'bench.device': cuda, and torch finds no GPU here")
    device = torch.device("cuda" if there and settings.device != "cpu" else "cpu")
    if "tf32" in settings.precisions and device.type == "cpu":
        raise InputError("key 'bench.precisions': tf32 is arithmetic of GPUs, and the bench runs on the CPU")
    return device


@contextlib.contextmanager
def _folder(given: str) -> Iterator[str]:
    """An empty folder, gone at the end."""
    if not given:
        with tempfile.TemporaryDirectory() as folder:
            yield folder
        return
    if storage.is_remote(given) or storage.list_files(given):
        raise InputError(f"key 'bench.folder': {given}: expected a new or empty local folder")
    try:
        yield given
    finally:
        shutil.rmtree(given, ignore_errors=True)
