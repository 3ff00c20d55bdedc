"""VideoPose3D's .npz (github.com/facebookresearch/VideoPose3D): nested dicts, pickled as numpy does.

    positions_3d  {subject: {action: [(T, 17, 3) a camera]}}  metres, camera frame
    frames        {subject: {action: [(T,) a camera]}}        0-based frame of each pose
    cameras       {subject: {action: [name a camera]}}
    metadata      {'layout_name': 'h36m', 'num_joints': 17, 'keypoints_symmetry': [left, right]}

as its own files of 2D keypoints nest them. Read with numpy.load(path, allow_pickle=True)['positions_3d'].item().
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from pose_diffusion import storage
from pose_diffusion.config import ExportConfig
from pose_diffusion.export.sequences import PoseTrack
from pose_diffusion.geometry.skeleton import LEFT, N_JOINTS, RIGHT

NAME = "positions_3d.npz"


def write(config: ExportConfig, tracks: Iterable[PoseTrack]) -> list[str]:
    """One file with all sequences, export.output/positions_3d.npz."""
    metadata = {"layout_name": "h36m", "num_joints": N_JOINTS, "keypoints_symmetry": [list(LEFT), list(RIGHT)]}
    content: dict[str, dict] = {"positions_3d": {}, "frames": {}, "cameras": {}, "metadata": metadata}
    for track in sorted(tracks, key=lambda track: (track.subject, track.action, track.camera)):
        values = {"positions_3d": track.positions(config.root), "frames": track.frame, "cameras": track.camera}
        for name, value in values.items():
            content[name].setdefault(track.subject, {}).setdefault(track.action, []).append(value)
    # Each dict as an array of one object, which is how VideoPose3D's own files hold theirs.
    arrays: dict[str, Any] = {name: np.array(value, dtype=object) for name, value in content.items()}
    path = storage.join(config.output, NAME)
    with storage.publish(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return [path]
