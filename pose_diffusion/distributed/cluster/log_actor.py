"""Lines from workers to the person at the driver: they go through one small actor, so that they arrive once, in order and
without Ray's prefixes, on a laptop as in the log of a submitted job.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

log = logging.getLogger("pose_diffusion")


class _Lines:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def take(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines


@contextlib.contextmanager
def log_actor(every: float = 0.5) -> Iterator[Any]:
    """An actor whose `say.remote(line)` logs the line here, while the block lasts."""
    actor: Any = ray.remote(num_cpus=0, scheduling_strategy=driver_node())(_Lines).remote()
    stop = threading.Event()

    def pump() -> None:
        while not stop.wait(every):
            with contextlib.suppress(ray.exceptions.RayError):
                _show(ray.get(actor.take.remote()))

    thread = threading.Thread(target=pump, daemon=True)
    thread.start()
    try:
        yield actor
    finally:
        stop.set()
        thread.join()
        with contextlib.suppress(ray.exceptions.RayError):
            _show(ray.get(actor.take.remote(), timeout=5))
            ray.kill(actor)


def driver_node() -> Any:
    """For actors that belong to the driver: on its node, so that they are not lost with another."""
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


def _show(lines: list[str]) -> None:
    for line in lines:
        log.info(line)
