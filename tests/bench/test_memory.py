"""What processes below this one hold, as the bench watches them."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from pose_diffusion.bench.memory import Memory, memory_mib

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
_HOLDER = "held = bytearray(range(256)) * (64 << 12); print(flush=True); input()"  # 64 MiB, every page written


def _watched(command: str) -> float:
    """What was told of a process that holds 64 MiB for as long as some looks take."""
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdin and holder.stdout
    holder.stdout.readline()
    with Memory(command, every=0.05) as memory:
        time.sleep(0.5)
    holder.communicate(b"\n")
    return memory.mib


def test_the_most_that_a_process_below_held_is_told() -> None:
    assert 60 < _watched(sys.executable) < 200


def test_processes_of_another_command_are_not_counted() -> None:
    assert _watched("/no/such/command") == 0


def test_this_process_holds_something_and_one_that_is_gone_nothing() -> None:
    assert memory_mib() > 1
    assert memory_mib(2**22 + 1) == 0
