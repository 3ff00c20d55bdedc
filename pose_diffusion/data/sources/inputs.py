"""What `prepare` gives every source, and the steps that all of them share: finding files, looking into them, reading them."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from pose_diffusion import storage
from pose_diffusion.data.sources.parsing import natural
from pose_diffusion.errors import InputError
from pose_diffusion.runtime.executor import Executor, LocalExecutor
from pose_diffusion.runtime.progress import Progress

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")

_LOOKS_AT_ONCE = 16  # on S3 a look is all waiting


@dataclass(frozen=True)
class Inputs:
    """path: the file or folder that a source reads, local or s3://. seed: of everything random in it.

    on_error: whether a broken file ends the job or is left out. test_subjects: of the test split.
    """

    path: str
    seed: int = 0
    on_error: Literal["fail", "skip"] = "fail"
    test_subjects: tuple[str, ...] = ()

    def files(self, *suffixes: str) -> list[str]:
        """The path itself, or all files below it with one of the suffixes, in natural order. Raises InputError for none."""
        if not self.path:
            raise InputError("key 'prepare.input': expected a file or folder, got nothing")
        below = storage.list_files(self.path)
        if not below and self.path.lower().endswith(suffixes):  # Spark's folders have such names too
            return [self.path]
        found = sorted((name for name in below if name.lower().endswith(suffixes)), key=natural)
        if not found:
            raise InputError(f"{self.path}: no such file, or a folder without {' or '.join(suffixes)} files")
        return [storage.join(self.path, name) for name in found]

    def stem(self, path: str) -> str:
        """A file's name without folder and suffix; below a folder, with the folders in between."""
        root = self.path.rstrip("/")
        name = path.removeprefix(root).strip("/") if path != root else path.rsplit("/", 1)[-1]
        return re.sub(r"\.[^./]+$", "", name)


def map_inputs(
    inputs: Inputs,
    function: Callable[[Item], Result],
    items: Collection[Item],
    executor: Executor,
    skipped: list[str],
    doing: str = "reading",
) -> Iterator[tuple[Item, Result]]:
    """Each file, or part of one, with what the function makes of it, in order.

    What prepare.on_error leaves out is logged and its line appended to `skipped`. doing: what is said while it takes long.
    Raises the error of a bad item unless it is to be left out, and InputError where nothing is left.
    """
    progress = Progress(f"prepare: {doing}", len(items), "inputs")
    done, first = 0, ""
    outcomes = executor.map(function, items)
    for number, item in enumerate(items):
        progress.reached(number)
        outcome = next(outcomes)
        if outcome.error is not None:
            if inputs.on_error == "fail":
                raise outcome.error
            log.warning("prepare: skipped: %s", outcome.error)
            skipped.append(str(outcome.error))
            first = first or str(outcome.error)
            continue
        done += 1
        yield item, outcome.get()
    if not done:
        raise InputError(f"{inputs.path}: nothing could be read; the first of {len(items)}: {first}")


def scan(inputs: Inputs, look: Callable[[str], Result], paths: Sequence[str], skipped: list[str]) -> list[tuple[str, Result]]:
    """As `map_inputs`, for what must be known of files before they are read; several at a time."""
    return list(map_inputs(inputs, look, paths, LocalExecutor(_LOOKS_AT_ONCE), skipped, "looking into files"))
