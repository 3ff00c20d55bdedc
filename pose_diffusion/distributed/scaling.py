"""How many training workers, where, and what is left to the tasks that read for them.

Ray Data reads with tasks of its own, which wait for ever where workers hold every CPU: the sum over a cluster does not help a
task that finds no machine with enough left. So where no whole CPU is sure to be left, each worker leaves a tenth of its own.
"""

from __future__ import annotations

import math
from typing import Any

import ray
import ray.train

from pose_diffusion.config import Config

_READING = 0.1  # of a CPU
TRIAL_CPUS = 0.001  # what a search's trial, which only drives a run, holds: Tune wants it to hold something


def cpu_shares(config: Config, gpu: bool, side_by_side: int = 1) -> tuple[float, float | None]:
    """The CPUs of a worker, and of a task that reads where no whole one is left to it. side_by_side: runs that share them."""
    least, most = config.train.worker_range
    there = ray.cluster_resources()
    cpus, workers = max(1, int(there.get("CPU", 1))), most * side_by_side
    elastic = least < most
    if gpu and (elastic or there.get("GPU", 0) < most):
        return 1.0, None  # machines that are yet to come, which have more CPUs than GPUs
    if workers < cpus and not elastic and not config.ray.cpu_label:
        return 1.0, None  # a whole CPU is left somewhere, and reading may be anywhere
    to_a_cpu = 1 if elastic else math.ceil(workers / cpus)
    # Rounded down: shares that add up to a hair more than there is would wait for ever.
    return math.floor(1000 * (1 - _READING - TRIAL_CPUS) / to_a_cpu) / 1000, _READING


def scaling(config: Config, gpu: bool, side_by_side: int = 1) -> ray.train.ScalingConfig:
    """The workers of a run and what each holds."""
    least, most = config.train.worker_range
    workers: Any = most if least == most else (least, most)
    return ray.train.ScalingConfig(
        num_workers=workers,
        use_gpu=gpu,
        resources_per_worker={"CPU": cpu_shares(config, gpu, side_by_side)[0], "GPU": int(gpu)},
        placement_strategy=config.train.placement,
    )


def reading(config: Config) -> ray.train.DataConfig:
    """Where the tasks that read for the workers run: on the nodes of ray.cpu_label."""
    options = ray.train.DataConfig.default_ingest_options()
    options.label_selector = config.ray.cpu_selector or None
    return ray.train.DataConfig(execution_options=options)
