"""What `lift` makes of files of keypoints: the people of a recording in 3D, with what was known and what was assumed.

Joints are Human3.6M's 17 (`geometry.skeleton.JOINTS`). The camera frame is x right, y down, z away from the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_diffusion.geometry.camera import Camera


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
    """The recording's name in its input; '' where the input has one recording without a name."""
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

    @property
    def intrinsic(self) -> np.ndarray:
        """(9,) float64, see `Camera.intrinsic`."""
        return self.camera.intrinsic
