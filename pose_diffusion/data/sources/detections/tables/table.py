"""2D poses in plain Parquet or CSV tables with named columns, one row for each person and frame.

Required columns: frame (or frame_id, frame_number, ...; else filename or image_name, by whose number frames are numbered), and
for each joint of a known layout '<joint>_x' and '<joint>_y' ('left_knee_x', 'LKnee_x' and 'Left Knee_x' are the same), in
pixels, or as `table.coordinates` says. Optional columns: '<joint>_confidence' (or _conf, _score, _likelihood, _visibility,
_prob, _c), person (or track, track_id, ...), video (or action), subject, camera, width and height (or frame_width, ...). An
empty cell is a missing joint.

A folder of files is one table. Rows of the same video, subject and camera are one recording; they may stand in any order and
in several files. Folders such as 'video=a' give names that no column gives.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from pose_diffusion.config import TableConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections.archive import detections_source
from pose_diffusion.data.sources.detections.detections import Detections
from pose_diffusion.data.sources.detections.tables import columns, file_index, table_file, table_parts
from pose_diffusion.data.sources.detections.tables.columns import ColumnFilter
from pose_diffusion.data.sources.detections.tables.file_index import RecordingKey
from pose_diffusion.data.sources.detections.tables.table_file import RowRange
from pose_diffusion.data.sources.detections.tables.table_parts import TablePart
from pose_diffusion.data.sources.file_format import FOLLOWED, FileFormat
from pose_diffusion.data.sources.inputs import Inputs, scan
from pose_diffusion.data.sources.sample import Sample, Seen
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import BODY_25, COCO_17, COCO_18, H36M_17, HALPE_26, LAYOUTS, Layout, by_names, simplified
from pose_diffusion.runtime.executor import Executor

log = logging.getLogger(__name__)
_CANDIDATES = (H36M_17, BODY_25, HALPE_26, COCO_17, COCO_18)
_CONFIDENCE = ("confidence", "conf", "score", "likelihood", "visibility", "prob", "c")
# Columns, each under its possible names: those that tell recordings apart, the one that tells people apart, the one with the
# frame's number, the one with the picture's name, and the image's size.
_KEYS = (("video", "action"), ("subject",), ("camera",))
_PERSON = ("person", "track", "track_id", "tracking_id", "person_id")
_FRAME = ("frame", "frame_id", "frame_number", "frame_no", "frame_num", "frame_idx", "frame_index")
_IMAGE = ("filename", "file_name", "image_name", "image")
_SIZE = (("width", "height"), ("frame_width", "frame_height"), ("image_width", "image_height"))
_NAMES = {*_PERSON, *_IMAGE, *(name for candidates in _KEYS for name in candidates)}
_NUMBERS = {*_FRAME, *(name for pair in _SIZE for name in pair)}
_OF_JOINTS = ("_x", "_y", *(f"_{word}" for word in _CONFIDENCE))


class _Columns(ColumnFilter):
    """Of the columns that may number the frames the first alone: the others may hold anything, as the pictures themselves."""

    def select(self, present: list[str]) -> list[str]:
        unused = [name for name in (*_FRAME, *_IMAGE) if name in present][1:]
        return [name for name in super().select(present) if name not in unused]


_COLUMNS = _Columns(lambda name: name in _NUMBERS or name.endswith(_OF_JOINTS), _NAMES.__contains__)

FORMATS = (
    FileFormat(
        "tables of one's own, Spark, pandas",
        "Parquet or CSV: `frame` or `filename`, `<joint>_x`, `<joint>_y`, maybe `<joint>_confidence`; pixels, or as "
        "`coordinates` says",
        "columns `width` and `height`, else `image_size`", f"column `person` or `track`, else {FOLLOWED}",
        ("h36m17", "body25", "halpe26", "coco17", "coco18"),
    ),
)  # fmt: skip
_LEAST_JOINTS = 5  # for a table to be one of joints
_NO_FRAME = "no column 'frame' with the frame's number, nor 'filename' with the picture's name"


def open_source(inputs: Inputs, settings: TableConfig, executor: Executor, part_rows: int = table_parts.PART_ROWS) -> Source:
    """A sequence for each person, video and camera. part_rows: rows that are read at once, or more.

    Raises InputError for bad files.
    """
    paths, skipped = inputs.files(".parquet", ".csv"), list[str]()
    indices = scan(inputs, lambda path: file_index.index_file(path, _KEYS, _default(inputs, path)), paths, skipped)
    parts = table_parts.plan_parts([index for _, index in indices], part_rows)
    return detections_source("table", inputs, settings, executor, parts, lambda part: read(inputs, settings, part), skipped)


def recognise(sample: Sample) -> Seen | None:
    """A Parquet or CSV table with columns '<joint>_x' and '<joint>_y' of known joints."""
    if sample.rows and len(sample.rows[0]) > 1 and sample.rows[0][0] == "scorer":
        return None
    prefixes = [name.removesuffix("_x") for name in sample.columns if name.endswith("_x")]
    joints = {simplified(joint) for layout in LAYOUTS.values() for joint in layout.joints}
    known = [prefix for prefix in prefixes if simplified(prefix) in joints and f"{prefix}_y" in sample.columns]
    faces = {simplified(joint) for joint in ("left eye inner", "mouth left", "left mouth")}
    if len(known) < _LEAST_JOINTS or faces & {simplified(prefix) for prefix in known}:
        return None  # faces: MediaPipe's own
    wrong = "" if {*_FRAME, *_IMAGE} & set(sample.columns) else f"{_NO_FRAME}; add it or rename the column that has it"
    return Seen("a table of joints", f"columns such as '{known[0]}_x'", wrong)


def read(inputs: Inputs, settings: TableConfig, part: TablePart) -> list[Detections]:
    """A Detections for each video, subject and camera of a part."""
    by_recording: dict[RecordingKey, list[Detections]] = {}
    for rows in part.ranges:
        for key, detections in _read_range(settings, rows, _default(inputs, rows.path), part.only):
            by_recording.setdefault(key, []).append(detections)
    return [_joined(detections) for detections in by_recording.values()]


def _default(inputs: Inputs, path: str) -> RecordingKey:
    """The key of rows that name no recording."""
    return file_index.names_in_path(path, _KEYS, inputs.stem(path))


def _read_range(
    settings: TableConfig, rows: RowRange, default: RecordingKey, only: frozenset[RecordingKey] | None
) -> Iterator[tuple[RecordingKey, Detections]]:
    """The recordings of a range of rows; `only` these, if given."""
    path = rows.path
    table, row_number = _load(rows, default, only)
    layout, points = _points(settings, path, table)
    column, frame, image = _frames(path, table)
    is_bad = ~np.isfinite(frame) | (frame != np.floor(frame))
    frame = np.where(is_bad, 0, frame).astype(np.int64)
    people, person = columns.names(path, table, *_PERSON)
    is_named = people != ""
    pair = next((pair for pair in _SIZE if all(columns.has_column(table, name) for name in pair)), None)
    size = None if pair is None else np.stack([columns.numbers(path, table, name) for name in pair], axis=1)
    keys, recording = file_index.recordings(path, table, _KEYS, default)
    order = np.argsort(recording, kind="stable")  # rows keep their order within a recording
    for key, chosen in zip(keys, np.split(order, np.cumsum(np.bincount(recording))[:-1]), strict=True):
        bad_rows = row_number[chosen[is_bad[chosen]]]
        yield (
            key,
            Detections(
                where=str(rows),
                name=key[0],
                layout=layout,
                points=points[chosen],
                frame=frame[chosen],
                person=people[person[chosen]].tolist() if is_named[person[chosen]].any() else None,
                size=None if size is None else size[chosen],
                image=None if image is None else image[chosen].tolist(),
                subject=key[1],
                camera=key[2],
                unit=settings.coordinates,
                wrong=f"{rows}: row {bad_rows[0]}, column '{column}': expected a whole number" if len(bad_rows) else "",
            ),
        )


def _load(rows: RowRange, default: RecordingKey, only: frozenset[RecordingKey] | None) -> tuple[pa.Table, np.ndarray]:
    """The rows of a range that belong to `only` these recordings, and the number of each row in its file (rows,)."""
    tables, row_numbers = [], []
    for batch in table_file.read_batches(rows, _COLUMNS):
        table, row_number = batch.table, batch.first_row + np.arange(batch.table.num_rows)
        if only is not None:
            keys, recording = file_index.recordings(rows.path, table, _KEYS, default)
            is_kept = np.array([key in only for key in keys])[recording]
            table, row_number = table.filter(is_kept), row_number[is_kept]
        tables.append(table)
        row_numbers.append(row_number)
    if not sum(map(len, row_numbers)):
        raise InputError(f"{rows.path}: has no rows")
    return pa.concat_tables(tables), np.concatenate(row_numbers)


def _frames(path: str, table: pa.Table) -> tuple[str, np.ndarray, np.ndarray | None]:
    """The column that numbers the frames, the numbers (rows,) as float64, and (rows,) pictures' names where it has those."""
    column = next((name for name in (*_FRAME, *_IMAGE) if columns.has_column(table, name)), None)
    if column is None:
        raise InputError(f"{path}: {_NO_FRAME}")
    if column in _FRAME:
        return column, columns.numbers(path, table, column), None
    names, codes = columns.names(path, table, column)
    numbers = [parsing.frame_number(name, f"{path}: column '{column}'") for name in names.tolist()]
    if len(set(numbers)) < len(numbers):
        same = next(name for name, number in zip(names, numbers, strict=True) if numbers.count(number) > 1)
        raise InputError(f"{path}: column '{column}': two names have the number of '{same}'; add a column 'frame'")
    log.warning("%s: frames are numbered by the names in the column '%s', and are read as one video's", path, column)
    return column, np.array(numbers, np.float64)[codes], names[codes]


