"""Pinhole cameras with distortion, and the normalised screen that all 2D poses live on.

World to camera: X_c = R (X_w - position). Camera to image, with x = X_c[:2] / X_c[2], r2 = |x|^2:

    x_d = x (1 + k1 r2 + k2 r2^2 + k3 r2^3 + p . x) + p r2,    pixel = focal x_d + centre

as Human3.6M's cameras are published and VideoPose3D (arXiv 1811.11742) projects; x is clipped to [-1, 1] as there.
Pixels to normalised screen: u = 2 px / width - 1, v = 2 py / width - height / width.

Every function takes numpy arrays or torch tensors and returns the same kind, in the dtype it was given.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pose_diffusion.errors import InputError

if TYPE_CHECKING:  # tensors are told by their methods: what reads shards needs cameras, not torch
    import torch

Array = TypeVar("Array", np.ndarray, "torch.Tensor")

_UNDISTORT_STEPS = 20


@dataclass(frozen=True)
class Camera:
    """One calibrated camera; plain numbers, so that it goes into JSON.

    rotation: world to camera, row by row. position: the camera's centre in the world, metres. focal, centre: pixels.
    radial: k1, k2, k3. tangential: p1, p2. width, height: image size in pixels.
    """

    rotation: tuple[tuple[float, float, float], ...]
    position: tuple[float, float, float]
    focal: tuple[float, float]
    centre: tuple[float, float]
    width: int
    height: int
    radial: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tangential: tuple[float, float] = (0.0, 0.0)

    @property
    def intrinsic(self) -> np.ndarray:
        """(9,) float64: focal and centre in screen units, then k1, k2, k3, p1, p2: the layout of VideoPose3D."""
        focal = np.array(self.focal) * (2 / self.width)
        centre = to_screen(np.array(self.centre), self.width, self.height)
        return np.concatenate([focal, centre, self.radial, self.tangential])

    @staticmethod
    def from_field_of_view(degrees: float, width: int, height: int) -> Camera:
        """A pinhole without distortion that sees this horizontal angle, its centre in the middle of the image.

        It stands at the world's origin and looks along z. Raises InputError for an angle that is not between 0 and 180.
        """
        if not 0 < degrees < 180:
            raise InputError(f"field of view is {degrees}, expected degrees between 0 and 180")
        focal = width / 2 / math.tan(math.radians(degrees) / 2)
        identity = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
        return Camera(identity, (0.0, 0.0, 0.0), (focal, focal), (width / 2, height / 2), width, height)

    def to_camera(self, world: Array) -> Array:
        """World metres (..., 3) to the camera frame: x right, y down, z away from the camera."""
        return (world - _like(self.position, world)) @ _like(self.rotation, world).T

    def to_world(self, points: Array) -> Array:
        """Camera frame (..., 3) to world metres."""
        return points @ _like(self.rotation, points) + _like(self.position, points)

    def project(self, points: Array, distort: bool = True) -> Array:
        """Camera frame (..., 3) to normalised screen (..., 2)."""
        return project(points, _like(self.intrinsic, points), distort)

    def to_dict(self) -> dict:
        """Plain lists and numbers for JSON; `from_dict` reads them back."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @staticmethod
    def from_dict(values: dict, where: str = "camera") -> Camera:
        """The camera that `to_dict` described. Raises InputError naming `where` for other keys, shapes or sizes."""
        names = {field.name for field in fields(Camera)}
        if not isinstance(values, dict) or set(values) != names:
            raise InputError(f"{where}: expected the keys {', '.join(sorted(names))}")
        shapes = {"rotation": (3, 3), "position": (3,), "radial": (3,), "width": (), "height": ()}
        for name, value in values.items():
            shape = shapes.get(name, (2,))
            try:
                numbers = np.asarray(value, dtype=np.float64)
            except (TypeError, ValueError):
                numbers = np.empty(0)
            if numbers.shape != shape or not np.isfinite(numbers).all():
                raise InputError(f"{where}: key '{name}': expected finite numbers of shape {shape}, got {value!r}")
        if values["width"] < 1 or values["height"] < 1:
            raise InputError(f"{where}: expected a width and height of at least 1 pixel")
        return Camera(**{name: _tuples(value) for name, value in values.items()})


