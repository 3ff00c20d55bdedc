"""What `lift` is told beside the sections `prepare`, `infer` and the sources: the file, what is written of it, and where."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pose_diffusion.config.section import Count, Location, Section

LiftFormat = Literal["npz", "parquet", "html", "bvh", "trc", "c3d", "csv", "videopose3d"]


class LiftConfig(Section):
    input: Location = ""
    """File or folder of keypoints, local or s3://: anything that prepare reads."""
    output: Location = ""
    """Folder for the results, local or s3://; empty is a folder beside the input, its name with _3d."""
    format: Annotated[list[LiftFormat], Field(min_length=1)] = ["npz", "parquet"]
    """Files to write: npz and parquet hold everything; bvh, trc and c3d are a file a person, csv and videopose3d one file.
    html is a page a recording, to look at."""
    view: bool = False
    """Write the page (html) and open it in the browser."""
    video: Location = ""
    """Local video file that the page shows behind the keypoints; of one recording."""
    camera_tilt: Annotated[float, Field(ge=-90, le=90)] | None = None
    """Degrees by which the camera looks down, for world coordinates; null finds it from how people stand."""
    camera_roll: Annotated[float, Field(ge=-180, le=180)] = 0.0
    """Degrees by which upright things are turned clockwise in the image, beside lift.camera_tilt."""
    image_size: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None
    """Image width and height in pixels, where the input does not say them: image_size of whichever source reads it."""
    person: list[str] | None = None
    """Lift these people alone, by their name or its number ('person 3' or 3); null lifts everybody."""
