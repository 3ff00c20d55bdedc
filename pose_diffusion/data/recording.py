"""What prediction files say of how a person was recorded, beside the poses.

    distance_m     float32  metres of the true pelvis from the camera
    elevation_deg  float32  of the camera over the horizontal plane through the true pelvis, negative below it
    intrinsics     string   where the lens came from that lifting was told of, one of `SOURCES`; of the video family alone

each null where unknown, and in the footer 'pose_diffusion.frame_rate', frames a second, where somebody says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

DISTANCE, ELEVATION, INTRINSICS = "distance_m", "elevation_deg", "intrinsics"
COLUMNS = {DISTANCE: pa.float32(), ELEVATION: pa.float32(), INTRINSICS: pa.dictionary(pa.int32(), pa.string())}
# The camera's own, or assumed: from infer.field_of_view, or a focal length as long as the image's diagonal.
SOURCES = ("known", "field_of_view", "image_diagonal")
_RATE = "pose_diffusion.frame_rate"


@dataclass(frozen=True)
class Recording:
    """up: (N, 3) the world's up in each row's camera frame, NaN where unknown; None where it is for all.

    sources: (N,) places in `SOURCES`, None where lifting was told of no lens. frame_rate: a second, None where nobody says.
    """

    up: np.ndarray | None = None
    sources: np.ndarray | None = None
    frame_rate: float | None = None

    def columns(self, root: np.ndarray) -> dict[str, pa.Array]:
        """The columns of `COLUMNS` for rows with these true roots, (N, 3) metres in the camera frame, NaN where unknown."""
        distance = np.linalg.norm(root.astype(np.float64), axis=1)
        up = np.full(root.shape, np.nan) if self.up is None else self.up
        with np.errstate(divide="ignore", invalid="ignore"):
            sine = -(root * up).sum(1) / distance
        made = {DISTANCE: _nullable(distance), ELEVATION: _nullable(np.degrees(np.arcsin(sine.clip(-1, 1))))}
        if self.sources is not None:
            made[INTRINSICS] = pa.DictionaryArray.from_arrays(pa.array(self.sources, pa.int32()), pa.array(SOURCES))
        return made

    @property
    def metadata(self) -> dict[str, str]:
        return {} if self.frame_rate is None else {_RATE: str(self.frame_rate)}


def frame_rate(found: pa.Schema) -> float | None:
    """Frames a second of a prediction file's sequences, as its footer says; None where it does not."""
    try:
        rate = float((found.metadata or {}).get(_RATE.encode(), b"nan"))
    except ValueError:
        return None
    return rate if 0 < rate < math.inf else None


def _nullable(values: np.ndarray) -> pa.Array:
    return pa.array(values, pa.float32(), mask=~np.isfinite(values))
