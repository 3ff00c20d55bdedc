"""What is told to the jobs that read results: inspect, report, export, import_official."""

from __future__ import annotations

from typing import Literal

from pose_diffusion.config.section import Count, Location, Positive, Section


class InspectConfig(Section):
    input: Location = ""
    """Shard folder to look at, local or s3://."""
    output: Location = ""
    """Folder for card.json and PNG pages of poses, local or s3://; empty prints the card alone."""
    split: str | None = None
    """Split to look at; null takes all."""
    samples: Count = 16
    """Poses to draw, of sequences evenly spaced over the data set."""


class ReportConfig(Section):
    input: Location = ""
    """Folder of predictions, such as infer.output, local or s3://; all .parquet files below it are read."""
    output: Location = ""
    """Folder for report.json, report.html and poses.png; empty is report.input."""


class ExportConfig(Section):
    input: Location = ""
    """Folder of predictions: an infer.output or its predictions/, local or s3://."""
    output: Location = ""
    """Folder for the new files, local or s3://."""
    format: Literal["bvh", "trc", "c3d", "csv", "videopose3d"] = "bvh"
    """A file a sequence: bvh for Blender, trc and c3d for biomechanics. One file of all: csv, videopose3d (.npz)."""
    subjects: list[str] | None = None
    """Export these subjects alone."""
    actions: list[str] | None = None
    """Export these actions alone."""
    root: bool = True
    """Place bodies where they stand before the camera, where infer knew the camera; false keeps the pelvis at 0."""
    fps: Positive = 50.0
    """Frames a second of the video (all but videopose3d)."""
    units_per_metre: Positive = 100.0
    """Units of length (bvh); 100 writes centimetres."""


class OfficialConfig(Section):
    lifter: Location = ""
    """Published lifter checkpoint (.pth)."""
    denoiser: Location = ""
    """Published diffusion checkpoint (.pth)."""
    output: Location = ""
    """Bundle folder to write."""
    ema: bool = False
    """Take the averaged weights instead of the raw ones that the published evaluation uses."""
