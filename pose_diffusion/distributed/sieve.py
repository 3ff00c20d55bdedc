"""Keeps a line that means nothing to a person off the console, and lets every other one through."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

# Ray says so of every pool of actors in Ray Data. The arguments lie with the driver, without which there is no job either,
# so no actor outlives them (github.com/ray-project/ray/issues/53727). Ray's logs keep the line.
HARMLESS = "has constructor arguments in the object store and max_restarts > 0"


@contextlib.contextmanager
def stderr_without(mark: str) -> Iterator[None]:
    """For the block, lines with `mark` are dropped from what this process writes to stderr, by Python or by C++.

    The sieve is a process of its own, so that the last words of a crash arrive too. It ends when nobody writes to it any more,
    not by the Ctrl-C or SIGTERM that ends the job; `ray job stop` sends one to all that the job started.
    """
    sys.stderr.flush()
    console = os.dup(2)
    grep = 'trap "" TERM INT; exec grep --line-buffered --text --fixed-strings --invert-match "$0"'
    command = ["sh", "-c", grep, mark]
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
