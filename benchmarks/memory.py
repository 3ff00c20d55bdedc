"""How much memory processes hold, as Linux's /proc tells; 0 where there is none."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path

_LOOKS = 8  # at how much memory processes hold, to one at which processes there are


def memory_mib(process: int | str = "self") -> float:
    """Memory of a process that it shares with none, in MiB; 0 where the system does not tell (it is Linux's /proc)."""
    try:
        with open(f"/proc/{process}/status") as lines:
            return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:")), 0.0)
    except OSError:
        return 0.0


class Memory:
    """The most memory of its own that a process below this one, whose command begins so, held during the block, in MiB.

    Which processes there are is looked up every few seconds: Ray's have some thousand threads, and each is asked.
    """

    def __init__(self, command: str, every: float = 0.5):
        self.command, self.every, self.mib = command, every, 0.0
        self.stop = threading.Event()

    def __enter__(self) -> Memory:
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop.set()
        self.thread.join()

    def _watch(self) -> None:
        named: list[int] = []
        for look in itertools.count():
            if self.stop.wait(self.every):
                return
            if look % _LOOKS == 0:
                named = [process for process in _below(os.getpid()) if _command(process).startswith(self.command)]
            self.mib = max([self.mib, *map(memory_mib, named)])


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def _below(process: int) -> list[int]:
    """Children, their children and so on, as far as Linux's /proc tells."""
    found, waiting = [], [process]
    while waiting:
        try:
            tasks = list(Path(f"/proc/{waiting.pop()}/task").glob("*/children"))
            children = [int(child) for path in tasks for child in path.read_text().split()]
        except OSError:
            continue
        found += children
        waiting += children
    return found
