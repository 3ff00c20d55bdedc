"""The cameras of the camera grid: where each stands, how it is turned and what its lens and image are.

A camera looks at a target from an azimuth and an elevation at a distance, is turned until the target is off its axis, and is
rolled about its axis. With R_look the rotation that puts the target on the axis without roll, and R_x, R_y, R_z right-handed
rotations about the camera's axes (x right, y down, z away):

    R = R_z(roll) R_y(yaw) R_x(-pitch) R_look

so that before the roll the target is seen along (sin yaw cos pitch, sin pitch, cos yaw cos pitch).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pose_diffusion.data.sources.motion.mocap import rotation
from pose_diffusion.geometry.camera import Camera

SIDES = ((1, 0), (0, 1), (-1, 0), (0, -1))  # yaw and pitch of a target to the right, below, to the left, above
_X, _Y, _Z = range(3)


@dataclass(frozen=True)
class Condition:
    """How a camera sees a person. Metres, degrees and pixels.

    elevation: of the camera as seen from the person's pelvis. off_axis: angle between the person and the optical axis, to
    one of four sides. roll: of the camera, by which the person is turned clockwise in the image. field_of_view: across the
    width of the image. told: the focal length that the model is told, over the true one.
    """

    name: str
    distance: float = 4.5
    elevation: float = 7.0  # 1.5 m over the floor
    off_axis: float = 0.0
    roll: float = 0.0
    field_of_view: float = 47.2  # Human3.6M's cameras: a focal length of 1145 pixels
    width: int = 1000
    height: int = 1000
    told: float = 1.0

    def camera(self, target: np.ndarray, azimuth: float, side: int) -> Camera:
        """The condition's camera. target: (3,) metres. azimuth: radians. side: which of `SIDES` the person is on."""
        yaw, pitch = (self.off_axis * sign for sign in SIDES[side])
        size = self.width, self.height
        return camera(target, azimuth, self.elevation, self.distance, yaw, pitch, self.roll, self.field_of_view, size)

    def told_intrinsic(self, camera: Camera) -> np.ndarray:
        """(9,), what the model is told of the camera's lens, see `Camera.intrinsic`."""
        return replace(camera, focal=(camera.focal[0] * self.told, camera.focal[1] * self.told)).intrinsic


# One lens and image for all but two: what changes from line to line is one thing. From 20 degrees off the axis the person is
# outside that image; a wider crop of the same photograph would show them.
CONDITIONS = (
    Condition("centred, 4.5 m"),
    Condition("10 degrees off the axis", off_axis=10),
    Condition("20 degrees off the axis", off_axis=20),
    Condition("30 degrees off the axis", off_axis=30),
    Condition("near, 2 m", distance=2),
    Condition("far, 10 m", distance=10),
    Condition("very far, 20 m", distance=20),
    Condition("wide lens, 90 degrees", field_of_view=90),
    Condition("portrait, 1080 x 1920", field_of_view=40, width=1080, height=1920),
    Condition("from above, 35 degrees", elevation=35),
    Condition("from below, -20 degrees", elevation=-20),
    Condition("rolled by 15 degrees", roll=15),
    Condition("rolled by 30 degrees", roll=30),
    Condition("focal length told as 0.8 of it", told=0.8),
)
CENTRED = CONDITIONS[0]


def camera(
    target: np.ndarray,
    azimuth: float,
    elevation: float,
    distance: float,
    yaw: float,
    pitch: float,
    roll: float,
    field_of_view: float,
    size: tuple[int, int],
) -> Camera:
    """A pinhole camera that sees the target where the angles say. Its principal point is in the middle of the image.

    target: (3,) metres, z up. azimuth: radians from the world's x axis; the other angles in degrees. elevation: between -90
    and 90. size: width and height in pixels.
    """
    target = np.asarray(target, np.float64)
    up = np.radians(elevation)
    towards = np.array([np.cos(up) * np.cos(azimuth), np.cos(up) * np.sin(azimuth), np.sin(up)])
    right = np.cross(-towards, [0, 0, 1])
    right /= np.linalg.norm(right)
    look = np.stack([right, np.cross(-towards, right), -towards])
    turned = _about(_Z, roll) @ _about(_Y, yaw) @ _about(_X, -pitch) @ look
    lens = Camera.from_field_of_view(field_of_view, *size)
    rows = tuple(tuple(row) for row in turned.tolist())
    return replace(lens, rotation=rows, position=tuple((target + distance * towards).tolist()))


def _about(axis: int, degrees: float) -> np.ndarray:
    return rotation(axis, np.radians(degrees))
