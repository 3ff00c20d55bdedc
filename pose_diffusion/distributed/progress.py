"""One line of progress now and then: share done, rate and time left, readable in a terminal and in a job's log."""

from __future__ import annotations

import logging
import time

log = logging.getLogger(__name__)


class Progress:
    """Counts units of work and logs a line at most every `every` seconds, and one at the end."""

    def __init__(self, name: str, total: int, unit: str, every: float = 5.0):
        self.name, self.total, self.unit, self.every = name, total, unit, every
        self.done = 0
        self.started = self.said = time.monotonic()

    @property
    def rate(self) -> float:
        """Units a second since the start."""
        return self.done / max(time.monotonic() - self.started, 1e-9)

    def advance(self, count: int) -> None:
        self.done += count
        now = time.monotonic()
        if now - self.said >= self.every and self.done < self.total:
            self.said = now
            left = (self.total - self.done) / max(self.rate, 1e-9)
            share = 100 * self.done / max(self.total, 1)
            log.info("%s: %.0f%%, %s %s/s, %s left", self.name, share, f"{self.rate:,.0f}", self.unit, clock(left))

    def close(self) -> None:
        if self.done:
            took = time.monotonic() - self.started
            log.info("%s: %s %s in %s, %s/s", self.name, f"{self.done:,}", self.unit, clock(took), f"{self.rate:,.0f}")


def clock(seconds: float) -> str:
    """Seconds as people read them: 42 s, 3 min 05 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
