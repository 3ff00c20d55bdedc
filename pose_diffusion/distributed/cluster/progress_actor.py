"""What workers tell the driver while shards are under way, through one small actor: how often a shard was begun, which
tells of one that takes its workers down, and how many of its poses are lifted so far.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import ray

from pose_diffusion.distributed.cluster import prometheus
from pose_diffusion.distributed.cluster.driver_actor import driver_actor


class ProgressReporter:
    """The worker's end. Nothing here fails when the actor does not answer for a while."""

    def __init__(self, actor: Any, run: str):
        self.actor, self.run = actor, run
        self.lifted = prometheus.lifted_poses()
        self.rows: dict[str, int] = {}

    def begun(self, path: str) -> int:
        """Notes that a shard is begun; how often it was so far."""
        with contextlib.suppress(ray.exceptions.RayError):
            return ray.get(self.actor.begun.remote(path), timeout=10)
        return 1

    def reached(self, path: str, rows: int) -> None:
        """Notes how many rows of a shard are lifted."""
        self.actor.reached.remote(path, rows)
        if (new := rows - self.rows.get(path, 0)) > 0:
            self.lifted.inc(new, {"run": self.run})
        self.rows[path] = rows


class _ProgressActor:
    def __init__(self) -> None:
        self.starts: Counter[str] = Counter()
        self.rows: dict[str, int] = {}

    def begun(self, path: str) -> int:
        self.starts[path] += 1
        return self.starts[path]

    def reached(self, path: str, rows: int) -> None:
        self.rows[path] = rows  # a shard that is lifted again counts once

    def total(self) -> int:
        return sum(self.rows.values())


@contextlib.contextmanager
def progress_actor(run: str, on_total: Callable[[int], object], every: float = 1.0) -> Iterator[ProgressReporter]:
    """A reporter for a run's workers while the block lasts; `on_total` gets the rows of all shards now and then."""

    def poll(actor: Any) -> None:
        if rows := ray.get(actor.total.remote(), timeout=5):
            on_total(rows)

    with driver_actor(_ProgressActor, poll, every, max_restarts=-1) as actor:
        yield ProgressReporter(actor, run)
