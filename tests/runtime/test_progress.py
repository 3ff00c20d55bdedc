"""Progress: a line now and then, and none that says nothing."""

from functools import partial

import pytest

from pose_diffusion.data.sources.inputs import Inputs, map_inputs
from pose_diffusion.runtime.executor import LocalExecutor
from pose_diffusion.runtime.progress import Progress, clock


@pytest.fixture
def at(monkeypatch):
    """Sets the clock."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return partial(now.__setitem__, 0)


def test_a_line_tells_share_rate_and_time_left(at):
    lines = []
    progress = Progress("infer", 4000, "poses", say=lines.append)
    at(102.0)
    progress.advance(500)
    at(105.0)
    progress.advance(500)
    at(120.0)
    progress.reached(4000)
    progress.close()
    assert lines == ["infer: 25%, 200 poses/s, 15 s left", "infer: 4,000 poses in 20 s, 200 poses/s"]


def test_a_slow_rate_keeps_a_digit(at):
    lines = []
    progress = Progress("report", 8, "files", say=lines.append)
    at(110.0)
    progress.advance(3)
    assert lines == ["report: 38%, 0.3 files/s, 17 s left"]


def test_nothing_done_yet_is_not_told(at):
    lines = []
    progress = Progress("infer", 4000, "poses", say=lines.append)
    at(200.0)
    progress.advance(0)
    progress.close()
    assert not lines


def test_reading_many_inputs_tells_how_far_it_is(at, caplog):
    caplog.set_level("INFO")
    list(map_inputs(Inputs("in"), lambda number: at(110.0 + 10 * number), range(4), LocalExecutor(), []))
    assert [record.getMessage() for record in caplog.records] == [
        "prepare: reading: 25%, 0.1 inputs/s, 30 s left",
        "prepare: reading: 50%, 0.1 inputs/s, 20 s left",
        "prepare: reading: 75%, 0.1 inputs/s, 10 s left",
    ]


@pytest.mark.parametrize(("seconds", "said"), [(42.4, "42 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")])
def test_times_are_as_people_read_them(seconds, said):
    assert clock(seconds) == said
