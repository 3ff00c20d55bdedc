"""What `prepare` is told: which source it reads and how it writes shards."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pose_diffusion.config.section import Count, Location, Positive, Section, Seed

SourceName = Literal[
    "synthetic",
    "human36m",
    "coco",
    "openpose",
    "alphapose",
    "mmpose",
    "mediapipe",
    "tfjs",
    "detectron2",
    "videopose3d",
    "deeplabcut",
    "sleap",
    "yolo",
    "table",
    "bvh",
    "asf_amc",
    "joints",
    "mpi_inf_3dhp",
    "mmpose3d",
    "heatmaps",
]


class PrepareConfig(Section):
    source: Literal["auto", SourceName] = "auto"
    """What reads the poses, with its own section of settings; auto tells it from the input's files, without any synthetic."""
    input: Location = ""
    """Folder or file that the source reads, local or s3://; unused by synthetic."""
    output: Location = ""
    """Shard folder to write, local or s3://."""
    ensemble: list[Location] = []
    """Further inputs of the same source: other detectors' files, of the same names and frames, whose points become kernels."""
    test_subjects: list[str] = ["S9", "S11"]
    """Subjects of the test split; all others train, unless the input states its split, as joints.split does. Poses without 3D
    are all in the test split, as they can only be lifted."""
    rows_per_file: Count = 8192
    """Rows a Parquet file holds at the most; a file is the unit of work and of retry, and what workers share out at the end."""
    mib_per_file: Positive = 64.0
    """Size of a Parquet file at the most, in MiB; it ends where this or rows_per_file is reached."""
    seed: Seed = 0
    """Seed of everything random in a source (synthetic motion, simulated detections)."""
    on_error: Literal["fail", "skip"] = "fail"
    """What a broken file or sequence does: end the job, or be left out and listed in the manifest; the job then ends with 1."""
    retries: Annotated[int, Field(ge=0)] = 5
    """Further tries of a read or a write that remote storage refuses, after 1, 2, 4, ... seconds."""
