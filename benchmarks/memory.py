"""How much memory processes hold that they share with none, by psutil."""

from __future__ import annotations

import contextlib
import itertools
import threading

import psutil

_LOOKS = 8  # at how much memory processes hold, to one at which processes there are


def memory_mib(process: psutil.Process | None = None) -> float:
    """Memory of a process (by default of this one) that it shares with none, in MiB; 0 where the process is gone."""
    try:
        info = (process or psutil.Process()).memory_info()
    except psutil.Error:
        return 0.0
    return (info.rss - getattr(info, "shared", 0)) / 2**20


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
        processes: list[psutil.Process] = []
        for look in itertools.count():
            if self.stop.wait(self.every):
                return
            if look % _LOOKS == 0:
                processes = [one for one in psutil.Process().children(recursive=True) if self._is_watched(one)]
            self.mib = max([self.mib, *map(memory_mib, processes)])

    def _is_watched(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            return " ".join(process.cmdline()).startswith(self.command)
        return False
