"""Predictions for other programs: one module a format."""

from __future__ import annotations

from pose_diffusion.config import ExportConfig
from pose_diffusion.errors import InputError
from pose_diffusion.export import bvh, c3d, table, trc, videopose3d
from pose_diffusion.export.sequences import Predictions

FORMATS = {
    "bvh": bvh.write,
    "trc": trc.write,
    "c3d": c3d.write,
    "csv": table.write,
    "videopose3d": videopose3d.write,
}


def export(config: ExportConfig) -> list[str]:
    """Writes the predictions below export.input and returns the paths of the new files.

    Raises InputError for missing folders, files that are no predictions, and roots asked for that are not there.
    """
    for key in ("input", "output"):
        if not getattr(config, key):
            raise InputError(f"key 'export.{key}': expected a path, got nothing")
    return FORMATS[config.format](config, Predictions.find(config.input, config.subjects, config.actions))
