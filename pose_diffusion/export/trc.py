"""Track Row Column (.trc), Motion Analysis's text format, which OpenSim and Pose2Sim read: a file a sequence.

    PathFileType  4  (X/Y/Z)  <file>
    DataRate  CameraRate  NumFrames  NumMarkers  Units  OrigDataRate  OrigDataStartFrame  OrigNumFrames
    <values>
    Frame#  Time  <marker>  .  .  <marker>  ...
    .  .  X1  Y1  Z1  X2  ...
    (an empty line)
    1  0.0  <x>  <y>  <z>  ...

separated by tabs; '.' stands for an empty cell. Markers are the 17 joints. Lengths are metres. Axes are OpenSim's, y up: x to
the right of the image, z towards the camera, (x, -y, -z) of the camera frame. Frames without a pose have empty cells.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pose_diffusion import storage
from pose_diffusion.config import ExportConfig
from pose_diffusion.export.paths import TrackPaths
from pose_diffusion.export.sequences import NAMES, PoseTrack

_HEADER = (
    "DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate", "OrigDataStartFrame", "OrigNumFrames",
)  # fmt: skip


def write(config: ExportConfig, tracks: Iterable[PoseTrack]) -> list[str]:
    """A file for each sequence; see `TrackPaths`."""
    paths = TrackPaths(config.output, ".trc")
    for track in tracks:
        path = paths.add(track)
        storage.publish_bytes(path, text(track, config, path.rsplit("/", 1)[-1]).encode())
    return paths.taken


def text(track: PoseTrack, config: ExportConfig, name: str) -> str:
    """A sequence as the content of a .trc file. name: the file's."""
    step, positions = track.evenly(config.root)
    positions = positions * np.array([1, -1, -1], np.float32)
    rate, first, count = f"{config.fps / step:g}", int(track.frame[0]) // step + 1, len(positions)
    values = (rate, rate, count, len(NAMES), "m", rate, first, count)
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{name}",
        "\t".join(_HEADER),
        "\t".join(map(str, values)),
        "\t".join(["Frame#", "Time", *(f"{joint}\t\t" for joint in NAMES)]),
        "\t".join(["", "", *(f"{axis}{number}" for number in range(1, len(NAMES) + 1) for axis in "XYZ")]),
        "",
    ]
    for row, pose in enumerate(positions.reshape(count, -1)):
        time = (int(track.frame[0]) + row * step) / config.fps
        cells = [""] * len(pose) if np.isnan(pose[0]) else [f"{value + 0.0:.6f}" for value in pose]
        lines.append("\t".join([str(first + row), f"{time:.6f}", *cells]))
    return "\n".join(lines) + "\n"
