"""The person-centred view: what it does not depend on, and that it stays finite."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera, project
from pose_diffusion.geometry.person_view import CONTEXT, PersonView, assumed_intrinsic, person_view
from tests.training.video.synthetic_clips import cameras, clip_batch

IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
HD = Camera(IDENTITY, (0, 0, 0), (1500.0, 1500.0), (960.0, 540.0), 1920, 1080)
OTHERS = {
    "another focal length": replace(HD, focal=(2400.0, 2400.0)),
    "pixels that are not square": replace(HD, focal=(1500.0, 1800.0)),
    "a crop": replace(HD, centre=(300.0, 400.0), width=800, height=700),
    "a resize": replace(HD, focal=(500.0, 500.0), centre=(320.0, 180.0), width=640, height=360),
    "padding": replace(HD, centre=(1160.0, 940.0), width=2320, height=1880),
    "a portrait image": replace(HD, centre=(540.0, 960.0), width=1080, height=1920),
}
EXACT = {"rtol": 0, "atol": 1e-9}


def scene(kernels: int = 3) -> Tensor:
    """(4, 9, 17, K, 3): where the kernels' centres are in space, metres, camera frame."""
    noise = torch.randn(4, 9, 17, kernels, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return clip_batch().joints_3d[..., None, :] + 0.02 * noise


def photographed(points: Tensor, camera: Camera = HD, reference: Tensor | None = None) -> PersonView:
    """The view of the points (B, T, 17, K, 3) as the camera takes them. reference: the points before the camera was turned."""
    batch = clip_batch(kernels=points.shape[-2])
    intrinsic = torch.from_numpy(camera.intrinsic)
    reference = points if reference is None else reference
    magnification = (reference[..., 2:] / points[..., 2:]) ** 1.5
    sigma = batch.mixture[..., 3:4] * magnification * intrinsic[:2]
    mixture = torch.cat([batch.mixture[..., :1], project(points, intrinsic), sigma], -1)
    return person_view(mixture, intrinsic.expand(4, 9), batch.time, batch.valid)


def rotation(axis: int, degrees: float) -> Tensor:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix = torch.eye(3, dtype=torch.float64)
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix[a, a] = matrix[b, b] = c
    matrix[a, b], matrix[b, a] = -s, s
    return matrix


def assert_same_input(view: PersonView, other: PersonView, **tolerance: float) -> None:
    for name in ("kernels", "context", "size"):
        torch.testing.assert_close(getattr(view, name), getattr(other, name), **(tolerance or EXACT))


def finite(view: PersonView) -> bool:
    return all(bool(part.isfinite().all()) for part in (view.kernels, view.context, view.rotation, view.size))


class TestInvariance:
    @pytest.mark.parametrize("kernels", [1, 5])
    @pytest.mark.parametrize("camera", OTHERS.values(), ids=OTHERS.keys())
    def test_another_image_of_the_same_camera_gives_the_same_input_and_rotation(self, camera, kernels):
        view, other = photographed(scene(kernels)), photographed(scene(kernels), camera)
        assert_same_input(view, other)
        torch.testing.assert_close(view.rotation, other.rotation, **EXACT)

    def test_a_distorted_lens_gives_the_same_input(self):
        lens = replace(HD, radial=(-0.2, 0.1, -0.01), tangential=(0.002, -0.001))
        assert_same_input(photographed(scene(), lens), photographed(scene()), rtol=0, atol=1e-6)

    @pytest.mark.parametrize("degrees", [-25, 10, 25])
    def test_a_camera_turned_about_its_own_vertical_gives_the_same_input(self, degrees):
        turn = rotation(1, degrees)
        assert_same_input(photographed(scene() @ turn.T, reference=scene()), photographed(scene()))

    def test_poses_in_views_of_cameras_turned_about_the_vertical_agree_and_turn_back_into_their_own_cameras(self):
        turn, pose = rotation(1, 20), clip_batch().pose_3d
        view, other = photographed(scene()), photographed(scene() @ turn.T, reference=scene())
        torch.testing.assert_close(other.to_view(pose @ turn.T), view.to_view(pose), **EXACT)
        torch.testing.assert_close(other.to_camera(view.to_view(pose)), pose @ turn.T, **EXACT)

    @pytest.mark.parametrize(("axis", "degrees"), [(0, 20), (0, -20), (2, 30), (2, -90)])
    def test_a_camera_turned_about_another_axis_gives_the_same_input_up_to_a_roll(self, axis, degrees):
        turn = rotation(axis, degrees)
        view, other = photographed(scene()), photographed(scene() @ turn.T, reference=scene())
        torch.testing.assert_close(other.size, view.size, **EXACT)
        torch.testing.assert_close(other.kernels[..., 3:], view.kernels[..., 3:], **EXACT)
        roll = other.rotation @ turn @ view.rotation.mT  # view to view
        torch.testing.assert_close(roll[..., 2, :], roll.new_tensor([0, 0, 1]).expand(4, 9, 3), **EXACT)
        rolled = (roll[:, :, None, None, :2, :2] @ view.kernels[..., 1:3, None])[..., 0]
        torch.testing.assert_close(other.kernels[..., 1:3], rolled, **EXACT)
        torch.testing.assert_close(
            other.context[..., 1:3].sinh().norm(dim=-1), view.context[..., 1:3].sinh().norm(dim=-1), rtol=0.01, atol=0.01
        )

    def test_turning_back_undoes_turning(self):
        pose = clip_batch().pose_3d
        view = photographed(scene())
        torch.testing.assert_close(view.to_camera(view.to_view(pose)), pose, **EXACT)

    def test_intrinsics_of_each_frame_are_those_of_the_clip(self):
        batch = clip_batch()
        one = person_view(batch.mixture, batch.intrinsic, batch.time, batch.valid)
        each = person_view(batch.mixture, batch.intrinsic[:, None].expand(4, 9, 9), batch.time, batch.valid)
        assert_same_input(one, each)

    def test_the_order_of_kernels_changes_neither_rotation_nor_size(self):
        batch = clip_batch(kernels=5)
        view = person_view(batch.mixture, batch.intrinsic, batch.time, batch.valid)
        other = person_view(batch.mixture[..., [3, 0, 4, 1, 2], :], batch.intrinsic, batch.time, batch.valid)
        torch.testing.assert_close(other.rotation, view.rotation, **EXACT)
        torch.testing.assert_close(other.kernels, view.kernels[..., [3, 0, 4, 1, 2], :], **EXACT)

    def test_padding_changes_nothing_whatever_it_holds(self):
        batch = clip_batch()
        view = person_view(batch.mixture, batch.intrinsic, batch.time, batch.valid)
        nothing = torch.full_like(batch.mixture[:, :3], torch.nan)
        padded = person_view(
            torch.cat([batch.mixture, nothing], 1),
            batch.intrinsic,
            torch.cat([batch.time, batch.time.new_full((4, 3), torch.nan)], 1),
            torch.cat([batch.valid, torch.zeros(4, 3, dtype=torch.bool)], 1),
        )
        assert finite(padded)
        torch.testing.assert_close(padded.kernels[:, :9], view.kernels, **EXACT)
        torch.testing.assert_close(padded.context[:, :9], view.context, **EXACT)


class TestView:
    def test_the_torso_is_on_the_axis(self):
        batch = clip_batch(error=0)
        view = person_view(batch.mixture, batch.intrinsic, batch.time, batch.valid)
        assert view.kernels[:, :, [1, 4, 11, 14], 0, 1:3].mean(2).abs().max() < 0.05

    def test_the_rotation_adds_no_roll(self):
        """The new x axis stays in the camera's x-z plane."""
        assert photographed(scene()).rotation[..., 0, 1].abs().max() == 0

    def test_the_size_is_about_that_of_a_metre_at_the_person(self):
        batch = clip_batch()
        view = person_view(batch.mixture, batch.intrinsic, batch.time, batch.valid)
        metre = 1 / batch.joints_3d.norm(dim=-1).mean((1, 2))
        assert (view.size / metre).log().abs().max() < math.log(1.25)

    @pytest.mark.parametrize("joint", [3, 11])  # a foot counts for the size, a shoulder for the torso's ray
    def test_a_joint_with_a_wide_sigma_has_next_to_no_weight(self, joint):
        batch = clip_batch()
        mixture = batch.mixture.clone()
        mixture[:, :, joint, :, 3:] *= 20
        view = person_view(mixture, batch.intrinsic, batch.time, batch.valid)
        mixture[:, :, joint, :, 1] += 0.3
        moved = person_view(mixture, batch.intrinsic, batch.time, batch.valid)
        assert (moved.rotation - view.rotation).abs().max() < 1e-3
        assert (moved.size / view.size).log().abs().max() < 0.01

    def test_unseen_legs_leave_the_size_about_as_it_was(self):
        batch = clip_batch()
        mixture = batch.mixture.clone()
        mixture[:, :, [2, 3, 5, 6], :, 3:] *= 20
        mixture[:, :, [2, 3, 5, 6], :, 1:3] = mixture[:, :, [1, 1, 4, 4], :, 1:3]
        view, hidden = (person_view(m, batch.intrinsic, batch.time, batch.valid) for m in (batch.mixture, mixture))
        assert (hidden.size / view.size).log().abs().max() < 0.25

    def test_a_frame_in_which_nothing_was_seen_does_not_change_the_size(self):
        batch = clip_batch()
        mixture = batch.mixture.clone()
        mixture[:, 4, :, :, 1:3] = mixture[:, 4, :1, :, 1:3]
        mixture[:, 4, :, :, 3:] = 0.2
        view, hidden = (person_view(m, batch.intrinsic, batch.time, batch.valid) for m in (batch.mixture, mixture))
        assert (hidden.size / view.size).log().abs().max() < 0.05

    def test_float32_agrees_with_float64(self):
        batch = clip_batch(kernels=2)
        view = person_view(batch.mixture, batch.intrinsic, batch.time, batch.valid)
        single = person_view(batch.mixture.float(), batch.intrinsic.float(), batch.time.float(), batch.valid)
        assert single.kernels.dtype == torch.float32
        torch.testing.assert_close(single.kernels, view.kernels.float(), rtol=0, atol=1e-4)


class TestContext:
    def view(self, speed: tuple[float, float], fps: float = 30, **changes: Tensor) -> PersonView:
        """Of people who stand 5 m before the camera and are carried to the right and down, metres per second."""
        pose = clip_batch().pose_3d[:, :1].expand(4, 9, 17, 3)
        time = torch.arange(9, dtype=torch.float64).expand(4, 9) / fps
        points = pose + time[..., None, None] * pose.new_tensor([*speed, 0]) + pose.new_tensor([0, 0, 5])
        intrinsic = torch.from_numpy(HD.intrinsic)
        mixture = torch.cat([torch.ones(4, 9, 17, 1), project(points, intrinsic), torch.full((4, 9, 17, 2), 0.01)], -1)
        given = {"time": time, "valid": torch.ones(4, 9, dtype=torch.bool)} | changes
        return person_view(mixture[..., None, :], intrinsic.expand(4, 9), **given)

    def test_its_size_is_the_log_of_the_clips(self):
        view = self.view((0, 0))
        assert view.context.shape == (4, 9, CONTEXT)
        torch.testing.assert_close(view.context[..., 0], view.size.log()[:, None].expand(4, 9))

    def test_somebody_who_stands_has_no_speed(self):
        assert self.view((0, 0)).context[..., 1:3].abs().max() < 1e-9

    @pytest.mark.parametrize(("speed", "fps"), [((1.5, 0), 30), ((-1.0, 0.5), 30), ((1.5, 0), 60)])
    def test_the_speed_is_in_units_of_the_zoomed_view(self, speed, fps):
        view = self.view(speed, fps)
        expected = torch.tensor(speed) / 5 / view.size[:, None, None]
        torch.testing.assert_close(view.context[..., 1:3].sinh(), expected.expand(4, 9, 2).double(), rtol=0.12, atol=0.05)

    def test_a_reversed_clip_has_the_same_speed_at_falling_times(self):
        time = (8 - torch.arange(9, dtype=torch.float64)).expand(4, 9) / 30
        torch.testing.assert_close(self.view((1.5, 0), time=time).context[..., 1], -self.view((1.5, 0)).context[..., 1])

    def test_a_frame_without_a_neighbour_has_no_known_speed(self):
        valid = torch.tensor([[1, 1, 1, 0, 1, 0, 0, 0, 0]], dtype=torch.bool).expand(4, 9)
        context = self.view((1.5, 0), valid=valid).context
        assert context[0, :, 3].tolist() == [1, 1, 1, 0, 0, 0, 0, 0, 0]
        assert (context[:, 3:, 1:3] == 0).all()

    def test_one_image_alone_works(self):
        batch = clip_batch(frames=1)
        view = person_view(batch.mixture, batch.intrinsic, batch.time, batch.valid)
        assert finite(view) and (view.context[..., 3] == 0).all()


class TestOddInput:
    @pytest.mark.parametrize("kernels", [1, 5])
    @pytest.mark.parametrize("what", ["all joints unseen", "all joints in one place", "no weights", "sigmas of 0", "no frame"])
    def test_everything_stays_finite(self, what, kernels):
        batch = clip_batch(kernels=kernels)
        mixture, valid = batch.mixture.clone(), batch.valid
        if what == "all joints unseen":
            mixture[..., 3:] = 0.5
        elif what == "all joints in one place":
            mixture[..., 1:3] = 0.1
        elif what == "no weights":
            mixture[..., 0] = 0
        elif what == "sigmas of 0":
            mixture[..., 3:] = 0
        else:
            valid = torch.zeros_like(valid)
        assert finite(person_view(mixture, batch.intrinsic, batch.time, valid))
        assert finite(person_view(mixture.float(), batch.intrinsic.float(), batch.time.float(), valid))

    def test_two_frames_at_one_time_have_no_speed_between_them(self):
        batch = clip_batch()
        assert finite(person_view(batch.mixture, batch.intrinsic, torch.zeros_like(batch.time), batch.valid))

    def test_a_detection_far_outside_a_distorted_image_stays_finite(self):
        batch = clip_batch()
        mixture = batch.mixture.clone()
        mixture[:, :, 16, :, 1:3] = 8
        lens = np.stack([replace(camera, radial=(-0.4, 0.2, -0.1)).intrinsic for camera in cameras()])
        assert finite(person_view(mixture, torch.from_numpy(lens), batch.time, batch.valid))


class TestAssumedIntrinsic:
    @pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1080, 1920), (640, 640)])
    def test_the_focal_length_is_the_diagonal_in_pixels(self, width, height):
        focal = assumed_intrinsic(width, height)[:2] * width / 2
        np.testing.assert_allclose(focal, math.hypot(width, height))

    def test_the_edge_of_the_image_is_half_the_field_of_view_off_the_axis(self):
        np.testing.assert_allclose(1 / assumed_intrinsic(1280, 720, 90)[0], math.tan(math.radians(45)))

    def test_the_centre_is_in_the_middle_and_nothing_is_distorted(self):
        np.testing.assert_allclose(assumed_intrinsic(1280, 720)[2:], 0)

    @pytest.mark.parametrize("degrees", [0, 180, -10, 200, math.nan])
    def test_a_field_of_view_that_no_pinhole_has_is_refused(self, degrees):
        with pytest.raises(InputError, match=r"field of view is .*between 0 and 180"):
            assumed_intrinsic(1280, 720, degrees)

    @pytest.mark.parametrize("size", [(0, 720), (1280, -1)])
    def test_an_image_without_pixels_is_refused(self, size):
        with pytest.raises(InputError, match=r"image size is .* expected at least 1 pixel"):
            assumed_intrinsic(*size)
