"""The few poses and sequences that the report shows, kept while reading: the same whatever the order of the files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pose_diffusion.data.manifest import Span, action_name
from pose_diffusion.data.schema import tensor_values

EXTREMES = 3
MOST_EXCERPTS = 12
EXCERPT_ROWS = 240
# One pose is kept for each of these ranges of error, so that one near the median, known only at the end, is at hand.
_MIDDLE_MM = np.geomspace(1, 1000, 257)


@dataclass(frozen=True)
class Example:
    """One pose to draw. pose_2d: (17, 2) normalised screen; pose_3d, truth_3d: (17, 3) metres minus the pelvis."""

    error_mm: float
    subject: str
    action: str
    camera: str
    frame: int
    pose_2d: np.ndarray
    pose_3d: np.ndarray
    truth_3d: np.ndarray

    @property
    def order(self) -> tuple:
        return (self.error_mm, self.action, self.subject, self.camera, self.frame)


@dataclass(frozen=True, order=True)
class Excerpt:
    """Rows of a prediction file to play: at most EXCERPT_ROWS of one sequence. Sorts the longest first."""

    minus_rows: int
    subject: str
    action: str
    camera: str
    path: str
    start: int

    @property
    def rows(self) -> int:
        return -self.minus_rows


@dataclass
class Gallery:
    """Best and worst pose of the actions with the best and worst ones, poses for the median, a excerpt an action."""

    best: list[Example] = field(default_factory=list)
    worst: list[Example] = field(default_factory=list)
    middle: dict[int, Example] = field(default_factory=dict)
    excerpts: dict[str, Excerpt] = field(default_factory=dict)

    def merge(self, other: Gallery) -> None:
        self.best = _one_an_action(sorted(self.best + other.best, key=lambda e: e.order))
        self.worst = _one_an_action(sorted(self.worst + other.worst, key=lambda e: e.order, reverse=True))
        for place, example in other.middle.items():
            self.middle[place] = min(self.middle.get(place, example), example, key=lambda e: e.order)
        self.excerpts = _longest([*self.excerpts.values(), *other.excerpts.values()])

    def median(self, error_mm: float) -> list[Example]:
        """The kept poses nearest to an error."""
        return _one_an_action(sorted(self.middle.values(), key=lambda e: (abs(e.error_mm - error_mm), e.order)))


def collect(table: pa.Table, spans: list[Span], path: str, error_mm: np.ndarray) -> Gallery:
    """The gallery of one file. error_mm: (rows,), NaN where the truth is unknown."""
    starts = np.cumsum([0, *(span.rows for span in spans)])
    excerpts = [
        Excerpt(-min(span.rows, EXCERPT_ROWS), span.subject, span.action, span.camera, path, int(start))
        for span, start in zip(spans, starts, strict=False)
    ]
    names = {name: number for number, name in enumerate(sorted({action_name(span.action) for span in spans}))}
    action = np.repeat([names[action_name(span.action)] for span in spans], [span.rows for span in spans])
    known = np.flatnonzero(np.isfinite(error_mm))
    rising = known[np.argsort(error_mm[known], kind="stable")]
    place = np.digitize(error_mm[rising], _MIDDLE_MM)
    middle = {int(p): int(rising[first]) for p, first in zip(*np.unique(place, return_index=True), strict=True)}
    best, worst = (order[np.sort(np.unique(action[order], return_index=True)[1])] for order in (rising, rising[::-1]))

    wanted = sorted({*middle.values(), *best[:EXTREMES].tolist(), *worst[:EXTREMES].tolist()})
    rows = table.take(pa.array(wanted, pa.int64()))
    poses = {name: tensor_values(rows[name]) for name in ("pose_2d", "pose_3d", "truth_3d")}
    keys = {name: rows[name].to_pylist() for name in ("subject", "action", "camera", "frame")}
    examples = {
        row: Example(
            error_mm=float(error_mm[row]),
            **{name: values[i] for name, values in keys.items()},
            **{name: values[i].copy() for name, values in poses.items()},
        )
        for i, row in enumerate(wanted)
    }
    return Gallery(
        best=[examples[int(row)] for row in best[:EXTREMES]],
        worst=[examples[int(row)] for row in worst[:EXTREMES]],
        middle={p: examples[row] for p, row in middle.items()},
        excerpts=_longest(excerpts),
    )


def _one_an_action(ordered: Iterable[Example]) -> list[Example]:
    first: dict[str, Example] = {}
    for example in ordered:
        first.setdefault(action_name(example.action), example)
    return list(first.values())[:EXTREMES]


def _longest(excerpts: Iterable[Excerpt]) -> dict[str, Excerpt]:
    first: dict[str, Excerpt] = {}
    for excerpt in sorted(excerpts):
        first.setdefault(action_name(excerpt.action), excerpt)
    return dict(list(first.items())[:MOST_EXCERPTS])
