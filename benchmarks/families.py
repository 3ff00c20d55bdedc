"""Frames a second of both model families in one run: all that lifting a sequence computes, without Ray Data and files.

The published family lifts frame by frame: lifter and all DDIM steps. The video family lifts windows that overlap by half. Both
average over mirror images unless infer.flips is false.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks import flops, reference_loops
from benchmarks.config import BenchmarkConfig
from benchmarks.processes import run_together, worker_counts
from benchmarks.results import Entry
from pose_diffusion.config import ModelConfig, loading

log = logging.getLogger(__name__)


def measure(config: BenchmarkConfig, device: torch.device) -> Iterator[Entry]:
    """An entry for each number of processes and each model: that of the config, of the published family, and bench.families."""
    models = {f"published {config.model.width} x {config.model.layers}": config.model}
    for path in config.bench.families:
        model = loading.load(path, kind=BenchmarkConfig).model
        models[f"{Path(path).stem} {model.width} x {model.layers}, {model.frames} frames"] = model
    for count in worker_counts(config, device):
        first: float | None = None
        for name, model in models.items():
            sized = config.model_copy(update={"model": model})
            peak, rate = run_together("lifting", count, sized, device, config.infer.precision)
            first = first or rate.a_second
            work = _operations(sized, model, device)
            gflops = rate.a_second * work / 1e9
            yield Entry(
                "families",
                f"{name}, {config.infer.precision}, {count} processes",
                rate.a_second,
                "frames/s",
                gflops,
                gflops / peak,
                f"matmul peak of {count} processes ({peak:,.0f} GFLOP/s)",
                rate.memory_mib,
                f"{work / 1e6:,.0f} MFLOP a frame, {rate.a_second / first:.2f} times the published",
            )
            log.info("bench: %s: %.0f frames/s, %.1f%% of the peak", name, rate.a_second, 100 * gflops / peak)


def _operations(config: BenchmarkConfig, model: ModelConfig, device: torch.device) -> float:
    """Of lifting one frame, mirror image and overlap counted."""
    if model.family == "published":
        return flops.sampler(model, config.diffusion, config.infer.flips) * config.infer.hypotheses
    rows = reference_loops.video_rows(model, device)
    return flops.clips(model, rows, config.infer.flips, reference_loops.KERNELS)
