"""Where a pose is seen from: what must be known to turn it (`training.yaw_augment`).

A view is 15 numbers: the pelvis (3) and the world's up (3) in the camera frame, metres, and the camera's intrinsic (9). The
world's z is up, as in Human3.6M and as every source here writes its cameras.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from pose_diffusion.data import schema, shards
from pose_diffusion.data.manifest import Manifest, Selection
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera

COLUMN = "view"
_WIDTH = 15


def check(manifest: Manifest, selection: Selection, where: str, needed_by: str, way_out: str) -> None:
    """Raises InputError unless the manifest has the camera of each selected sequence. needed_by, way_out: for its line."""
    known = cameras(manifest, where)
    for file in selection.files(manifest):
        for span in file.spans:
            if selection.holds(span.subject, span.action) and f"{span.subject}/{span.camera}" not in known:
                raise InputError(
                    f"{where}: no camera '{span.subject}/{span.camera}' in the manifest, and {needed_by} needs it to "
                    f"know the vertical; {way_out}"
                )


def cameras(manifest: Manifest, where: str) -> dict[str, np.ndarray]:
    """Up and intrinsic (12,) float32 of each camera of a manifest, by 'subject/camera'. Raises InputError for a bad one."""
    found = {name: Camera.from_dict(values, f"{where}: camera '{name}'") for name, values in manifest.cameras.items()}
    return {
        name: np.concatenate([np.array(camera.rotation)[:, 2], camera.intrinsic]).astype(np.float32)
        for name, camera in found.items()
    }


def column(table: pa.Table, known: Mapping[str, np.ndarray]) -> pa.ExtensionArray:
    """The views of a shard's rows, by their sequences' cameras and root_3d. `known`: of `cameras`."""
    views = np.empty((len(table), _WIDTH), np.float32)
    views[:, :3] = schema.tensor_values(table["root_3d"])
    start = 0
    for span in shards.spans_of(table):
        views[start : start + span.rows, 3:] = known[f"{span.subject}/{span.camera}"]
        start += span.rows
    return schema.tensor_column(views, len(table), (_WIDTH,))
