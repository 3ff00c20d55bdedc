"""Waiting for another process to get somewhere."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], object], what: str, seconds: float = 600) -> None:
    """Returns once the condition holds. The limit is there for what never comes, not for what is slow."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)