def to_screen(pixels: Array, width: int, height: int) -> Array:
    """Pixels (..., 2) to normalised screen."""
    return pixels * (2 / width) - _like((1.0, height / width), pixels)


def to_pixels(screen: Array, width: int, height: int) -> Array:
    """Normalised screen (..., 2) to pixels."""
    return (screen + _like((1.0, height / width), screen)) * (width / 2)


def project(points: Array, intrinsic: Array, distort: bool = True) -> Array:
    """Camera frame (..., 3) to normalised screen (..., 2).

    intrinsic: (9,), or (..., 9) that broadcasts against the points, as `Camera.intrinsic` lays it out.
    """
    ideal = (points[..., :2] / points[..., 2:]).clip(-1, 1)
    x = _distort(ideal, intrinsic) if distort else ideal
    return intrinsic[..., :2] * x + intrinsic[..., 2:4]


def undistort(screen: Array, intrinsic: Array) -> Array:
    """Screen positions (..., 2) as a camera without distortion would see them: `project(..., distort=True)` to
    `project(..., distort=False)`, by fixed-point iteration (x = (x_d - p r2) / (1 + k1 r2 + ... + p . x)).
    """
    distorted = (screen - intrinsic[..., 2:4]) / intrinsic[..., :2]
    x = distorted
    for _ in range(_UNDISTORT_STEPS):
        factor, shift = _distortion(x, intrinsic)
        x = (distorted - shift) / factor
    return intrinsic[..., :2] * x + intrinsic[..., 2:4]


@functools.cache
def h36m_cameras() -> dict[str, dict[str, Camera]]:
    """Human3.6M's cameras: subject -> camera id -> camera, the four ids in VideoPose3D's order (not to be changed)."""
    published = json.loads((Path(__file__).parent / "h36m_cameras.json").read_text())
    return {
        subject: {
            inside["id"]: Camera(
                rotation=_tuples(quaternion_to_matrix(outside["orientation"]).T.tolist()),
                position=_tuples([millimetres / 1000 for millimetres in outside["translation"]]),
                focal=_tuples(inside["focal_length"]),
                centre=_tuples(inside["center"]),
                width=inside["res_w"],
                height=inside["res_h"],
                radial=_tuples(inside["radial_distortion"]),
                tangential=_tuples(inside["tangential_distortion"]),
            )
            for inside, outside in zip(published["intrinsic"], rig, strict=True)
        }
        for subject, rig in published["extrinsic"].items()
    }


def quaternion_to_matrix(quaternion: Sequence[float]) -> np.ndarray:
    """The (3, 3) rotation of a quaternion (w, x, y, z), normalised first."""
    w, x, y, z = np.asarray(quaternion, np.float64) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _distort(x: Array, intrinsic: Array) -> Array:
    factor, shift = _distortion(x, intrinsic)
    return x * factor + shift


def _distortion(x: Array, intrinsic: Array) -> tuple[Array, Array]:
    """What ideal positions x (..., 2) are multiplied by, (..., 1), and shifted by, (..., 2)."""
    radial, tangential = intrinsic[..., 4:7], intrinsic[..., 7:]
    r2 = (x**2).sum(-1)[..., None]
    factor = 1 + r2 * (radial[..., :1] + r2 * (radial[..., 1:2] + r2 * radial[..., 2:]))
    return factor + (tangential * x).sum(-1)[..., None], tangential * r2


def _like(values, array: Array) -> Array:
    """The values as the same kind of array, in its dtype and on its device."""
    if isinstance(array, np.ndarray):
        return np.asarray(values, dtype=array.dtype)
    return array.new_tensor(values)


def _plain(value):
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _tuples(value):
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value
