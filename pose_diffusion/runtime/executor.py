"""A function applied to many items, in this process or elsewhere: `executor.map(function, items)`.

Every item has an outcome, in the order of the items: what the function returned, or the InputError that it raised. Other
errors are faults of the program or of the machine, and are raised where they come up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from pose_diffusion.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What became of one item: a result, or the error that says why there is none."""

    result: Result | None = None
    error: InputError | None = None

    def get(self) -> Result:
        """The result. Raises the error where there is one."""
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


def outcome_of(function: Callable[[Item], Result], item: Item) -> Outcome[Result]:
    """What the function makes of an item, here and now."""
    try:
        return Outcome(function(item))
    except InputError as error:
        return Outcome(error=error)


class Executor(Protocol):
    def map(self, function: Callable[[Any], Result], items: Iterable[Any]) -> Iterator[Outcome[Result]]:
        """The outcome of each item, in their order. Function and items must be picklable where they go elsewhere."""
        ...


class LocalExecutor:
    """In this process: an item after the other, or several at a time for calls that mostly wait."""

    def __init__(self, threads: int = 1):
        self.threads = threads

    def map(self, function: Callable[[Any], Result], items: Iterable[Any]) -> Iterator[Outcome[Result]]:
        if self.threads == 1:
            yield from map(partial(outcome_of, function), items)
            return
        pool = ThreadPoolExecutor(self.threads)
        try:
            for future in [pool.submit(outcome_of, function, item) for item in items]:
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # where the caller has stopped, nobody waits for the rest
