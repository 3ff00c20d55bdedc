"""One line of progress now and then: share done, rate and time left, readable in a terminal and in a job's log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class Progress:
    """Counts units of work and logs a line at most every `every` seconds, and one at the end."""

    def __init__(self, name: str, total: int, unit: str, every: float = 5.0, say: Callable[[str], object] = log.info):
        self.name, self.total, self.unit, self.every, self.say = name, total, unit, every, say
        self.done = 0
        self.started = self.said = time.monotonic()

    @property
    def rate(self) -> float:
        """Units a second since the start."""
        return self.done / max(time.monotonic() - self.started, 1e-9)

    def advance(self, count: int) -> None:
        self.reached(self.done + count)

    def reached(self, done: int) -> None:
        self.done = done
        now = time.monotonic()
        if now - self.said >= self.every and 0 < self.done < self.total:
            self.said = now
            left = (self.total - self.done) / max(self.rate, 1e-9)
            share = 100 * self.done / max(self.total, 1)
            self.say(f"{self.name}: {share:.0f}%, {self._rate()}, {clock(left)} left")

    def close(self) -> None:
        if self.done:
            took = time.monotonic() - self.started
            self.say(f"{self.name}: {self.done:,} {self.unit} in {clock(took)}, {self._rate()}")

    def _rate(self) -> str:
        return f"{self.rate:,.{1 if self.rate < 10 else 0}f} {self.unit}/s"


def clock(seconds: float) -> str:
    """Seconds as people read them: 42 s, 3 min 05 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
