"""Rows of neighbouring shard files that a file's clips reach into, found in the manifest's spans.

A sequence that goes on in the next file ends this one and begins that one. The rows before and after a file that belong to
the sequences at its ends are its halo; with it, what becomes of a file's rows does not depend on where files were cut.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pose_diffusion.data.manifest import Selection, ShardFile, Span


@dataclass(frozen=True)
class Neighbour:
    """Rows start to stop of a file, among which those that are not selected do not count."""

    file: ShardFile
    start: int
    stop: int


@dataclass(frozen=True)
class Halo:
    """before, after: the neighbours on each side of a file, the nearest first.

    place: which row of its sequence the file's first row is.
    """

    before: tuple[Neighbour, ...] = ()
    after: tuple[Neighbour, ...] = ()
    place: int = 0


def halos(files: Sequence[ShardFile], selection: Selection, rows: int) -> list[Halo]:
    """The halo of each file, of at most so many selected rows on each side. files: those of `selection`, in order.

    Sequences do not go on from one split to another.
    """
    parts = [_FilePart(file, _selected(file, selection)) for file in files]
    found = []
    place = 0
    for number, part in enumerate(parts):
        if not (number and parts[number - 1].split_key(-1) == part.split_key(0)):
            place = 0
        earlier, later = (
            (parts[other] for other in range(number - 1, -1, -1)),
            (parts[other] for other in range(number + 1, len(parts))),
        )
        found.append(Halo(_neighbours(earlier, part, rows, -1), _neighbours(later, part, rows, 0), place))
        ending = part.spans_at(-1)
        count = sum(span.rows for span, _ in ending)
        place = place + count if len(ending) == len(part.spans) else count
    return found


@dataclass(frozen=True)
class _FilePart:
    """A file and its selected spans that have rows, each with its first row."""

    file: ShardFile
    spans: list[tuple[Span, int]]

    def split_key(self, end: int) -> tuple[str, ...]:
        """Split and sequence of the first (end 0) or the last (end -1) span."""
        span, _ = self.spans[end]
        return self.file.split, *_sequence(span)

    def spans_at(self, end: int) -> list[tuple[Span, int]]:
        """The spans of one sequence at the file's begin (0) or end (-1), from there inwards."""
        spans = self.spans if end == 0 else self.spans[::-1]
        return list(itertools.takewhile(lambda found: _sequence(found[0]) == _sequence(spans[0][0]), spans))


def _neighbours(others: Iterable[_FilePart], part: _FilePart, rows: int, end: int) -> tuple[Neighbour, ...]:
    """The nearest rows of other files, nearest first, whose end (0: begin, -1: end) goes on with the sequence of `part`."""
    neighbours: list[Neighbour] = []
    for other in others:
        if rows <= 0 or other.split_key(end) != part.split_key(-1 - end):
            break
        joined = other.spans_at(end)
        ranges = []
        for span, start in joined:
            taken = min(rows, span.rows)
            rows -= taken
            ranges.append((start, start + taken) if end == 0 else (start + span.rows - taken, start + span.rows))
            if not rows:
                break
        neighbours.append(Neighbour(other.file, min(ranges)[0], max(ranges)[1]))
        if len(joined) < len(other.spans):
            break
    return tuple(neighbours)


def _sequence(span: Span) -> tuple[str, str, str]:
    return span.subject, span.action, span.camera


def _selected(file: ShardFile, selection: Selection) -> list[tuple[Span, int]]:
    spans, start = [], 0
    for span in file.spans:
        if span.rows and selection.holds(span.subject, span.action):
            spans.append((span, start))
        start += span.rows
    return spans
