"""Reads an archive's files: for some seconds in this process, as little input need not wait for Ray, then by Ray tasks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from pose_diffusion.config import Config
from pose_diffusion.distributed.cluster import tasks
from pose_diffusion.errors import InputError

_OURS = logging.getLogger("pose_diffusion")
ALONE_SECONDS = 5.0
Said = list[tuple[int, str]]  # level and text of what was logged


def run(
    config: Config, join: Callable[[], None], read: Callable[[Any], Any], items: Iterable[Any]
) -> Iterator[Callable[[], Any]]:
    """A call for each item, in order, that returns what `read` makes of it or raises its error (see `parsing.in_turn`).

    join: starts or joins Ray, where it is needed; more than once does no harm.
    """
    rest, began, done = iter(items), time.monotonic(), 0
    for item in rest:
        yield partial(read, item)
        done += 1
        if time.monotonic() - began > ALONE_SECONDS:
            break
    size = max(1, done // 10)  # small ones go by the half second, as a task takes some milliseconds itself
    calls = [(read, some) for some in iter(lambda: list(islice(rest, size)), [])]
    if calls:
        join()
        for _, outcomes in tasks.run(_read_all, calls, ordered=True, labels=config.ray.cpu_selector):
            for outcome, said in outcomes:
                yield partial(_told, outcome, said)


class _Warnings(logging.Handler):
    """Keeps what is said, as nobody hears a worker."""

    def __init__(self) -> None:
        super().__init__()
        self.said: Said = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append((record.levelno, record.getMessage()))


def _read_all(read: Callable[[Any], Any], items: list[Any]) -> list[tuple[Any, Said]]:
    return [_read(read, item) for item in items]


def _read(read: Callable[[Any], Any], item: Any) -> tuple[Any, Said]:
    """What `read` makes of the item, or its InputError, and what was said meanwhile."""
    warnings = _Warnings()
    _OURS.addHandler(warnings)
    try:
        return read(item), warnings.said
    except InputError as error:
        return error, warnings.said
    finally:
        _OURS.removeHandler(warnings)


def _told(outcome: Any, said: Said) -> Any:
    for level, text in said:
        _OURS.log(level, text)
    if isinstance(outcome, InputError):
        raise outcome
    return outcome
