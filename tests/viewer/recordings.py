"""Small recordings of people who swing about a rest pose, as `lift` would have made them."""

from __future__ import annotations

import numpy as np

from pose_diffusion.geometry.camera import Camera, to_pixels
from pose_diffusion.inference.lifted import LiftedPerson, LiftedRecording

# A standing person, metres, camera axes: x right, y down, z away.
_REST = np.array(
    [
        *((0, 0, 0), (-0.13, 0, 0), (-0.14, 0.45, 0.02), (-0.14, 0.88, 0.1)),
        *((0.13, 0, 0), (0.14, 0.45, 0.02), (0.14, 0.88, 0.1)),
        *((0, -0.24, 0.01), (0, -0.5, 0), (0, -0.58, -0.05), (0, -0.7, -0.02)),
        *((0.16, -0.45, 0), (0.22, -0.18, 0.04), (0.2, 0.05, -0.06)),
        *((-0.16, -0.45, 0), (-0.22, -0.18, 0.04), (-0.2, 0.05, -0.06)),
    ]
)


def person(name: str = "person 0", frames: int = 60, first: int = 0, stride: int = 1, across: float = 0.0) -> LiftedPerson:
    """One who stands `across` metres to the right of the camera's axis, 5 m away; spread 40 mm, all joints seen."""
    camera = Camera.from_field_of_view(60, 640, 480)
    swing = 0.1 * np.sin(np.arange(frames)[:, None, None] / 8 + np.arange(17)[:, None]) * np.array([1, 0.3, 0.6])
    pose = _REST + swing * (np.arange(17) > 0)[:, None]
    root = np.tile([across, 0.1, 5.0], (frames, 1))
    pixels = to_pixels(camera.project(pose + root[:, None]), 640, 480)
    return LiftedPerson(
        name=name,
        frame=first + stride * np.arange(frames),
        pose_2d=pixels.astype(np.float32),
        seen=np.ones((frames, 17), bool),
        pose_3d=pose.astype(np.float32),
        spread=np.full((frames, 17), 0.04, np.float32),
        root_3d=root.astype(np.float32),
    )


def recording(*people: LiftedPerson, name: str = "walk", fps: float = 10.0, assumed: bool = True) -> LiftedRecording:
    return LiftedRecording(
        name=name,
        people=people or (person(),),
        width=640,
        height=480,
        fps=fps,
        fps_assumed=assumed,
        camera=Camera.from_field_of_view(60, 640, 480),
        camera_assumed=assumed,
        source="AlphaPose results",
        model="0123456789abcdef",
    )


def on_the_ground(of: LiftedPerson) -> np.ndarray:
    """The person's joints with z up, the floor under the lowest foot."""
    joints = of.joints_3d[..., [0, 2, 1]] * np.float32([1, 1, -1])
    joints[..., 2] -= joints[..., 2].min()
    return joints
