"""Poses turned about the vertical: seen as the camera would see them had the person turned."""

import numpy as np
import pytest
import torch

from pose_diffusion.data import camera_views, schema
from pose_diffusion.training.yaw_augment import turn
from tests.data.camera_manifests import CAMERAS, known
from tests.data.poses import sequence


def seen(angle=0.0, camera="54138969", rows=6):
    """World poses turned by an angle, in one camera: detections that are off by a fixed error, pose, view."""
    rng = np.random.default_rng(0)
    person, error = rng.normal(0, 0.4, (rows, 17, 3)), rng.normal(0, 0.02, (rows, 17, 2))
    person -= person[:, :1]
    c, s = np.cos(angle), np.sin(angle)
    world = person @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T + [0.3, -0.2, 0.9]
    points = CAMERAS[camera].to_camera(world)
    uv = CAMERAS[camera].project(points) + error
    table = schema.to_table(sequence("S1", camera=camera, rows=rows))
    table = table.set_column(
        table.column_names.index("root_3d"), "root_3d", schema.tensor_column(np.float32(points[:, 0]), rows, (3,))
    )
    view = schema.tensor_values(camera_views.column(table, known()))
    return tuple(torch.tensor(np.float32(value)) for value in (uv, points - points[:, :1], view))


@pytest.mark.parametrize("camera", sorted(CAMERAS))
@pytest.mark.parametrize("angle", [0.4, 2.5, -1.2])
def test_a_turned_pose_is_what_the_camera_sees_of_a_person_who_turned(camera, angle):
    uv, xyz, view = seen(0.0, camera)
    expected_uv, expected_xyz, _ = seen(angle, camera)
    turned_uv, turned_xyz = turn(uv, xyz, view, torch.full((len(uv),), angle))
    torch.testing.assert_close(turned_xyz, expected_xyz, atol=1e-5, rtol=0)
    torch.testing.assert_close(turned_uv, expected_uv, atol=1e-5, rtol=0)


def test_each_pose_turns_by_its_own_angle_and_zero_changes_nothing():
    uv, xyz, view = seen()
    angle = torch.tensor([0.0, 1.0, 0.0, 2.0, 3.0, 0.0])
    turned_uv, turned_xyz = turn(uv, xyz, view, angle)
    still = angle == 0
    torch.testing.assert_close(turned_uv[still], uv[still], atol=1e-6, rtol=0)
    torch.testing.assert_close(turned_xyz[still], xyz[still], atol=1e-6, rtol=0)
    assert ((turned_xyz[~still] - xyz[~still]).abs().amax((1, 2)) > 0.1).all()


def test_a_pose_that_would_come_too_near_to_the_camera_stays():
    uv, xyz, view = seen()
    view[0, 2] = 0.6  # the pelvis 60 cm away, and joints that turn towards the camera
    angle = torch.full((len(uv),), 2.5)
    turned_uv, turned_xyz = turn(uv, xyz, view, angle)
    torch.testing.assert_close((turned_uv[0], turned_xyz[0]), (uv[0], xyz[0]), atol=0, rtol=0)
    assert (turned_xyz[1] != xyz[1]).any()
