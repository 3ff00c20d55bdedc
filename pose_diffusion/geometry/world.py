"""People whom one still camera sees, set down in a world: z up, the floor at z = 0, metres.

    x_world = R x_camera + (0, 0, height of the camera)

The origin is the floor's point under the camera, which no person's movement and no error of their distance displaces. y points
away from the camera, x to its right, both level. So the world does not turn where the camera is tilted or rolled in place, and
turns about z with a camera that is panned.

Up is `estimate_up`'s from the motion, or the user's tilt and roll. Where the motion cannot tell, the camera is taken for level.
The floor is under the tenth percentile of the lower ankle's height, by the height of an ankle. Each root is smoothed in time
(`smooth_root`): first alone, from which come up and the floor, then with feet that do not slide where they stand on it.

Everything is in proportion to the roots' distances, which are those of the focal length: with an assumed one, lengths of the
world's paths and the camera's height are wrong as the focal length is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pose_diffusion.errors import InputError
from pose_diffusion.geometry.gravity import camera_up, estimate_up, tilt_and_roll
from pose_diffusion.geometry.root_path import FEET, Floats, Floor, smooth_root
from pose_diffusion.geometry.skeleton import N_JOINTS

_ANKLE = 0.08  # metres of a standing person's ankle over the floor
_LOW = 10.0  # percentile of the lower ankle's height
_STEEPEST = 0.1  # of the view's horizontal part: a camera that looks straight down has its image's top for y

UpSource = Literal["motion", "given", "level"]


@dataclass(frozen=True)
class Person:
    """Poses of one person as a still camera sees them. Frames without a pose are NaN.

    pose: (T, 17, 3) metres minus the pelvis, and root: (T, 3) the pelvis, both in the camera frame: x right, y down, z away.
    time: (T,) seconds, ascending. spread: (T, 17) metres, deviation of each joint, or None.
    """

    pose: ArrayLike
    root: ArrayLike
    time: ArrayLike
    spread: ArrayLike | None = None


@dataclass(frozen=True)
class World:
    """How the camera stands in the world, and people's smoothed roots."""

    rotation: Floats
    """(3, 3): camera frame to world, its rows the world's axes in the camera frame."""
    camera_height: float
    """Metres over the floor. The camera is at (0, 0, camera_height)."""
    roots: tuple[Floats, ...]
    """Of each person (T, 3): the pelvis in the camera frame, metres, smoothed; NaN where there was no pose."""
    up_source: UpSource
    """Where up comes from: the motion, the user, or the assumption that the camera is level."""
    up_deviation: float | None
    """Expected error of up in degrees (root mean square); None where it was given or assumed."""
    cues_apart: float | None
    """Degrees between what postures alone say of up and what postures and feet say; None where up was given or assumed."""

    @property
    def tilt(self) -> float:
        """Degrees by which the camera looks down."""
        return float(tilt_and_roll(self.rotation[2])[0])

    @property
    def roll(self) -> float:
        """Degrees by which upright things are turned clockwise in the image."""
        return float(tilt_and_roll(self.rotation[2])[1])

    def to_world(self, points: ArrayLike) -> Floats:
        """Points (..., 3) of the camera frame in the world."""
        return np.asarray(points, np.float64) @ self.rotation.T + [0, 0, self.camera_height]

    def to_camera(self, points: ArrayLike) -> Floats:
        """The inverse of `to_world`."""
        return (np.asarray(points, np.float64) - [0, 0, self.camera_height]) @ self.rotation

    def summary(self) -> str:
        """One line for people: how the camera stands and how that is known."""
        known = {
            "motion": f"from how people stand, within about {self.up_deviation or 0:.0f} degrees",
            "given": "as given",
            "level": "assumed level, as nobody stands or sits: give the camera's tilt",
        }[self.up_source]
        return (
            f"camera {self.camera_height:.1f} m over the floor, looking {_direction(self.tilt, 'down', 'up')}, "
            f"rolled by {self.roll:.0f} degrees ({known})"
        )


