"""The whole augmentation: finite, repeatable, and errors made in the camera that took the picture."""

from dataclasses import replace

import pytest
import torch

from pose_diffusion.geometry.camera import project
from pose_diffusion.geometry.person_view import person_view
from pose_diffusion.training.video.augmentation import Augmentation, augment
from pose_diffusion.training.video.random_cameras import CameraSettings
from pose_diffusion.training.video.random_errors import ErrorSettings
from tests.training.video.synthetic_clips import NO_ERRORS, assert_equal, clip_batch, moved_m

NO_CAMERA = CameraSettings(keep=1, misjudged=0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kernels", [1, 5])
def test_its_view_is_finite(kernels):
    batch = augment(clip_batch(64, kernels=kernels), generator(), Augmentation())
    view = person_view(batch.mixture, batch.intrinsic, batch.time, batch.valid)
    assert view.kernels.isfinite().all() and view.context.isfinite().all() and batch.pose_3d.isfinite().all()
    assert (view.kernels[..., 3:] > 0).all()


def test_everything_off_changes_nothing_but_undoes_distortion():
    assert_equal(augment(clip_batch(), generator(), Augmentation(0, NO_CAMERA, NO_ERRORS)), clip_batch().undistorted())


def test_a_seed_repeats_it():
    first, again = (augment(clip_batch(), generator(3), Augmentation()) for _ in range(2))
    assert_equal(first, again)


def test_single_precision_stays_single_precision():
    batch = clip_batch()
    single = replace(batch, **{name: getattr(batch, name).float() for name in vars(batch) if name != "valid"})
    new = augment(single, generator(), Augmentation())
    assert {getattr(new, name).dtype for name in vars(new) if name != "valid"} == {torch.float32}


def test_errors_are_lengths_on_the_body_though_the_focal_length_told_is_wrong():
    """Offsets from the truth are measured with the lens that took the picture, whatever the network is told."""
    cameras = CameraSettings(keep=0, misjudged=1, misjudged_sd=2.0, distance=(3, 20))
    right = augment(clip_batch(64, error=0), generator(), Augmentation(0, replace(cameras, misjudged=0), NO_ERRORS))
    errors = replace(NO_ERRORS, offset_m=0.02)
    wrong = augment(clip_batch(64, error=0), generator(), Augmentation(0, cameras, errors))
    assert (wrong.intrinsic[:, 0] / right.intrinsic[:, 0]).log().std() > 1
    assert abs(moved_m(right, wrong).std() / 0.02 - 1) < 0.05
    uv = project(right.joints_3d, right.intrinsic[:, None, None])
    torch.testing.assert_close(right.mixture[..., 0, 1:3], uv, rtol=0, atol=1e-7)


def test_the_share_of_mirrored_clips_is_as_asked_for():
    batch = clip_batch(256, frames=1)
    new = augment(batch, generator(), Augmentation(0.25, NO_CAMERA, NO_ERRORS))
    assert 0.18 < (new.up != batch.up).any(1).double().mean() < 0.32


def test_default_errors_are_of_a_detectors_size():
    """Of joints that are seen: a few centimetres on the body."""
    batch = clip_batch(64).undistorted()
    moved = moved_m(
        batch, augment(batch, generator(), Augmentation(0, NO_CAMERA, replace(ErrorSettings(), unseen=0, unseen_span=0)))
    )
    assert 0.015 < moved.abs().median() < 0.04
