"""MediaPipe's landmarks in CSV tables, in the layouts that people write. See `mediapipe_columns` for the columns.

A row is a person in a frame, or one landmark of a person in a frame. Without a column for the frame's number rows are
consecutive frames (each 33 rows, where a row is a landmark). Rows with empty cells or zeros alone are frames without a person.
Columns `video` and `person` tell recordings and people apart, `width` and `height` are the image's size.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections.detections import Detections
from pose_diffusion.data.sources.detections.mediapipe_columns import JOINTS, LandmarkColumns, columns_of
from pose_diffusion.data.sources.detections.mediapipe_json import landmark_place
from pose_diffusion.data.sources.detections.tables import columns, table_file
from pose_diffusion.data.sources.detections.tables.columns import ColumnFilter
from pose_diffusion.data.sources.detections.tables.table_file import RowRange
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import MEDIAPIPE_33

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _People:
    """points: (n, 33, 3). frame: (n,). keys: names of video, person and image, each (n,). row: (n,) of the table, the first."""

    points: np.ndarray
    frame: np.ndarray
    keys: dict[str, np.ndarray]
    row: np.ndarray


def read(path: str, name: str) -> list[Detections]:
    """The recordings of a table. Raises InputError for columns that are not of 33 landmarks, and for rows that do not fit."""
    present = table_file.header(path)
    found = columns_of(present)
    if found is None:
        wide = "nose_x, nose_y, ..., landmark_0_x, ... or x1, y1, ... of all 33 landmarks"
        long = "frame, landmark_id, x, y with a row a landmark"
        way = "rename them, or name joints as <joint>_x, <joint>_y beside 'frame' for prepare.source=table"
        raise InputError(f"{path}: columns {columns.listed(present)}; expected {wide}, or {long}; {way}")
    table = _load(path, found)
    people = _long(path, table, found) if found.landmark else _wide(path, table, found)
    if not found.frame and not found.image:
        log.warning("%s: no column with the frame's number; rows are read as consecutive frames of one video", path)
    size = np.stack([columns.numbers(path, table, axis)[people.row] for axis in found.size], axis=1) if found.size else None
    return _recordings(path, name, people, size)


def table_of_landmarks(names: list[str]) -> str | None:
    """What shows that a table of these columns is one of landmarks, None if it is none or may be another tool's."""
    found = columns_of(names)
    return None if found is None or not found.is_sure else found.why


def _load(path: str, found: LandmarkColumns) -> pa.Table:
    numbers, names = found.numbers(), found.names()
    reads = ColumnFilter(numbers.__contains__, names.__contains__)
    tables = [batch.table for batch in table_file.read_batches(RowRange(path), reads)]
    if not sum(table.num_rows for table in tables):
        raise InputError(f"{path}: has no rows")
    return pa.concat_tables(tables)


def _wide(path: str, table: pa.Table, found: LandmarkColumns) -> _People:
    points = np.empty((table.num_rows, JOINTS, 3))
    for place, axes in enumerate(found.landmarks):
        points[:, place] = _values(path, table, axes)
    return _People(points, _frames(path, table, found), _keys(path, table, found), np.arange(table.num_rows))


def _values(path: str, table: pa.Table, axes: tuple[str, str, str]) -> np.ndarray:
    """(rows, 3) x, y and visibility, which is 1 without a column; all 0 where a cell is empty."""
    x, y, visibility = (columns.numbers(path, table, axis) if axis else np.ones(table.num_rows) for axis in axes)
    values = np.stack([x, y, visibility], 1)
    values[np.isnan(values).any(1) | (values[:, :2] == 0).all(1)] = 0
    return values


