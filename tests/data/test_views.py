"""Poses turned about the vertical: seen as the camera would see them had the person turned."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from pose_diffusion.camera import h36m_cameras
from pose_diffusion.data import schema, views
from pose_diffusion.data.manifest import Manifest, Selection
from pose_diffusion.errors import InputError
from pose_diffusion.skeleton import JOINTS
from tests.data.poses import sequence, write_folder

CAMERAS = h36m_cameras()["S1"]
MANIFEST_CAMERAS = {f"S1/{name}": camera.to_dict() for name, camera in CAMERAS.items()}


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
    view = schema.tensor_values(views.column(table, known()))
    return tuple(torch.tensor(np.float32(value)) for value in (uv, points - points[:, :1], view))


def known():
    """Up and intrinsic of the four cameras, as a manifest describes them."""
    return views.cameras(described(MANIFEST_CAMERAS), "here")


def described(cameras):
    return Manifest(version=schema.VERSION, kernels=3, joints=list(JOINTS), cameras=cameras, source={}, settings={}, files=[])


@pytest.mark.parametrize("camera", sorted(CAMERAS))
@pytest.mark.parametrize("angle", [0.4, 2.5, -1.2])
def test_a_turned_pose_is_what_the_camera_sees_of_a_person_who_turned(camera, angle):
    uv, xyz, view = seen(0.0, camera)
    expected_uv, expected_xyz, _ = seen(angle, camera)
    turned_uv, turned_xyz = views.turn(uv, xyz, view, torch.full((len(uv),), angle))
    torch.testing.assert_close(turned_xyz, expected_xyz, atol=1e-5, rtol=0)
    torch.testing.assert_close(turned_uv, expected_uv, atol=1e-5, rtol=0)


def test_each_pose_turns_by_its_own_angle_and_zero_changes_nothing():
    uv, xyz, view = seen()
    angle = torch.tensor([0.0, 1.0, 0.0, 2.0, 3.0, 0.0])
    turned_uv, turned_xyz = views.turn(uv, xyz, view, angle)
    still = angle == 0
    torch.testing.assert_close(turned_uv[still], uv[still], atol=1e-6, rtol=0)
    torch.testing.assert_close(turned_xyz[still], xyz[still], atol=1e-6, rtol=0)
    assert ((turned_xyz[~still] - xyz[~still]).abs().amax((1, 2)) > 0.1).all()


def test_a_pose_that_would_come_too_near_to_the_camera_stays():
    uv, xyz, view = seen()
    view[0, 2] = 0.6  # the pelvis 60 cm away, and joints that turn towards the camera
    angle = torch.full((len(uv),), 2.5)
    turned_uv, turned_xyz = views.turn(uv, xyz, view, angle)
    torch.testing.assert_close((turned_uv[0], turned_xyz[0]), (uv[0], xyz[0]), atol=0, rtol=0)
    assert (turned_xyz[1] != xyz[1]).any()


def test_a_row_gets_the_camera_of_its_own_sequence():
    names = ["55011271", "54138969"]
    table = pa.concat_tables([schema.to_table(sequence("S1", camera=name, rows=2)) for name in names], promote_options="none")
    view = schema.tensor_values(views.column(table, known()))
    assert view.shape == (4, 15)
    for row, name in enumerate(np.repeat(names, 2)):
        np.testing.assert_allclose(view[row, 3:6], np.array(CAMERAS[name].rotation)[:, 2], rtol=1e-6)
        np.testing.assert_allclose(view[row, 6:], CAMERAS[name].intrinsic, rtol=1e-6)
    np.testing.assert_array_equal(view[:, :3], schema.tensor_values(table["root_3d"]))


class TestBadInput:
    def test_a_sequence_without_its_camera_is_named(self, tmp_path):
        made = write_folder(tmp_path, {"split=train/part-00000.parquet": [sequence("S1", camera="c9")]})
        with pytest.raises(InputError, match=r"shards: no camera 'S1/c9' in the manifest.*set train\.turn=0"):
            views.check(made, Selection(split="train"), "shards")

    def test_a_camera_of_rows_that_are_not_selected_may_be_missing(self, tmp_path):
        files = [sequence("S1", camera="54138969"), sequence("S8", camera="c9")]
        made = write_folder(tmp_path, {"split=train/part-00000.parquet": files}, MANIFEST_CAMERAS)
        views.check(made, Selection(split="train", without_subjects=frozenset(["S8"])), "shards")

    def test_a_bad_camera_is_named(self):
        bad = {"S1/54138969": MANIFEST_CAMERAS["S1/54138969"] | {"focal": [1.0]}}
        with pytest.raises(InputError, match=r"shards: camera 'S1/54138969': key 'focal'"):
            views.cameras(described(bad), "shards")
