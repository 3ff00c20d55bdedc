"""2D poses in plain Parquet or CSV tables, a row a person and frame, with named columns.

Needed: frame, and for each joint of a known layout '<joint>_x', '<joint>_y' in pixels ('left_knee_x', 'LKnee_x' and
'Left Knee_x' are one). Taken where they are there: '<joint>_confidence' (or _score, _likelihood, _visibility, _c), person
(or track, track_id), video (or action), subject, camera, width, height. An empty cell is a missing joint. Rows of one video,
subject and camera are one recording, in whatever order and in however many files they stand; folders such as 'video=a' name
them where columns do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from pose_diffusion.config import ArchiveConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources.detections.archive import detections_source
from pose_diffusion.data.sources.detections.detections import Detections
from pose_diffusion.data.sources.detections.tables import table_file, table_parts
from pose_diffusion.data.sources.detections.tables.table_file import Columns, Piece
from pose_diffusion.data.sources.detections.tables.table_parts import Part, Recording
from pose_diffusion.data.sources.inputs import Inputs, scan
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import BODY_25, COCO_17, COCO_18, H36M_17, HALPE_26, LAYOUTS, by_names, simplified
from pose_diffusion.runtime.executor import Executor

_CANDIDATES = (H36M_17, BODY_25, HALPE_26, COCO_17, COCO_18)
_CONFIDENCE = ("confidence", "score", "likelihood", "visibility", "c")
# Columns, each under its possible names: those that tell recordings apart, and the one that tells people apart.
_RECORDING = (("video", "action"), ("subject",), ("camera",))
_PERSON = ("person", "track", "track_id")
_NAMES = {*_PERSON, *(name for names in _RECORDING for name in names)}
_NUMBERS = ("_x", "_y", *(f"_{word}" for word in _CONFIDENCE))
_COLUMNS = Columns(lambda name: name in ("frame", "width", "height") or name.endswith(_NUMBERS), _NAMES.__contains__)


def open_source(inputs: Inputs, settings: ArchiveConfig, executor: Executor) -> Source:
    """A sequence a person, video and camera. Raises InputError for bad files."""
    paths, skipped = inputs.files(".parquet", ".csv"), list[str]()
    looks = scan(inputs, lambda path: table_parts.look(path, _RECORDING, _default(inputs, path)), paths, skipped)
    parts = table_parts.parts([look for _, look in looks])
    return detections_source("table", inputs, settings, executor, parts, lambda part: read(inputs, settings, part), skipped)


def read(inputs: Inputs, settings: ArchiveConfig, part: Part) -> list[Detections]:
    """A Detections for each video, subject and camera in a part."""
    found: dict[Recording, list[Detections]] = {}
    for piece in part.pieces:
        for recording, detections in _read(inputs, settings, piece, part.only):
            found.setdefault(recording, []).append(detections)
    return [_joined(of_it) for of_it in found.values()]


def _read(
    inputs: Inputs, settings: ArchiveConfig, piece: Piece, only: frozenset[Recording] | None
) -> Iterator[tuple[Recording, Detections]]:
    """The recordings of a piece of a file; `only` these, where it is given."""
    path, default = piece.path, _default(inputs, piece.path)
    table, rows = _rows(piece, default, only)
    names = {name: simplified(name.removesuffix("_x")) for name in table.column_names if name.endswith("_x")}
    candidates = _CANDIDATES if settings.layout == "auto" else (LAYOUTS[settings.layout],)
    match = by_names(list(names.values()), candidates)
    if match is None:
        raise InputError(f"{path}: no columns '<joint>_x' for all joints of {' or '.join(c.name for c in candidates)}")
    layout, places = match
    joints = [list(names)[place].removesuffix("_x") for place in places]
    points = np.empty((table.num_rows, len(joints), 3), np.float32)
    for number, joint in enumerate(joints):
        _joint(path, table, joint, points[:, number])
    frame = table_file.numbers(path, table, "frame")
    is_bad = ~np.isfinite(frame) | (frame != np.floor(frame))
    frame = np.where(is_bad, 0, frame)
    people, person = table_file.names(path, table, *_PERSON)
    is_named = people != ""
    size = None
    if table_file.has(table, "width") and table_file.has(table, "height"):
        size = np.stack([table_file.numbers(path, table, "width"), table_file.numbers(path, table, "height")], axis=1)
    found, place = table_parts.recordings(path, table, _RECORDING, default)
    order = np.argsort(place, kind="stable")  # rows keep their order within a recording
    for recording, of_it in zip(found, np.split(order, np.cumsum(np.bincount(place))[:-1]), strict=True):
        bad = rows[of_it[is_bad[of_it]]]
        yield (
            recording,
            Detections(
                where=str(piece),
                name=recording[0],
                layout=layout,
                points=points[of_it],
                frame=frame[of_it].astype(np.int64),
                person=people[person[of_it]].tolist() if is_named[person[of_it]].any() else None,
                size=None if size is None else size[of_it],
                subject=recording[1],
                camera=recording[2],
                wrong=f"{piece}: row {bad[0]}, column 'frame': expected a whole number" if len(bad) else "",
            ),
        )


def _rows(piece: Piece, default: Recording, only: frozenset[Recording] | None) -> tuple[pa.Table, np.ndarray]:
    """The rows of these recordings, and the number that each has in its file."""
    tables, numbers = [], []
    for batch in table_file.batches(piece, _COLUMNS):
        table, rows = batch.table, np.arange(batch.first, batch.first + batch.table.num_rows)
        if only is not None:
            there, place = table_parts.recordings(piece.path, table, _RECORDING, default)
            kept = np.array([recording in only for recording in there])[place]
            table, rows = table.filter(kept), rows[kept]
        tables.append(table)
        numbers.append(rows)
    if not sum(map(len, numbers)):
        raise InputError(f"{piece.path}: has no rows")
    return pa.concat_tables(tables), np.concatenate(numbers)


def _default(inputs: Inputs, path: str) -> Recording:
    """The recording of rows that name none."""
    return table_parts.names_in_path(path, _RECORDING, inputs.stem(path))


def _joined(found: list[Detections]) -> Detections:
    """The detections of one recording in several files."""
    first = found[0]
    if len(found) == 1:
        return first
    for other in found[1:]:
        if (other.layout, other.size is None) != (first.layout, first.size is None):
            return replace(first, wrong=f"{other.where}: {other.name} begins in {first.where} with other columns")
    frame = np.concatenate([one.frame for one in found])
    person = None
    if any(one.person is not None for one in found):
        person = [name for one in found for name in (one.person or [""] * len(one.frame))]
    elif len(shared := _shared([one.frame for one in found])):
        twice = f"{found[-1].where}: frame {shared[0]} of {first.name} is in another file too"
        return replace(first, wrong=f"{twice}; expected a column '{_PERSON[0]}', or other names for other videos")
    return replace(
        first,
        where=f"{first.where} and {found[-1].where}",
        points=np.concatenate([one.points for one in found]),
        frame=frame,
        person=person,
        size=None if first.size is None else np.concatenate([one.size for one in found if one.size is not None]),
        wrong=next((one.wrong for one in found if one.wrong), ""),
    )


def _shared(frames: list[np.ndarray]) -> np.ndarray:
    """The frames that are in more than one of the files."""
    distinct, count = np.unique(np.concatenate([np.unique(one) for one in frames]), return_counts=True)
    return distinct[count > 1]


def _joint(path: str, table: pa.Table, joint: str, out: np.ndarray) -> None:
    """A joint's x, y and confidence into out (n, 3), 0 where a cell is empty."""
    column = next((name for word in _CONFIDENCE if table_file.has(table, name := f"{joint}_{word}")), None)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused with its frame
        for place, axis in enumerate("xy"):
            out[:, place] = table_file.numbers(path, table, f"{joint}_{axis}")
        out[:, 2] = 1 if column is None else table_file.numbers(path, table, column)
    out[np.isnan(out).any(1)] = 0
