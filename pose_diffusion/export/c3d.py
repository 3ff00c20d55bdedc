"""C3D (c3d.org), the binary format of motion capture in biomechanics, written by the package c3d: a file a sequence.

Points are the 17 joints, in millimetres. Axes are those of most laboratories, z up: x to the right of the image, y away from
the camera, (x, z, -y) of the camera frame; POINT:X_SCREEN and Y_SCREEN say so. Frames without a pose have the residual -1.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import c3d
import numpy as np

from pose_diffusion import storage
from pose_diffusion.config import ExportConfig
from pose_diffusion.export.paths import TrackPaths
from pose_diffusion.export.sequences import NAMES, PoseTrack

_MM = 1000.0
_COLUMNS = 5  # of a point: x, y, z, residual, cameras
_NO_ANALOG = np.zeros((0, 0), np.float32)


def write(config: ExportConfig, tracks: Iterable[PoseTrack]) -> list[str]:
    """A file for each sequence; see `TrackPaths`."""
    paths = TrackPaths(config.output, ".c3d")
    for track in tracks:
        with storage.publish(paths.add(track)) as temporary, temporary.open("wb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a file without analogue channels, which these are
            _writer(track, config).write(file)
    return paths.taken


def _writer(track: PoseTrack, config: ExportConfig) -> c3d.Writer:
    step, positions = track.evenly(config.root)
    missing = np.isnan(positions).any(-1)  # (frames, 17)
    points = np.zeros((*missing.shape, _COLUMNS), np.float32)
    points[..., :3] = np.where(missing[..., None], 0, positions[..., [0, 2, 1]] * np.array([_MM, _MM, -_MM], np.float32))
    points[..., 3] = np.where(missing, -1, 0)
    writer = c3d.Writer(point_rate=config.fps / step)
    writer.add_frames([(frame, _NO_ANALOG) for frame in points])
    writer.set_point_labels(NAMES)
    writer.set_screen_axis("+X", "+Z")
    writer.set_start_frame(int(track.frame[0]) // step + 1)
    return writer
