"""What `lift` makes of files of keypoints: the people of a recording in 3D, with what was known and what was assumed.

Joints are Human3.6M's 17 (`geometry.skeleton.JOINTS`). The camera frame is x right, y down, z away from the camera.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pose_diffusion.geometry.camera import Camera
from pose_diffusion.geometry.world import World


@dataclass(frozen=True)
class LiftedPerson:
    """One person of a recording, in the T frames that show a joint of theirs."""

    name: str
    """Unique in the recording, such as 'person 0'."""
    frame: np.ndarray
    """(T,) int64, ascending, 0-based; frames without the person are not in it."""
    pose_2d: np.ndarray
    """(T, 17, 2) float32: pixels of the image, x right, y down; an unseen joint has the place that was guessed for it."""
    seen: np.ndarray
    """(T, 17) bool: whether the detector saw the joint."""
    pose_3d: np.ndarray
    """(T, 17, 3) float32: metres, camera frame, minus the pelvis."""
    spread: np.ndarray
    """(T, 17) float32: metres, RMS distance of the hypotheses from their mean; 0 where there is one hypothesis."""
    root_3d: np.ndarray
    """(T, 3) float32: the pelvis in the camera frame, metres, fitted to pose_2d. By an assumed camera where
    `LiftedRecording.camera_assumed` says so; then distances from the camera may all be wrong by one factor."""

    @property
    def joints_3d(self) -> np.ndarray:
        """(T, 17, 3) float32: metres, camera frame, where the person stands."""
        return self.pose_3d + self.root_3d[:, None]


@dataclass(frozen=True)
class LiftedRecording:
    """The people that one camera saw; frame numbers are common to all of them."""

    name: str
    """The recording's name in its input, with its camera's; '' for one without a name. People of a data set, such as S9 and
    S11, have recordings of one name."""
    people: tuple[LiftedPerson, ...]
    """At least one."""
    width: int
    """Of the image, pixels."""
    height: int
    """Of the image, pixels."""
    fps: float
    """Frames a second: frame / fps is the time in seconds."""
    fps_assumed: bool
    """Whether neither the input nor the user said the frame rate."""
    camera: Camera
    """The camera, of images of this width and height; where its place is unknown it stands at the origin, unturned."""
    camera_assumed: bool
    """Whether the focal length is assumed; false where the input states the camera or the user the field of view."""
    source: str
    """What wrote the input, such as 'AlphaPose results'."""
    model: str
    """Content hash of the bundle that lifted it."""
    world: World | None = None
    """Where the floor and up are, and the smoothed roots of `people`; None where nobody has a place."""

    def joints_world(self, number: int) -> np.ndarray:
        """(T, 17, 3) float32: joints of a person (their place in `people`), metres; NaN where unknown.

        World frame: z up, the floor at z = 0, y away from the camera, the origin on the floor under it.
        """
        pose = self.people[number].pose_3d
        if self.world is None:
            return np.full_like(pose, np.nan)
        return self.world.to_world(pose + self.world.roots[number][:, None]).astype(np.float32)

    @property
    def intrinsic(self) -> np.ndarray:
        """(9,) float64, see `Camera.intrinsic`."""
        return self.camera.intrinsic

    @property
    def field_of_view(self) -> float:
        """Of the camera, horizontal, degrees."""
        return 2 * math.degrees(math.atan(self.width / 2 / self.camera.focal[0]))


@dataclass(frozen=True)
class LiftedFile:
    """Everything that a file or folder holds, in 3D."""

    path: str
    """Of the input."""
    recordings: tuple[LiftedRecording, ...]
    """In the order of the input; at least one."""
    found: str
    """What the input is, in a line, such as 'AlphaPose results, 17 joints (coco17), ...'."""
    skipped: tuple[str, ...]
    """A line for each file or sequence that prepare.on_error=skip left out."""
    bundle: str
    """The model, as people name it."""
    provenance: Mapping[str, Any]
    """Of the model: what it was trained and tested on."""
    seconds: float
    """That lifting took, without reading and without loading the model."""

    @property
    def poses(self) -> int:
        return sum(len(person.frame) for recording in self.recordings for person in recording.people)
