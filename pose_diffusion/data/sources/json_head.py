"""JSON of which only the beginning is there: what is complete in it."""

from __future__ import annotations

import json
import re
from typing import Any

_STEPS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
_CLOSING = {b"[": b"]", b"{": b"}"}


def parse(content: bytes, is_whole: bool) -> Any:
    """The value, without what comes after the last complete element or the first error; None where nothing is left.

    is_whole: whether the content is all of the file.
    """
    content = content.removeprefix(b"\xef\xbb\xbf")
    if content.lstrip()[:1] not in (b"[", b"{"):
        return None
    end = len(content)
    if is_whole:
        try:
            return json.loads(content)
        except (UnicodeDecodeError, RecursionError):
            return None
        except ValueError as error:
            end = _place(content, error)
    for _ in range(4):  # each time up to the error that the last has met
        closed = _closed(content[:end])
        try:
            return json.loads(closed)
        except (UnicodeDecodeError, RecursionError):
            return None
        except ValueError as error:
            end = min(_place(closed, error), end - 1)
    return None


def _place(content: bytes, error: ValueError) -> int:
    """The byte at which the parser gave up."""
    if not isinstance(error, json.JSONDecodeError):
        return 0
    return len(content.decode("utf-8")[: error.pos].encode())


def _closed(content: bytes) -> bytes:
    """The content up to its last comma or closing bracket, with its open lists and mappings closed."""
    open_brackets: list[bytes] = []
    end, at_end = 0, b""
    for match in _STEPS.finditer(content):
        step = match[0]
        if step in _CLOSING:
            open_brackets.append(step)
            continue
        if step in (b"]", b"}"):
            if not open_brackets:
                break
            open_brackets.pop()
            end = match.end()
        elif step == b",":
            end = match.start()
        else:
            continue
        at_end = b"".join(_CLOSING[bracket] for bracket in reversed(open_brackets))
    return content[:end] + at_end
