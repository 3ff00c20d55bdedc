"""How many training workers, where, and what is left to the tasks that read for them.

Ray Data reads with tasks of its own, one of which always takes a whole CPU of one machine, and waits for ever where workers
hold a part of every one. So on CPUs workers share all but one: k to a CPU, which Ray packs onto as few as it can.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import ray
import ray.train
from ray.util.annotations import RayDeprecationWarning

from pose_diffusion.config import RayConfig, TrainConfig

# What holds no CPU holds this, as Ray wants it to hold something: a trial of a search, which only drives a run, and a worker
# where there is no CPU but reading's.
NO_CPU: dict[str, float] = {"memory": 64 << 20}


def worker_range(config: TrainConfig, gpu: bool) -> tuple[int, int]:
    """The least and the most workers of a run; the same twice where their number does not change while it is under way.

    Ray's elastic runs take every CPU that they find, reading's too, so on CPUs a range is settled at the start.
    """
    least, most = config.worker_range
    if gpu or least == most:
        return least, most
    fit = max(least, min(most, _cpus() - 1))
    return fit, fit


def cpu_share(config: TrainConfig, gpu: bool, side_by_side: int = 1) -> float:
    """The CPUs of a worker, in the cluster as it is. side_by_side: runs that share it."""
    least, most = worker_range(config, gpu)
    if gpu and (least < most or ray.cluster_resources().get("GPU", 0) < most):
        return 1.0  # of machines that are yet to come, which have more CPUs than GPUs
    free = _cpus() - 1
    return (1000 // math.ceil(most * side_by_side / free)) / 1000 if free else 0.0


def runs_at_once(config: TrainConfig, gpu: bool) -> int:
    """How many training runs of train.workers fit the cluster; on several machines a CPU is left whole."""
    free = ray.cluster_resources().get("GPU", 0)
    if not gpu:
        machines = sum(node["Alive"] and node["Resources"].get("CPU", 0) > 0 for node in ray.nodes())
        free = _cpus() - (machines > 1)
    return max(1, int(free) // worker_range(config, gpu)[1])


def scaling(config: TrainConfig, gpu: bool, side_by_side: int = 1) -> ray.train.ScalingConfig:
    """The workers of a run and what each holds."""
    least, most = worker_range(config, gpu)
    workers: Any = most if least == most else (least, most)
    share = cpu_share(config, gpu, side_by_side)
    return ray.train.ScalingConfig(
        num_workers=workers,
        use_gpu=gpu,
        resources_per_worker={"CPU": share, "GPU": int(gpu), **({} if share else NO_CPU)},
        placement_strategy=config.placement,
    )


def reading(config: RayConfig) -> ray.train.DataConfig:
    """Where the tasks that read for the workers run: on the nodes of ray.cpu_label."""
    with warnings.catch_warnings(category=RayDeprecationWarning, action="ignore"):  # of a field that Ray itself fills in here
        options = ray.train.DataConfig.default_ingest_options()
    options.label_selector = config.cpu_selector or None
    return ray.train.DataConfig(execution_options=options)


def _cpus() -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 1)))
