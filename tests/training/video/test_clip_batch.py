"""Batches of clips: mirrored and chosen clip by clip."""

import torch

from pose_diffusion.geometry.camera import project
from pose_diffusion.geometry.person_view import person_view
from pose_diffusion.geometry.skeleton import FLIP
from pose_diffusion.training.video.clip_batch import mirror_clips
from tests.training.video.synthetic_clips import assert_equal, clip_batch

ALL = torch.ones(4, dtype=torch.bool)


class TestMirror:
    def test_twice_is_as_before(self):
        batch = clip_batch(kernels=2)
        assert_equal(mirror_clips(mirror_clips(batch, ALL), ALL), batch)

    def test_only_the_chosen_clips_change(self):
        batch, chosen = clip_batch(), torch.tensor([True, False, True, False])
        mirrored = mirror_clips(batch, chosen)
        assert_equal(mirrored, batch, ~chosen)
        assert_equal(mirrored, mirror_clips(batch, ALL), chosen)

    def test_the_truth_projects_through_the_mirrored_lens_to_the_mirrored_image(self):
        """Human3.6M's lenses have a centre off the middle and tangential distortion."""
        batch = mirror_clips(clip_batch(error=0), ALL)
        uv = project(batch.joints_3d, batch.intrinsic[:, None, None])
        torch.testing.assert_close(batch.mixture[..., 0, 1:3], uv, rtol=0, atol=1e-9)

    def test_the_right_hand_becomes_the_left_one_on_the_other_side(self):
        batch = clip_batch()
        mirrored = mirror_clips(batch, ALL)
        torch.testing.assert_close(mirrored.mixture[..., 13, :, 1], -batch.mixture[..., 16, :, 1])
        torch.testing.assert_close(mirrored.pose_3d[..., 1:], batch.pose_3d[:, :, list(FLIP), 1:])


class TestUndistorted:
    def test_the_truth_projects_without_distortion_to_detections_without_error(self):
        batch = clip_batch(error=0).undistorted()
        assert (batch.intrinsic[:, 4:] == 0).all()
        uv = project(batch.joints_3d, batch.intrinsic[:, None, None])
        torch.testing.assert_close(batch.mixture[..., 0, 1:3], uv, rtol=0, atol=1e-7)

    def test_the_view_is_the_same(self):
        views = [person_view(b.mixture, b.intrinsic, b.time, b.valid) for b in (clip_batch(), clip_batch().undistorted())]
        for name in ("kernels", "context", "rotation", "size"):
            torch.testing.assert_close(*(getattr(view, name) for view in views), rtol=0, atol=1e-9)


def test_a_move_to_a_device_keeps_every_field():
    assert_equal(clip_batch().to("cpu"), clip_batch())
