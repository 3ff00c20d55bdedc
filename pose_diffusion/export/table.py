"""One CSV of all sequences, a row a pose: frame, time in seconds, person, recording, then <joint>_x, _y, _z of 17 joints.

Metres in the camera frame (x right, y down, z away from the camera): with the root where one is known, else minus the pelvis.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from pose_diffusion import storage
from pose_diffusion.config import ExportConfig
from pose_diffusion.export.sequences import NAMES, PoseTrack

NAME = "poses.csv"
_DECIMALS = 6  # micrometres
_SCHEMA = pa.schema(
    [("frame", pa.int64()), ("time", pa.float64()), ("person", pa.string()), ("recording", pa.string())]
    + [(f"{joint}_{axis}", pa.float64()) for joint in NAMES for axis in "xyz"]
)


def write(config: ExportConfig, tracks: Iterable[PoseTrack]) -> list[str]:
    """export.output/poses.csv. person: the subject. recording: the action, and the camera where it has a name."""
    path = storage.join(config.output, NAME)
    with storage.publish(path) as temporary, pa_csv.CSVWriter(temporary, _SCHEMA) as file:
        for track in tracks:
            file.write_table(_rows(track, config))
    return [path]


def _rows(track: PoseTrack, config: ExportConfig) -> pa.Table:
    positions = track.positions(config.root).astype(np.float64).reshape(len(track.frame), -1).round(_DECIMALS)
    count, recording = len(track.frame), " / ".join(filter(None, (track.action, track.camera)))
    columns = [
        pa.array(track.frame, pa.int64()),
        pa.array((track.frame / config.fps).round(_DECIMALS)),
        pa.array([track.subject] * count, pa.string()),
        pa.array([recording] * count, pa.string()),
        *map(pa.array, np.ascontiguousarray(positions.T)),
    ]
    return pa.Table.from_arrays(columns, schema=_SCHEMA)
