"""An executor on Ray tasks that begins in this process, as little input need not wait for Ray."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from pose_diffusion.distributed.cluster import tasks
from pose_diffusion.runtime.executor import Outcome, outcome_of

Result = TypeVar("Result")
LogLines = list[tuple[int, str]]  # level and text

_PACKAGE_LOG = logging.getLogger("pose_diffusion")


class RayExecutor:
    """Applies a function in this process for `local_seconds`, then by Ray tasks, on nodes with these labels.

    join: starts or joins Ray, when it is first needed. What tasks log is logged here, as nobody hears a worker.
    """

    def __init__(self, join: Callable[[], object], labels: Mapping[str, str] | None = None, local_seconds: float = 5.0):
        self.join, self.labels, self.local_seconds = join, labels, local_seconds

    def map(self, function: Callable[[Any], Result], items: Iterable[Any]) -> Iterator[Outcome[Result]]:
        """The outcome of each item, in their order. Function and items must be picklable."""
        rest, began, done = iter(items), time.monotonic(), 0
        for item in rest:
            yield outcome_of(function, item)
            done += 1
            if time.monotonic() - began > self.local_seconds:
                break
        size = max(1, done // 10)  # small ones go by the half second, as a task takes some milliseconds itself
        calls = [(function, batch) for batch in iter(lambda: list(islice(rest, size)), [])]
        if not calls:
            return
        self.join()
        for _, results in tasks.run(_apply, calls, ordered=True, labels=self.labels):
            for outcome, lines in results:
                for level, text in lines:
                    _PACKAGE_LOG.log(level, text)
                yield outcome


class _LogLines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: LogLines = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelno, record.getMessage()))


def _apply(function: Callable[[Any], Result], items: list[Any]) -> list[tuple[Outcome[Result], LogLines]]:
    """What a task does: the outcomes of some items, each with what was logged meanwhile."""
    results = []
    for item in items:
        handler = _LogLines()
        _PACKAGE_LOG.addHandler(handler)
        try:
            results.append((outcome_of(function, item), handler.lines))
        finally:
            _PACKAGE_LOG.removeHandler(handler)
    return results
