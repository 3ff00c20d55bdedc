"""The sequences that the page plays, read again from their prediction files and packed as small integers."""

from __future__ import annotations

import numpy as np

from pose_diffusion.data import predictions
from pose_diffusion.data.schema import tensor_values
from pose_diffusion.report.gallery import Excerpt
from pose_diffusion.report.table import printable


def read(clip: Excerpt, final: str) -> dict:
    """A clip as the player takes it; `final` is the method whose errors are shown.

    {"name", "frames": [...], "pose_2d": [u, v, ... in thousandths], "extent_2d": {"low", "high"}, "pose_3d" and "truth":
    [x, y, z, ... in mm], "error_mm": [...]}; truth and error_mm are null where some row has none.
    """
    columns = ["frame", "pose_2d", "pose_3d", "truth_3d", f"{final}_joint_mm"]
    rows = predictions.read(clip.path, columns).slice(clip.start, clip.rows)
    pose_2d = np.rint(tensor_values(rows["pose_2d"]) * 1000).astype(int)
    truth = tensor_values(rows["truth_3d"])
    known = bool(np.isfinite(truth).all())
    return {
        "name": " · ".join(printable(name) for name in (clip.action, clip.subject, clip.camera) if name) or "sequence",
        "frames": rows["frame"].to_pylist(),
        "pose_2d": pose_2d.reshape(-1).tolist(),
        "extent_2d": {"low": pose_2d.min((0, 1)).tolist(), "high": (pose_2d.max((0, 1)) + 1).tolist()},
        "pose_3d": _millimetres(tensor_values(rows["pose_3d"])),
        "truth": _millimetres(truth - truth[:, :1]) if known else None,
        "error_mm": tensor_values(rows[f"{final}_joint_mm"]).mean(1).round(1).tolist() if known else None,
    }


def _millimetres(pose_3d: np.ndarray) -> list[int]:
    return np.rint(pose_3d * 1000).astype(int).reshape(-1).tolist()
