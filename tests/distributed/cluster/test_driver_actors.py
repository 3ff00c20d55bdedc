"""The small actors of a driver, through which workers count and speak, and which end with their block."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
import ray

from pose_diffusion.distributed.cluster.log_actor import log_actor
from pose_diffusion.distributed.cluster.progress_actor import progress_actor


def ends(method: Any) -> bool:
    """Whether an actor is soon gone; it may answer for a moment after it was told to end."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        try:
            ray.get(method.remote(), timeout=60)
        except ray.exceptions.RayActorError:
            return True
        except ray.exceptions.GetTimeoutError:
            continue
        time.sleep(0.05)
    return False


def test_a_shards_starts_and_rows_are_counted_for_as_long_as_the_block_lasts(ray_session: None) -> None:
    told: list[int] = []
    with progress_actor("run", told.append, every=0.05) as counts:
        assert [counts.begun("a"), counts.begun("a"), counts.begun("b")] == [1, 2, 1]
        for path, rows in (("a", 5), ("b", 7), ("a", 3)):  # a is lifted again
            counts.reached(path, rows)
        end = time.monotonic() + 300
        while told[-1:] != [10] and time.monotonic() < end:
            time.sleep(0.05)
    assert told[-1] == 10
    assert ends(counts.actor.total)
    counts.reached("a", 9)  # a worker that comes late fails of nothing
    assert counts.begun("a") == 1


def test_workers_lines_are_logged_here_until_the_block_ends(ray_session: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "pose_diffusion"), log_actor() as lines:
        lines.say.remote("first")
        lines.say.remote("last")
    assert [record.message for record in caplog.records] == ["first", "last"]
    assert ends(lines.take)
