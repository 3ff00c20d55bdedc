"""2D poses in a plain Parquet or CSV table, a row a person and frame, with named columns.

Needed: frame, and for each joint of a known layout '<joint>_x', '<joint>_y' in pixels ('left_knee_x', 'LKnee_x' and
'Left Knee_x' are one). Taken where they are there: '<joint>_confidence' (or _score, _likelihood, _visibility, _c), person
(or track, track_id), video (or action), subject, camera, width, height. An empty cell is a missing joint.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pose_diffusion.config import Config
from pose_diffusion.data.layouts import BODY_25, COCO_17, COCO_18, H36M_17, HALPE_26, LAYOUTS, by_names, simplified
from pose_diffusion.data.sources import parsing, table_file
from pose_diffusion.data.sources.archive import Archive
from pose_diffusion.data.sources.detections import Detections
from pose_diffusion.data.sources.table_file import Part
from pose_diffusion.errors import InputError

_CANDIDATES = (H36M_17, BODY_25, HALPE_26, COCO_17, COCO_18)
_CONFIDENCE = ("confidence", "score", "likelihood", "visibility", "c")
# Columns, each under its possible names: those that tell recordings apart, and the one that tells people apart.
_RECORDING = (("video", "action"), ("subject",), ("camera",))
_PERSON = ("person", "track", "track_id")
_OTHERS = {"frame", "width", "height", *_PERSON, *(name for names in _RECORDING for name in names)}


def clips(config: Config) -> Archive:
    """A clip a person, video and camera of each file. Raises InputError for bad files."""
    sizes = parsing.file_sizes(config, ".parquet", ".csv")
    parts, skipped = parsing.each(config, sizes, lambda path: table_file.parts(path, sizes[path], _RECORDING))
    items = [part for of_file in parts for part in of_file]
    return Archive(config, "table", items, lambda part: read(config, part), skipped)


def read(config: Config, part: Part) -> list[Detections]:
    """A Detections for each video, subject and camera in a file or a part of it."""
    path, table = part.path, table_file.read(part, _is_used)
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
    frame = table_file.numbers(path, table, "frame")
    bad = ~np.isfinite(frame) | (frame != np.floor(frame))
    if bad.any():
        raise InputError(f"{part.where}: row {part.start + int(np.argmax(bad))}, column 'frame': expected a whole number")
    keys = [table_file.names(path, table, *columns) for columns in _RECORDING]
    people, person = table_file.names(path, table, *_PERSON)
    is_named = people != ""
    size = None
    if table_file.has(table, "width") and table_file.has(table, "height"):
        size = np.stack([table_file.numbers(path, table, "width"), table_file.numbers(path, table, "height")], axis=1)
    group = np.stack([code for _, code in keys], axis=1)
    order = np.lexsort(group.T[::-1])  # stable: rows keep their order within a recording
    starts = np.flatnonzero((np.diff(group[order], axis=0, prepend=-1) != 0).any(1))
    recordings = []
    for rows in np.split(order, starts[1:]):
        video, subject, camera = (str(names[code[rows[0]]]) for names, code in keys)
        recordings.append(
            Detections(
                where=part.where,
                name=video or parsing.stem(config, path),
                layout=layout,
                points=points[rows],
                frame=frame[rows].astype(np.int64),
                person=people[person[rows]].tolist() if is_named[person[rows]].any() else None,
                size=None if size is None else size[rows],
                subject=subject,
                camera=camera,
            )
        )
    return recordings


def _is_used(column: str) -> bool:
    return column in _OTHERS or column.endswith(("_x", "_y", *(f"_{word}" for word in _CONFIDENCE)))


def _joint(path: str, table: pa.Table, joint: str, out: np.ndarray) -> None:
    """A joint's x, y and confidence into out (n, 3), 0 where a cell is empty."""
    column = next((name for word in _CONFIDENCE if table_file.has(table, name := f"{joint}_{word}")), None)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused with its frame
        for place, axis in enumerate("xy"):
            out[:, place] = table_file.numbers(path, table, f"{joint}_{axis}")
        out[:, 2] = 1 if column is None else table_file.numbers(path, table, column)
    out[np.isnan(out).any(1)] = 0
