from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pose_diffusion.errors import InputError
from pose_diffusion.geometry import camera as cameras
from pose_diffusion.geometry.camera import Camera, h36m_cameras

REFERENCE = np.load(Path(__file__).parents[1] / "fixtures/camera_parity.npz")
S9_1 = h36m_cameras()["S9"]["55011271"]


def test_world_to_camera_agrees_with_the_published_code() -> None:
    np.testing.assert_allclose(S9_1.to_camera(REFERENCE["world"]), REFERENCE["camera_S9_1"], atol=1e-5)


def test_intrinsic_agrees_with_the_published_code() -> None:
    np.testing.assert_allclose(S9_1.intrinsic, REFERENCE["intrinsic"], atol=1e-5)


@pytest.mark.parametrize(("distort", "name"), [(True, "projected"), (False, "projected_linear")])
def test_projection_agrees_with_the_published_code(distort, name) -> None:
    np.testing.assert_allclose(S9_1.project(REFERENCE["camera_S9_1"], distort), REFERENCE[name], atol=1e-5)


def test_torch_and_numpy_project_alike() -> None:
    points = REFERENCE["camera_S9_1"]
    projected = S9_1.project(torch.from_numpy(points))
    assert isinstance(projected, torch.Tensor) and projected.dtype == torch.float32
    np.testing.assert_allclose(projected.numpy(), S9_1.project(points), atol=1e-6)


def test_each_point_may_have_its_own_intrinsic() -> None:
    points = REFERENCE["camera_S9_1"][:2]
    rig = [camera.intrinsic for camera in list(h36m_cameras()["S9"].values())[:2]]
    together = cameras.project(points, np.stack(rig)[:, None])
    np.testing.assert_allclose(together[1], cameras.project(points[1], rig[1]))


def test_camera_to_world_undoes_world_to_camera() -> None:
    world = REFERENCE["world"].astype(np.float64)
    np.testing.assert_allclose(S9_1.to_world(S9_1.to_camera(world)), world, atol=1e-12)


def test_undistort_undoes_the_distortion() -> None:
    points = REFERENCE["camera_S9_1"].astype(np.float64)
    undistorted = cameras.undistort(S9_1.project(points), S9_1.intrinsic)
    np.testing.assert_allclose(undistorted, S9_1.project(points, distort=False), atol=1e-7)


def test_corners_of_the_image_on_the_screen() -> None:
    screen = cameras.to_screen(np.array([[0.0, 0.0], [1000.0, 1002.0]]), 1000, 1002)
    np.testing.assert_allclose(screen, [[-1, -1.002], [1, 1.002]])


def test_pixels_survive_the_screen() -> None:
    pixels = np.random.default_rng(0).uniform(0, 1000, (5, 17, 2))
    np.testing.assert_allclose(cameras.to_pixels(cameras.to_screen(pixels, 1920, 1080), 1920, 1080), pixels)


def test_every_subject_of_human36m_has_four_cameras_in_the_published_order() -> None:
    rigs = h36m_cameras()
    assert set(rigs) == {"S1", "S5", "S6", "S7", "S8", "S9", "S11"}
    assert all(list(rig) == ["54138969", "55011271", "58860488", "60457274"] for rig in rigs.values())
    assert [camera.height for camera in rigs["S1"].values()] == [1002, 1000, 1000, 1002]


def test_rotations_are_right_handed_and_orthonormal() -> None:
    for rig in h36m_cameras().values():
        for camera in rig.values():
            rotation = np.array(camera.rotation)
            np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
            assert np.linalg.det(rotation) > 0


def test_a_camera_survives_its_dict() -> None:
    assert Camera.from_dict(S9_1.to_dict()) == S9_1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"focal": [1.0]}, "focal"),
        ({"focal": ["a", "b"]}, "focal"),
        ({"rotation": [[1, 0, 0]]}, "rotation"),
        ({"position": [0, 0, float("nan")]}, "position"),
        ({"width": 0}, "at least 1 pixel"),
        ({"colour": 1}, "expected the keys"),
    ],
)
def test_a_bad_camera_dict_is_refused_with_its_place(change, told) -> None:
    with pytest.raises(InputError, match=f"manifest.json: S9/1: .*{told}"):
        Camera.from_dict(S9_1.to_dict() | change, "manifest.json: S9/1")
