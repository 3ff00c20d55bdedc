"""A small actor beside the driver that workers tell things to, and that the driver asks now and then."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy


@contextlib.contextmanager
def driver_actor(kind: type, poll: Callable[[Any], object], every: float, max_restarts: int = 0) -> Iterator[Any]:
    """A handle of an actor of this class while the block lasts; `poll(handle)` is called every so many seconds and at the end.

    The actor runs on the driver's node, so that it is not lost with another. A poll that the actor does not answer is left
    out. The actor ends with the block: a driver may run more jobs, and even an idle actor costs 0.7% of a core.
    """
    # Any: Ray's types have node affinity for tasks alone.
    here: Any = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    remote_class: Any = ray.remote(num_cpus=0, max_restarts=max_restarts, scheduling_strategy=here)(kind)
    actor = remote_class.remote()
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(every):
            with contextlib.suppress(ray.exceptions.RayError):
                poll(actor)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield actor
    finally:
        stop.set()
        thread.join()
        with contextlib.suppress(ray.exceptions.RayError):
            poll(actor)
            ray.kill(actor)
