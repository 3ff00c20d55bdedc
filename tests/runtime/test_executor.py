"""Executors: an outcome for each item, in order, wherever it is worked on."""

from __future__ import annotations

import threading

import pytest

from pose_diffusion.errors import InputError
from pose_diffusion.runtime.executor import LocalExecutor


def halved(number: int) -> int:
    if number % 2:
        raise InputError(f"{number} is odd")
    return number // 2


@pytest.mark.parametrize("threads", [1, 4])
def test_every_item_has_its_result_or_its_error_in_order(threads: int) -> None:
    outcomes = list(LocalExecutor(threads).map(halved, range(5)))
    assert [outcome.result for outcome in outcomes] == [0, None, 1, None, 2]
    assert [str(outcome.error) if outcome.error else "" for outcome in outcomes] == ["", "1 is odd", "", "3 is odd", ""]


def test_getting_the_result_of_a_bad_item_raises_its_error() -> None:
    good, bad = LocalExecutor().map(halved, [4, 3])
    assert good.get() == 2
    with pytest.raises(InputError, match="3 is odd"):
        bad.get()


@pytest.mark.parametrize("threads", [1, 4])
def test_a_fault_of_the_program_is_raised(threads: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(LocalExecutor(threads).map(lambda number: 1 // number, [1, 0]))


def test_threads_work_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=60)
    assert [outcome.get() for outcome in LocalExecutor(2).map(lambda _: both.wait() >= 0, range(2))] == [True, True]


def test_what_is_not_begun_is_left_when_the_caller_stops() -> None:
    begun: list[int] = []
    may_go_on = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number:
            may_go_on.wait(60)
        return number

    outcomes = LocalExecutor(2).map(work, range(100))
    assert next(outcomes).get() == 0
    threading.Timer(0.2, may_go_on.set).start()
    outcomes.close()  # type: ignore[attr-defined]
    assert len(begun) < 100


def test_one_thread_works_on_an_item_only_when_it_is_wanted() -> None:
    begun: list[int] = []
    outcomes = LocalExecutor().map(begun.append, range(3))
    next(outcomes)
    assert begun == [0]