def _points(settings: TableConfig, path: str, table: pa.Table) -> tuple[Layout, np.ndarray]:
    """The joint layout that the columns have, and x, y and confidence (rows, joints, 3), 0 for a joint with an empty cell."""
    prefixes = [name.removesuffix("_x") for name in table.column_names if name.endswith("_x")]
    candidates = _CANDIDATES if settings.layout == "auto" else (LAYOUTS[settings.layout],)
    match = by_names([simplified(prefix) for prefix in prefixes], candidates)
    if match is None:
        wanted = " or ".join(layout.name for layout in candidates)
        there = columns.listed(prefixes) or "none"
        way = "add the others, with empty cells where a joint is not known"
        raise InputError(f"{path}: no columns '<joint>_x' for all joints of {wanted}; there are those of {there}; {way}")
    layout, places = match
    points = np.empty((table.num_rows, len(places), 3), np.float32)
    for number, place in enumerate(places):
        _joint(path, table, prefixes[place], points[:, number])
    return layout, points


def _joint(path: str, table: pa.Table, joint: str, out: np.ndarray) -> None:
    """Writes a joint's x, y and confidence into out (rows, 3)."""
    confidence = next((name for word in _CONFIDENCE if columns.has_column(table, name := f"{joint}_{word}")), None)
    with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite and is refused with its frame
        for axis, name in enumerate("xy"):
            out[:, axis] = columns.numbers(path, table, f"{joint}_{name}")
        out[:, 2] = 1 if confidence is None else columns.numbers(path, table, confidence)
    out[np.isnan(out).any(1)] = 0


