"""Reads an archive's files: for some seconds in this process, as little input need not wait for Ray, then by Ray tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from pose_diffusion.config import Config
from pose_diffusion.distributed import tasks
from pose_diffusion.errors import InputError

ALONE_SECONDS = 5.0


def run(
    config: Config, join: Callable[[], None], read: Callable[[Any], Any], items: Iterable[Any]
) -> Iterator[Callable[[], Any]]:
    """A call for each item, in order, that returns what `read` makes of it or raises its error (see `archive.in_turn`).

    join: starts or joins Ray, where it is needed; more than once does no harm.
    """
    rest, began = iter(items), time.monotonic()
    for item in rest:
        yield partial(read, item)
        if time.monotonic() - began > ALONE_SECONDS:
            break
    calls = [(read, item) for item in rest]
    if calls:
        join()
        for _, told in tasks.run(_outcome, calls, ordered=True, labels=config.ray.cpu_selector):
            yield partial(_told, told)


def _outcome(read: Callable[[Any], Any], item: Any) -> Any:
    try:
        return read(item)
    except InputError as error:
        return error


def _told(outcome: Any) -> Any:
    if isinstance(outcome, InputError):
        raise outcome
    return outcome
