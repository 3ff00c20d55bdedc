"""Lifted people in the world that their camera stands in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pose_diffusion.geometry.camera import Camera
from pose_diffusion.inference.lifted import LiftedPerson, LiftedRecording
from pose_diffusion.inference.placing import placed

# Pelvis, right and left leg, trunk, left and right arm of a standing person: metres, x right, y down.
_STANDING = np.zeros((17, 3), np.float32)
_STANDING[:, 1] = [0, 0, 0.42, 0.84, 0, 0.42, 0.84, -0.25, -0.5, -0.6, -0.7, -0.45, -0.2, 0.05, -0.45, -0.2, 0.05]
_STANDING[:, 0] = [0, -0.1, -0.1, -0.1, 0.1, 0.1, 0.1, 0, 0, 0, 0, 0.2, 0.2, 0.2, -0.2, -0.2, -0.2]


def standing(frames: int = 30, z: float = 4.0) -> LiftedRecording:
    person = LiftedPerson(
        name="person 0",
        frame=np.arange(frames),
        pose_2d=np.zeros((frames, 17, 2), np.float32),
        seen=np.ones((frames, 17), bool),
        pose_3d=np.tile(_STANDING, (frames, 1, 1)),
        spread=np.zeros((frames, 17), np.float32),
        root_3d=np.tile(np.float32([0, 0.5, z]), (frames, 1)),
    )
    camera = Camera.from_field_of_view(60, 1280, 720)
    return LiftedRecording("clip", (person,), 1280, 720, 30.0, True, camera, True, "AlphaPose results", "abc")


def test_a_standing_person_before_a_level_camera_stands_upright_on_the_floor() -> None:
    world = placed(standing(), tilt=0).joints_world(0)
    assert world.shape == (30, 17, 3)
    np.testing.assert_allclose(world[..., [3, 6], 2], 0.08, atol=0.02)  # ankles
    np.testing.assert_allclose(world[..., 10, 2], 0.08 + 0.84 + 0.7, atol=0.03)
    np.testing.assert_allclose(world[..., 0, 1], 4.0, atol=0.05)  # y is away from the camera


def test_where_the_tilt_is_given_it_is_taken() -> None:
    recording = placed(standing(), tilt=20)
    assert recording.world is not None
    assert recording.world.tilt == pytest.approx(20)
    assert recording.world.up_source == "given"


def test_frames_without_a_place_are_unknown_in_the_world() -> None:
    recording = standing()
    root = recording.people[0].root_3d.copy()
    root[5] = [0, 0, -1]
    moved = replace(recording, people=(replace(recording.people[0], root_3d=root),))
    world = placed(moved, tilt=0).joints_world(0)
    assert np.isnan(world[5]).all()
    assert np.isfinite(np.delete(world, 5, axis=0)).all()


def test_a_recording_in_which_nobody_has_a_place_has_no_world() -> None:
    recording = placed(standing(z=-1.0))
    assert recording.world is None
    assert np.isnan(recording.joints_world(0)).all()


def test_one_image_is_placed_too() -> None:
    assert placed(standing(frames=1)).world is not None
