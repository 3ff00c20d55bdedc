"""Lines of YOLO's label files, a person each, as `Results.save_txt` writes them:

    class  x y w h  x1 y1 c1 ... xJ yJ cJ  [confidence]  [track id]

Box and joints are shares of the image; a model without visibilities has no c. The confidence of the box stands there with
save_conf, the track id with `yolo track`. Data sets for training have the same lines, with 0, 1 or 2 for c.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pose_diffusion.config import ArchiveConfig
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, LAYOUTS

_BOX = 5  # class, x, y, w, h
_COUNTS = range(_BOX + 2 * 5, _BOX + 3 * 133 + 3)  # of numbers in a line
_LINES = 5  # that are looked at
_LARGEST_SHARE = 1.5
_BESIDE = 0.25  # of the box's size, by which joints may lie outside it
_INSIDE = 0.7  # share of the joints that lie in their boxes


@dataclass(frozen=True)
class LabelledPeople:
    """points: (n, J, 3) x, y as shares, confidence. identity: track ids, None where a line has none."""

    points: np.ndarray
    identity: list[int | None]


def looks_like_labels(lines: Sequence[str]) -> int:
    """How many numbers the first lines have, 0 where they are not those of a pose model."""
    rows = [line.split() for line in lines[:_LINES] if line.strip()]
    if not rows or len({len(row) for row in rows}) > 2 or not all(map(_is_label, rows)):
        return 0
    return len(rows[0])


def _is_label(row: Sequence[str]) -> bool:
    if len(row) not in _COUNTS or not row[0].isdecimal():
        return False
    try:
        box = [float(cell) for cell in row[:_BOX]][1:]
        list(map(float, row[_BOX:]))
    except ValueError:
        return False
    return all(1 - _LARGEST_SHARE <= share <= _LARGEST_SHARE for share in box)


def numbers(content: bytes, path: str) -> dict[int, list[float]]:
    """The numbers of each line of a file, by the line's number from 1.

    A line that is there again, as a second run into the same folder leaves it, is left out.

    Raises InputError for a line that is no label of a pose model.
    """
    rows: dict[int, list[float]] = {}
    before: set[tuple[str, ...]] = set()
    for index, line in enumerate(content.decode("utf-8", "replace").splitlines()):
        cells = tuple(line.split())
        if not cells or cells in before:
            continue
        before.add(cells)
        where = f"{path}: line {index + 1}"
        try:
            row = [float(cell) for cell in cells]
        except ValueError:
            raise InputError(f"{where}: expected numbers alone, class, box and keypoints, as save_txt writes them") from None
        if len(row) not in _COUNTS:
            way = "; give the labels of a pose model" if len(row) in (_BOX, _BOX + 1, _BOX + 2) else ""
            kind = "a box without keypoints" if way else "no label of a pose model"
            raise InputError(f"{where}: {len(row)} numbers, {kind}; expected class, box and x, y, confidence of joints{way}")
        box = np.array(row[1:_BOX])
        if not (abs(box - 0.5) <= _LARGEST_SHARE - 0.5).all():
            raise InputError(
                f"{where}: a box {box.tolist()}; expected shares of the image from 0 to 1, as save_txt writes them"
            )
        rows[index + 1] = row
    return rows


def people(lines: Sequence[Sequence[float]], places: Sequence[str], settings: ArchiveConfig) -> LabelledPeople:
    """The joints and track ids of a recording's lines.

    places: of each line, for errors. settings: `layout` says the number of joints.
    Raises InputError for lines of different models, and where the joints do not lie in their boxes: read in a wrong order.
    """
    if not lines:
        return LabelledPeople(np.zeros((0, len(COCO_17.joints), 3)), [])
    joints, width, rest = _form(len(lines[0]), settings, places[0])
    shortest = _BOX + joints * width
    for line, place in zip(lines, places, strict=True):
        if not shortest <= len(line) <= shortest + 2:
            raise InputError(
                f"{place}: {len(line)} numbers, where {places[0]} has {len(lines[0])}; expected one model's labels"
            )
    body = np.array([line[_BOX:shortest] for line in lines]).reshape(len(lines), joints, width)
    points = np.ones((len(lines), joints, 3))
    points[..., :width] = body
    _check_boxes(
        np.array([line[1:_BOX] for line in lines]), points, places[0], f"{joints} joints of {width} numbers, {rest} more"
    )
    return LabelledPeople(points, _identities([line[shortest:] for line in lines], places))


def _form(count: int, settings: ArchiveConfig, where: str) -> tuple[int, int, int]:
    """The number of joints, the numbers of each, and those behind them, of lines of so many numbers."""
    layout = COCO_17 if settings.layout == "auto" else LAYOUTS[settings.layout]
    joints = len(layout.joints)
    for width in (3, 2):
        if 0 <= (rest := count - _BOX - width * joints) <= 2:
            return joints, width, rest
    if settings.layout == "auto" and (count - _BOX) % 3 == 0:
        return (count - _BOX) // 3, 3, 0
    expected = f"{_BOX} and 3 or 2 for each of {joints} joints ({layout.name}), maybe a confidence and a track id"
    raise InputError(f"{where}: {count} numbers, expected {expected}; set 'yolo.layout' to that of the model")


def _check_boxes(boxes: np.ndarray, points: np.ndarray, where: str, form: str) -> None:
    """boxes: (n, 4) x, y of the middle, width and height."""
    seen = (points[..., :2] != 0).any(-1) & (points[..., 2] > 0)
    away = abs(points[..., :2] - boxes[:, None, :2])
    inside = (away <= boxes[:, None, 2:] * (0.5 + _BESIDE)).all(-1)
    if seen.any() and inside[seen].mean() < _INSIDE:
        told = f"{100 * inside[seen].mean():.0f}% of the joints lie in their boxes, read as {form}"
        raise InputError(f"{where}: {told}; set 'yolo.layout' to that of the model, if it has other joints")


def _identities(rests: Sequence[Sequence[float]], places: Sequence[str]) -> list[int | None]:
    """The track ids behind the joints: the second of two numbers; a single one where all are whole, else a confidence.

    A single confidence of 1 is told from an id by the other lines alone.
    """
    single = [rest[0] for rest in rests if len(rest) == 1]
    longest = max(map(len, rests))
    are_ids = longest == 1 and all(value.is_integer() and value >= 0 for value in single)
    found: list[int | None] = []
    for rest, place in zip(rests, places, strict=True):
        identity = rest[1] if len(rest) == 2 else rest[0] if rest and are_ids else None
        confidence = rest[0] if len(rest) == 2 or (rest and not are_ids) else 0.0
        if not 0 <= confidence <= 1:
            raise InputError(f"{place}: {confidence:g} behind the joints, expected a confidence from 0 to 1, or a track id")
        if identity is not None and not (identity.is_integer() and 0 <= identity < 2**63):
            raise InputError(f"{place}: {identity:g} at the end, expected a track id, a whole number")
        found.append(None if identity is None else int(identity))
    if not any(identity is not None for identity in found):
        return found
    twice = Counter(
        (place.rpartition(": ")[0], identity) for place, identity in zip(places, found, strict=True) if identity is not None
    ).most_common(1)
    (path, identity), count = twice[0]
    if count > 1:
        told = f"track {identity} is there {count} times; predict appends to a file of that name"
        raise InputError(f"{path}: {told}: delete the folder and predict again, on the video itself")
    return found
