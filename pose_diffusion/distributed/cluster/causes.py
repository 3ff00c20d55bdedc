"""What is at the root of the errors that Ray raises, which wrap those of tasks and workers."""

from __future__ import annotations

from collections.abc import Iterator

from pose_diffusion.errors import InputError, RunError


def input_error_in(error: BaseException | None) -> InputError | None:
    """The InputError at the root of what Ray raised, if there is one."""
    for cause in _causes(error):
        if isinstance(cause, InputError):
            # Ray's error is of both types; its cause is the plain one.
            return InputError(one_line(getattr(cause, "cause", None) or cause))
    return None


def reason(error: BaseException | None) -> str:
    """One line that says why Ray raised this: our own error at its root, else the last cause that it knows."""
    causes = list(_causes(error))
    known = [cause for cause in causes if isinstance(cause, InputError | RunError)]
    if known:
        return one_line(getattr(known[0], "cause", None) or known[0])
    return f"{type(causes[-1]).__name__}: {one_line(causes[-1])}" if causes else "unknown"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that led to it, as far as Ray tells."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        failures = getattr(current, "worker_failures", None) or {}
        pending += [current.__cause__, current.__context__, getattr(current, "cause", None), *failures.values()]


def one_line(error: object) -> str:
    """The first line of an error's message, or its type where it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
