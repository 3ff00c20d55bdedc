"""Whether what a job asks for fits the machines that Ray has. Ray itself waits, for ever where no machine will come.

A Ray that was started here is what it is, so asking it for more is bad input. A cluster may grow, so there a line says what
is waited for.
"""

from __future__ import annotations

import logging
import math
import os

import ray

from pose_diffusion.config import Config
from pose_diffusion.errors import InputError

log = logging.getLogger(__name__)


def address(config: Config) -> str | None:
    """The cluster that a job joins; None where it starts Ray here."""
    return config.ray.address or os.environ.get("RAY_ADDRESS") or None


def capacity(cpus: float = 0, gpus: float = 0) -> int:
    """How many workers of so many CPUs and GPUs, one of them above 0, fit the machines that Ray has."""
    wanted = {name: amount for name, amount in (("CPU", cpus), ("GPU", gpus)) if amount}
    free = [machine["Resources"] for machine in _machines()]
    return sum(min(math.floor(one.get(name, 0) / amount) for name, amount in wanted.items()) for one in free)


def cpus_per_worker(workers: int, gpus: float = 0) -> int:
    """The most whole CPUs that each of so many workers can have; 1 where they do not fit anyway."""
    most = max((int(machine["Resources"].get("CPU", 0)) for machine in _machines()), default=0)
    return next((cpus for cpus in range(most, 1, -1) if capacity(cpus, gpus) >= workers), 1)


def require(config: Config, key: str, workers: int, cpus: float = 0, gpus: float = 0) -> None:
    """Raises InputError, or on a cluster says that it waits, where so many workers do not fit. key: what asks for them."""
    if capacity(cpus, gpus) >= workers:
        return
    each = " and ".join(f"{amount:g} {name}{'s' * (amount != 1)}" for name, amount in (("CPU", cpus), ("GPU", gpus)) if amount)
    have = ray.cluster_resources()
    _missing(
        config,
        f"key '{key}': no machines for {workers} worker{'s' * (workers != 1)} of {each}",
        f"{have.get('CPU', 0):g} CPUs and {have.get('GPU', 0):g} GPUs",
    )


def require_label(config: Config) -> None:
    """The same where no machine has the label ray.cpu_label."""
    wanted = config.ray.cpu_selector.items()
    if wanted and not any(wanted <= machine.get("Labels", {}).items() for machine in _machines()):
        _missing(config, f"key 'ray.cpu_label': no machine has the label {config.ray.cpu_label}", "none")


def _missing(config: Config, what: str, have: str) -> None:
    if address(config) is None:
        raise InputError(f"{what}: Ray on this machine has {have}")
    log.warning("%s: the cluster has %s now; waiting for machines", what, have)


def _machines() -> list[dict]:
    return [machine for machine in ray.nodes() if machine["Alive"]]
