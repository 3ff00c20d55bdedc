"""Lines from workers to the person at the driver: they go through one small actor, so that they arrive once, in order and
without Ray's prefixes, on a laptop as in the log of a submitted job.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import ray

from pose_diffusion.distributed.cluster.driver_actor import driver_actor

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
    with driver_actor(_Lines, _show, every) as actor:
        yield actor


def _show(actor: Any) -> None:
    for line in ray.get(actor.take.remote(), timeout=5):
        log.info(line)