def _long(path: str, table: pa.Table, found: LandmarkColumns) -> _People:
    """The people of a table with a row a landmark."""
    values, place = _values(path, table, found.landmarks[0]), _places(path, table, found)
    frame, keys = _frames(path, table, found), _keys(path, table, found)
    if not found.frame and not found.image:
        if table.num_rows % JOINTS:
            raise InputError(
                f"{path}: {table.num_rows} rows of a landmark each and no column with the frame's number; expected {JOINTS} "
                "rows a frame, or a column 'frame'"
            )
        frame = np.arange(table.num_rows) // JOINTS
    codes = [frame, *(np.unique(names, return_inverse=True)[1] for names in keys.values())]
    _, first, group = np.unique(np.stack(codes, 1), axis=0, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    if not found.landmark_id:
        place = _rank_in_group(group)
        bad = np.flatnonzero(np.bincount(group) != JOINTS)
        if len(bad):
            count = np.bincount(group)[bad[0]]
            raise InputError(
                f"{path}: frame {frame[first[bad[0]]]} has {count} rows, expected {JOINTS}, or a column 'landmark_id'"
            )
    order = np.lexsort((place, group))
    twice = order[1:][(np.diff(group[order]) == 0) & (np.diff(place[order]) == 0)]
    if len(twice):
        joint = MEDIAPIPE_33.joints[place[twice[0]]]
        raise InputError(
            f"{path}: frame {frame[twice[0]]} has the landmark {joint} twice; where there are several people, expected a "
            "column 'person'"
        )
    points = np.zeros((len(first), JOINTS, 3))
    points[group, place] = values
    return _People(points, frame[first], {key: names[first] for key, names in keys.items()}, first)


def _rank_in_group(group: np.ndarray) -> np.ndarray:
    """How many rows of the same group stand before each row, (rows,)."""
    order = np.argsort(group, kind="stable")
    starts = np.cumsum(np.bincount(group)) - np.bincount(group)
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - starts[group[order]]
    return np.minimum(rank, JOINTS - 1)


def _places(path: str, table: pa.Table, found: LandmarkColumns) -> np.ndarray:
    """Each row's landmark, (rows,), by its number or name."""
    if not found.landmark_id:
        return np.zeros(table.num_rows, np.int64)
    distinct, codes = columns.names(path, table, found.landmark_id)
    places = [landmark_place(_whole(name)) for name in distinct]
    for number, place in enumerate(places):
        if place is None:
            row = int(np.argmax(codes == number))
            expected = f"expected 0 to {JOINTS - 1} or a name such as 'left_hip'"
            raise InputError(f"{path}: row {row}, column '{found.landmark_id}': '{distinct[number][:40]}', {expected}")
    return np.array(places, np.int64)[codes]


def _whole(name: str) -> str:
    """'12' of '12.0', as pandas writes numbers of a column with gaps."""
    return name.removesuffix(".0")


def _frames(path: str, table: pa.Table, found: LandmarkColumns) -> np.ndarray:
    if found.frame:
        frame = columns.numbers(path, table, found.frame)
        bad = ~np.isfinite(frame) | (frame != np.floor(frame)) | (abs(frame) >= 2**53)
        if bad.any():
            raise InputError(f"{path}: row {np.argmax(bad)}, column '{found.frame}': expected a whole number")
        return np.asarray(frame.astype(np.int64))
    if found.image:
        distinct, codes = columns.names(path, table, found.image)
        numbers = [parsing.frame_number(name, f"{path}: column '{found.image}'") for name in distinct]
        if len(set(numbers)) < len(numbers):
            same = next(name for name, number in zip(distinct, numbers, strict=True) if numbers.count(number) > 1)
            raise InputError(f"{path}: column '{found.image}': two names have the number of '{same}'; add a column 'frame'")
        return np.array(numbers, np.int64)[codes]
    return np.arange(table.num_rows)


def _keys(path: str, table: pa.Table, found: LandmarkColumns) -> dict[str, np.ndarray]:
    """The names of video, person and image of each row, of the columns that there are."""
    keys = {}
    for key, column in (("video", found.video), ("person", found.person), ("image", found.image)):
        if column:
            distinct, codes = columns.names(path, table, column)
            keys[key] = distinct[codes]
    return keys


def _recordings(path: str, name: str, people: _People, size: np.ndarray | None) -> list[Detections]:
    """A Detections for each video. size: (n, 2)."""
    points, frame, keys = people.points, people.frame, people.keys
    there = (points[..., 2] > 0).any(1)
    videos = keys.get("video", np.full(len(points), name))
    recordings = []
    for video in dict.fromkeys(videos.tolist()):
        rows = np.flatnonzero((videos == video) & there)
        nobody = set(frame[(videos == video) & ~there].tolist()) - set(frame[rows].tolist())
        images = keys.get("image")
        if images is not None and len(set(frame[rows].tolist())) < len(rows) and "person" not in keys:
            twice = next(image for image in images[rows].tolist() if (images[rows] == image).sum() > 1)
            raise InputError(f"{path}: image '{twice}' is there twice; expected a column 'person', or one row an image")
        recordings.append(
            Detections(
                where=path if len(set(videos.tolist())) == 1 else f"{path}: {video}",
                name=video or name,
                layout=MEDIAPIPE_33,
                points=points[rows],
                frame=frame[rows],
                person=keys["person"][rows].tolist() if "person" in keys else None,
                size=None if size is None else size[rows],
                image=None if images is None else images[rows].tolist(),
                empty=sorted(nobody),
            )
        )
    return recordings