def place(people: Sequence[Person], tilt: float | None = None, roll: float = 0.0, contacts: bool = True) -> World:
    """The world of the people of one still camera.

    tilt: degrees by which the camera looks down, None to find up in the motion. roll: degrees by which upright things are
    turned clockwise in the image, where a tilt is given. contacts: keep standing feet from sliding when the roots are smoothed.
    Raises InputError for other shapes, times that do not ascend, angles no camera has, and where nobody has a pose.
    """
    tracks = [_track(number, person) for number, person in enumerate(people)]
    seen = [track for track in tracks if len(track.time)]
    if not seen:
        raise InputError("world coordinates: no frame of anybody has a pose and a root")
    smoothed = [smooth_root(one.pose, one.root, one.time, one.spread) for one in seen]
    up, source, found = _given_up(tilt, roll), "given", None
    if up is None:
        found = estimate_up([one.pose for one in seen], smoothed, [one.time for one in seen])
        up, source = (camera_up(), "level") if found is None else (found.direction, "motion")
    if contacts and source != "level":
        floor = Floor(up, _ankle_height(up, seen, smoothed))
        smoothed = [smooth_root(one.pose, one.root, one.time, one.spread, floor) for one in seen]
    roots = iter(smoothed)
    return World(
        rotation=_axes(up),
        camera_height=_ANKLE - _ankle_height(up, seen, smoothed),
        roots=tuple(track.filled(next(roots)) if len(track.time) else track.filled(track.root) for track in tracks),
        up_source=source,  # type: ignore[arg-type]
        up_deviation=found.deviation if found else None,
        cues_apart=found.apart if found else None,
    )


@dataclass(frozen=True)
class _Track:
    """A person's frames that have a pose, checked. frames: (T,) which of all frames they are."""

    pose: Floats
    root: Floats
    time: Floats
    spread: Floats | None
    frames: NDArray[np.bool_]

    def filled(self, root: Floats) -> Floats:
        """With NaN in the frames that have no pose."""
        whole = np.full((len(self.frames), 3), np.nan)
        whole[self.frames] = root
        return whole


def _track(number: int, person: Person) -> _Track:
    where = f"world coordinates, person {number}"
    pose, root, time = (np.asarray(values, np.float64) for values in (person.pose, person.root, person.time))
    count = len(pose) if pose.ndim else 0
    spread = np.zeros((count, N_JOINTS)) if person.spread is None else np.asarray(person.spread, np.float64)
    shapes = (("pose", pose, (count, N_JOINTS, 3)), ("root", root, (count, 3)), ("time", time, (count,)),
              ("spread", spread, (count, N_JOINTS)))  # fmt: skip
    for name, values, shape in shapes:
        if values.shape != shape:
            raise InputError(f"{where}: {name} has shape {values.shape}, expected {shape if name != 'pose' else '(T, 17, 3)'}")
    if not (np.isfinite(time).all() and (np.diff(time) > 0).all()):
        raise InputError(f"{where}: times are not finite or do not ascend; expected seconds, each more than the one before")
    frames = np.isfinite(np.concatenate([pose.reshape(count, -1), root], 1)).all(1)
    if (root[frames, 2] <= 0).any():
        raise InputError(f"{where}: a root is behind the camera; expected metres in the camera frame, z away from it")
    finite = None if person.spread is None else np.nan_to_num(spread[frames])
    return _Track(pose[frames], root[frames], time[frames], finite, frames)


def _given_up(tilt: float | None, roll: float) -> Floats | None:
    if tilt is None:
        if roll:
            raise InputError(f"camera roll is {roll:g} without a tilt; give both")
        return None
    for name, angle, most in (("tilt", tilt, 90), ("roll", roll, 180)):
        if not -most <= angle <= most:
            raise InputError(f"camera {name} is {angle:g}, expected degrees between {-most} and {most}")
    return camera_up(tilt, roll)


def _ankle_height(up: Floats, seen: Sequence[_Track], roots: Sequence[Floats]) -> float:
    """Along up from the camera, metres: of the lower ankle where it is low."""
    lower = [((one.pose[:, FEET] + root[:, None]) @ up).min(1) for one, root in zip(seen, roots, strict=True)]
    return float(np.percentile(np.concatenate(lower), _LOW))


def _axes(up: Floats) -> Floats:
    """Rows x, y, z of the world in the camera frame."""
    away = np.array([0, 0, 1.0]) - up[2] * up
    if np.linalg.norm(away) < _STEEPEST:
        away = np.array([0, -1.0, 0]) + up[1] * up
    away /= np.linalg.norm(away)
    return np.stack([np.cross(away, up), away, up])


def _direction(degrees: float, positive: str, negative: str) -> str:
    return f"{positive if degrees >= 0 else negative} by {abs(degrees):.0f} degrees"
