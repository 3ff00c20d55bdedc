"""A function called many times as Ray tasks: a bounded number in flight, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

import ray

from pose_diffusion.distributed.cluster.causes import input_error_in
from pose_diffusion.errors import RunError

Result = TypeVar("Result")


def run(
    function: Callable[..., Result],
    calls: Iterable[tuple],
    ordered: bool = False,
    gpus: float = 0,
    labels: Mapping[str, str] | None = None,
) -> Iterator[tuple[int, Result]]:
    """The number of each call and its result: as the calls end, or in their order. calls: the arguments of each.

    A task takes a CPU and `gpus` GPUs of a node with these labels, and is tried again where its machine is lost. Raises the
    InputError of a task, and RunError where tasks cannot run.
    """
    task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=3, label_selector=dict(labels or {}))(function)
    waiting = enumerate(calls)
    running: dict[ray.ObjectRef, int] = {}
    try:
        while True:
            # Asked for each time, as clusters grow; more tasks than CPUs, so that none waits and the cluster sees the need.
            at_once = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
            for number, arguments in islice(waiting, max(0, at_once - len(running))):
                running[task.remote(*arguments)] = number
            if not running:
                return
            done = next(iter(running)) if ordered else ray.wait(list(running))[0][0]
            result = ray.get(done)
            yield running.pop(done), result
    except ray.exceptions.RayTaskError as error:
        raise input_error_in(error) or error from None
    except ray.exceptions.RayError as error:
        raise RunError(f"a task was lost: {str(error).splitlines()[0]}; run the same command again to go on") from None
    # After an error the few tasks in flight end by themselves or with the driver: Ray 2.60 ends the driver with "tried to
    # complete task that was not pending" where ray.cancel meets a task that is just done.
