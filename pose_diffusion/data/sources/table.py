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
    points = np.empty((table.num_rows, len(joints), 3), np.float32)
    for number, joint in enumerate(joints):
        _joint(path, table, joint, points[:, number])
    frame = _numbers(path, table, "frame")
    bad = ~np.isfinite(frame) | (frame != np.floor(frame))
    if bad.any():
        raise InputError(f"{path}: row {int(np.argmax(bad))}, column 'frame': expected a whole number")
    keys = [_names(path, table, *columns) for columns in (("video", "action"), ("subject",), ("camera",))]
    people, person = _names(path, table, "person", "track", "track_id")
    tracked = bool(people.any())
    size = None
    if {"width", "height"} <= set(table.column_names):
        size = np.stack([_numbers(path, table, "width"), _numbers(path, table, "height")], axis=1)
    group = np.stack([code for _, code in keys], axis=1)
    order = np.lexsort(group.T[::-1])  # stable: rows keep their order within a recording
    starts = np.flatnonzero((np.diff(group[order], axis=0, prepend=-1) != 0).any(1))
    recordings = []
    for rows in np.split(order, starts[1:]):
        video, subject, camera = (str(names[code[rows[0]]]) for names, code in keys)
        recordings.append(
            Detections(
                where=path,
                name=video or parsing.stem(config, path),
                layout=layout,
                points=points[rows],
                frame=frame[rows].astype(np.int64),
                person=people[person[rows]].tolist() if tracked else None,
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


def _joint(path: str, table: pa.Table, joint: str, out: np.ndarray) -> None:
    """A joint's x, y and confidence into out (n, 3), 0 where a cell is empty."""
    column = next((f"{joint}_{word}" for word in _CONFIDENCE if f"{joint}_{word}" in table.column_names), None)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused with its frame
        for place, axis in enumerate("xy"):
            out[:, place] = _numbers(path, table, f"{joint}_{axis}")
        out[:, 2] = 1 if column is None else _numbers(path, table, column)
    out[np.isnan(out).any(1)] = 0


def _numbers(path: str, table: pa.Table, name: str) -> np.ndarray:
    """A column as float64, empty cells NaN."""
    if name not in table.column_names:
        raise InputError(f"{path}: no column '{name}'")
    try:
        return table[name].cast(pa.float64()).to_numpy().astype(np.float64)
    except pa.ArrowException:
        raise InputError(f"{path}: column '{name}': expected numbers, got {table[name].type}") from None


def _names(path: str, table: pa.Table, *columns: str) -> tuple[np.ndarray, np.ndarray]:
    """The distinct names in the first of the columns that is there, sorted, and each row's place among them.

    Where none is there the only name is empty, as that of an empty cell is.
    """
    column = next((name for name in columns if name in table.column_names), None)
    if column is None:
        return np.array([""]), np.zeros(table.num_rows, np.int64)
    kind = table[column].type
    try:
        plain = table[column].cast(kind.value_type) if pa.types.is_dictionary(kind) else table[column]
        coded = plain.combine_chunks().dictionary_encode(null_encoding="encode")
    except pa.ArrowException:
        raise InputError(f"{path}: column '{column}': expected names or numbers, got {kind}") from None
    found = ["" if value is None else str(value) for value in coded.dictionary.to_pylist()]
    names, place = np.unique(found, return_inverse=True)
    return names, place[coded.indices.to_numpy()]
