"""Keeps lines that mean nothing to a person off the console, and lets every other one through. Ray's logs keep them all."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

HARMLESS = (
    # Ray says so of every pool of actors in Ray Data. The arguments lie with the driver, without which there is no job either,
    # so no actor outlives them (github.com/ray-project/ray/issues/53727).
    "has constructor arguments in the object store and max_restarts > 0",
    # On few CPUs Ray says so of every training run, most of whose processes only wait (github.com/ray-project/ray/issues/3644).
    "worker processes have been started on node",
)


@contextlib.contextmanager
def stderr_without(marks: Sequence[str]) -> Iterator[None]:
    """For the block, lines with any of the marks are dropped from what this process writes to stderr, by Python or by C++.

    The sieve is a process of its own, so that the last words of a crash arrive too, and in a session of its own, so that
    Ctrl-C and SIGTERM do not reach it.
    """
    sys.stderr.flush()
    console = os.dup(2)
    patterns = [part for mark in marks for part in ("-e", mark)]
    command = ["grep", "--line-buffered", "--text", "--fixed-strings", "--invert-match", *patterns]
    sieve = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=console, start_new_session=True)
    assert sieve.stdin is not None
    os.dup2(sieve.stdin.fileno(), 2)
    sieve.stdin.close()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(console, 2)
        os.close(console)
        with contextlib.suppress(subprocess.TimeoutExpired):  # a child of this process still writes to it
            sieve.wait(2)