def _joined(parts: list[Detections]) -> Detections:
    """The detections of one recording from several files as one. Where they do not fit together, `wrong` says why."""
    first, last = parts[0], parts[-1]
    if len(parts) == 1:
        return first
    kind = (first.layout, first.size is None, first.image is None)
    for other in parts[1:]:
        if (other.layout, other.size is None, other.image is None) != kind:
            return replace(first, wrong=f"{other.where}: {other.name} begins in {first.where} with other columns")
    person = None
    if any(part.person is not None for part in parts):
        person = [name for part in parts for name in (part.person or [""] * len(part.frame))]
    elif len(shared := _shared_frames(parts)):
        twice = f"{last.where}: frame {shared[0]} of {first.name} is in another file too"
        return replace(first, wrong=f"{twice}; expected a column '{_PERSON[0]}', or other names for other videos")
    return replace(
        first,
        where=f"{first.where} and {last.where}",
        points=np.concatenate([part.points for part in parts]),
        frame=np.concatenate([part.frame for part in parts]),
        person=person,
        size=None if first.size is None else np.concatenate([part.size for part in parts if part.size is not None]),
        image=None if first.image is None else [name for part in parts for name in part.image or ()],
        wrong=next((part.wrong for part in parts if part.wrong), ""),
    )


def _shared_frames(parts: list[Detections]) -> np.ndarray:
    """The frames that occur in more than one file."""
    distinct, count = np.unique(np.concatenate([np.unique(part.frame) for part in parts]), return_counts=True)
    return distinct[count > 1]
