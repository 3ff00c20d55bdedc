"""What processes below this one hold, as the bench watches them."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.memory import Memory, memory_mib

_HOLDER = "held = bytearray(range(256)) * (64 << 12); print(flush=True); input()"  # 64 MiB, every page written


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[str]:
    """The command of a process below this one that holds 64 MiB."""
    command = tmp_path / "holder"
    command.symlink_to(sys.executable)
    process = subprocess.Popen([command, "-c", _HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    yield str(command)
    process.communicate(b"\n")


@pytest.mark.parametrize(("more", "least", "most"), [("", 60, 100), (" another", 0, 0)])
def test_the_most_that_a_process_of_the_command_held_is_told(holder: str, more: str, least: float, most: float) -> None:
    with Memory(holder + more, every=0.05) as memory:
        time.sleep(0.5)
    assert least <= memory.mib <= most


def test_this_process_holds_something_and_one_that_is_gone_nothing() -> None:
    assert memory_mib() > 1
    ended = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = psutil.Process(ended.pid)
    ended.communicate(b"\n")
    assert memory_mib(process) == 0
