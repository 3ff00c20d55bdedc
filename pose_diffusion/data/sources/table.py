"""2D poses in a plain Parquet or CSV table, a row a person and frame, with named columns.

Needed: frame, and for each joint of a known layout '<joint>_x', '<joint>_y' in pixels ('left_knee_x', 'LKnee_x' and
'Left Knee_x' are one). Taken where they are there: '<joint>_confidence' (or _score, _likelihood, _visibility, _c), person
(or track, track_id), video (or action), subject, camera, width, height. An empty cell is a missing joint.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pose_diffusion import storage
from pose_diffusion.config import Config
from pose_diffusion.data.layouts import BODY_25, COCO_17, COCO_18, H36M_17, HALPE_26, LAYOUTS, by_names, simplified
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import archive, parsing
from pose_diffusion.data.sources.detections import Detections
from pose_diffusion.errors import InputError

_CANDIDATES = (H36M_17, BODY_25, HALPE_26, COCO_17, COCO_18)
_CONFIDENCE = ("confidence", "score", "likelihood", "visibility", "c")


def clips(config: Config) -> Source:
    """A clip a person, video and camera of each file. Raises InputError for bad files."""
    paths = parsing.files(config, ".parquet", ".csv")
    return archive.source(config, "table", paths, lambda path: read(config, path))


def read(config: Config, path: str) -> list[Detections]:
    """One file, a Detections for each video, subject and camera in it."""
    table = _table(path)
    names = {name: simplified(name.removesuffix("_x")) for name in table.column_names if name.endswith("_x")}
    candidates = _CANDIDATES if config.table.layout == "auto" else (LAYOUTS[config.table.layout],)
    match = by_names(list(names.values()), candidates)
    if match is None:
        raise InputError(f"{path}: no columns '<joint>_x' for all joints of {' or '.join(c.name for c in candidates)}")
    layout, places = match
    joints = [list(names)[place].removesuffix("_x") for place in places]
    points = np.stack([np.stack(_joint(path, table, joint), axis=-1) for joint in joints], axis=1)  # (n, J, 3)
    frame = _numbers(path, table, "frame")
    bad = ~np.isfinite(frame) | (frame != np.floor(frame))
    if bad.any():
        raise InputError(f"{path}: row {int(np.argmax(bad))}, column 'frame': expected a whole number")
    keys = [_strings(table, *columns) for columns in (("video", "action"), ("subject",), ("camera",))]
    person = _strings(table, "person", "track", "track_id")
    size = None
    if {"width", "height"} <= set(table.column_names):
        size = np.stack([_numbers(path, table, "width"), _numbers(path, table, "height")], axis=1)
    _, first, group = np.unique(np.array(keys), axis=1, return_index=True, return_inverse=True)
    recordings = []
    for number, row in enumerate(first):
        rows = np.flatnonzero(group == number)
        video, subject, camera = (str(key[row]) for key in keys)
        recordings.append(
            Detections(
                where=path,
                name=video or parsing.stem(config, path),
                layout=layout,
                points=points[rows],
                frame=frame[rows].astype(np.int64),
                person=person[rows].tolist() if person.any() else None,
                size=None if size is None else size[rows],
                subject=subject,
                camera=camera,
            )
        )
    return recordings


def _table(path: str) -> pa.Table:
    with storage.open_file(path) as file:
        try:
            table = pq.read_table(file) if path.lower().endswith(".parquet") else pyarrow.csv.read_csv(file)
            names = table.column_names  # decoded here, and possibly not UTF-8
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InputError(f"{path}: not a table ({str(error).splitlines()[0]})") from None
    if len(set(names)) < len(names):
        raise InputError(f"{path}: column '{next(n for n in names if names.count(n) > 1)}' is there twice")
    if not table.num_rows:
        raise InputError(f"{path}: has no rows")
    return table


def _joint(path: str, table: pa.Table, joint: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y = (_numbers(path, table, f"{joint}_{axis}") for axis in "xy")
    column = next((f"{joint}_{word}" for word in _CONFIDENCE if f"{joint}_{word}" in table.column_names), None)
    confidence = np.ones(len(x)) if column is None else _numbers(path, table, column)
    missing = np.isnan(x) | np.isnan(y) | np.isnan(confidence)
    return np.where(missing, 0, x), np.where(missing, 0, y), np.where(missing, 0, confidence)


def _numbers(path: str, table: pa.Table, name: str) -> np.ndarray:
    """A column as float64, empty cells NaN."""
    if name not in table.column_names:
        raise InputError(f"{path}: no column '{name}'")
    try:
        return table[name].cast(pa.float64()).to_numpy().astype(np.float64)
    except pa.ArrowException:
        raise InputError(f"{path}: column '{name}': expected numbers, got {table[name].type}") from None


def _strings(table: pa.Table, *names: str) -> np.ndarray:
    """The first of the columns that is there, as strings; empty strings where none is."""
    for name in names:
        if name in table.column_names:
            return np.array(["" if value is None else str(value) for value in table[name].to_pylist()])
    return np.full(table.num_rows, "")
