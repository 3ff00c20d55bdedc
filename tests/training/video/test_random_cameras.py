"""Random cameras: truth and detections move together, within the ranges asked for."""

from dataclasses import replace

import pytest
import torch

from pose_diffusion.geometry.camera import project, undistort
from pose_diffusion.geometry.skeleton import EDGES
from pose_diffusion.training.video.random_cameras import CameraSettings, look_anew, misjudge_focal
from tests.training.video.synthetic_clips import assert_equal, clip_batch

MANY = 512
MOVE = CameraSettings(keep=0, distance=(3, 20))
SAME_BODY = replace(MOVE, body=(1, 1), limbs=0)
EXACT = {"rtol": 0, "atol": 1e-9}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def many(frames=1, **options):
    return clip_batch(MANY, frames, **options)


def bones(pose):
    parents, joints = zip(*EDGES, strict=True)
    return (pose[:, :, list(joints)] - pose[:, :, list(parents)]).norm(dim=-1)


class TestDetections:
    @pytest.mark.parametrize("settings", [MOVE, SAME_BODY], ids=["other bodies", "the same bodies"])
    def test_the_truth_projects_to_where_detections_without_error_are(self, settings):
        new = look_anew(clip_batch(error=0, kernels=2), generator(), settings)
        uv = project(new.joints_3d, new.intrinsic[:, None, None])
        torch.testing.assert_close(new.mixture[..., 1:3], uv[..., None, :].expand(-1, -1, -1, 2, -1), rtol=0, atol=1e-7)

    def test_an_offset_is_the_old_one_scaled_with_the_persons_size_in_the_image(self):
        batch = clip_batch(kernels=3)
        new = look_anew(batch, generator(), SAME_BODY)

        def offset(clips):
            lens = clips.intrinsic[:, None, None, None]
            return undistort(clips.mixture[..., 1:3], lens) - project(clips.joints_3d[..., None, :], lens, distort=False)

        def metre(clips):
            return (clips.intrinsic[:, None, :2] / clips.root_3d[..., 2:])[:, :, None, None]

        torch.testing.assert_close(offset(new), offset(batch) * metre(new) / metre(batch), **EXACT)
        torch.testing.assert_close(new.mixture[..., 3:], batch.mixture[..., 3:] * metre(new) / metre(batch), **EXACT)
        torch.testing.assert_close(new.mixture[..., 0], batch.mixture[..., 0], **EXACT)

    def test_a_larger_body_has_larger_errors(self):
        one, large = (look_anew(clip_batch(), generator(), replace(SAME_BODY, body=(s, s))) for s in (1.0, 1.1))
        metre = large.root_3d[..., 2] / one.root_3d[..., 2]
        ratio = large.mixture[..., 0, 3] / one.mixture[..., 0, 3] * metre[..., None]
        torch.testing.assert_close(ratio, torch.full_like(ratio, 1.1))


class TestMotion:
    def test_distances_between_joints_are_kept_where_bodies_are(self):
        batch = clip_batch()
        old, new = (clips.joints_3d.flatten(1, 2) for clips in (batch, look_anew(batch, generator(), SAME_BODY)))
        torch.testing.assert_close(torch.cdist(new, new), torch.cdist(old, old), rtol=0, atol=1e-6)

    def test_left_stays_left(self):
        """A camera that mirrors would keep all distances."""
        batch = clip_batch()

        def volume(pose):
            return torch.linalg.det(pose[..., [1, 8, 3], :])

        torch.testing.assert_close(volume(look_anew(batch, generator(), SAME_BODY).pose_3d), volume(batch.pose_3d), **EXACT)

    def test_up_stays_the_worlds_up(self):
        batch = clip_batch()
        new = look_anew(batch, generator(), SAME_BODY)
        torch.testing.assert_close(new.up.norm(dim=-1), torch.ones(4, dtype=torch.float64), **EXACT)
        heights = [(clips.pose_3d * clips.up[:, None, None]).sum(-1) for clips in (batch, new)]
        torch.testing.assert_close(heights[1], heights[0], **EXACT)

    def test_the_pelvis_stays_the_origin_of_poses(self):
        assert look_anew(clip_batch(), generator(), MOVE).pose_3d[:, :, 0].abs().max() == 0

    def test_bodies_have_the_sizes_asked_for(self):
        batch = many()
        ratio = bones(look_anew(batch, generator(), replace(MOVE, limbs=0)).pose_3d) / bones(batch.pose_3d)
        torch.testing.assert_close(ratio, ratio[..., :1].expand_as(ratio))
        assert 0.85 <= ratio.min() < 0.87 and 1.13 < ratio.max() <= 1.15

    def test_legs_trunk_and_arms_have_proportions_of_their_own_alike_left_and_right(self):
        batch = many()
        ratio = (bones(look_anew(batch, generator(), replace(MOVE, body=(1, 1))).pose_3d) / bones(batch.pose_3d))[:, 0]
        legs, trunk, arms = ratio[:, :6], ratio[:, [6, 7, 8, 9, 10, 13]], ratio[:, [11, 12, 14, 15]]
        for part in (legs, trunk, arms):
            torch.testing.assert_close(part, part[:, :1].expand_as(part))
        torch.testing.assert_close(legs, torch.ones_like(legs))
        assert 0.95 <= trunk.min() < 0.96 and 1.04 < arms.max() <= 1.05
        assert torch.corrcoef(torch.stack([trunk[:, 0], arms[:, 0]]))[0, 1].abs() < 0.2

    def test_feet_stand_as_high_as_before_under_bodies_of_other_sizes(self):
        """Relative to the lowest joint of the clip, heights of feet are scaled, so what was on the floor is on it."""
        batch = clip_batch(frames=20)
        new = look_anew(batch, generator(), replace(MOVE, limbs=0.1))
        heights = [(c.joints_3d * c.up[:, None, None]).sum(-1)[:, :, [3, 6]] for c in (batch, new)]
        above = [h - h.amin((1, 2), keepdim=True) for h in heights]
        scale = (bones(new.pose_3d) / bones(batch.pose_3d))[:, :1, :1]
        torch.testing.assert_close(above[1], scale * above[0], **EXACT)


class TestCameras:
    def test_distances_and_elevations_are_in_range_and_use_it(self):
        new = look_anew(many(), generator(), replace(SAME_BODY, distance=(1.5, 20)))
        distance = new.root_3d[:, 0].norm(dim=-1)
        elevation = torch.rad2deg((-new.root_3d[:, 0] * new.up).sum(-1).div(distance).asin())
        moved = (new.intrinsic[:, 2:] == 0).all(1)
        assert moved.float().mean() > 0.95
        assert 1.5 <= distance[moved].min() < 2 and 18 < distance[moved].max() <= 20
        assert -30 <= elevation[moved].min() < -20 and 40 < elevation[moved].max() <= 60
        assert 4 < elevation[moved].median() < 12

    def test_azimuths_are_uniform(self):
        batch = many()
        new = look_anew(batch, generator(), SAME_BODY)
        hips, up = new.pose_3d[:, 0, 4], new.up  # a horizontal direction of the body, seen by the camera
        depth = hips[:, 2] - (hips * up).sum(-1) * up[:, 2]
        assert abs((depth > 0).double().mean() - 0.5) < 0.08

    def test_people_stand_as_far_off_the_axis_as_asked_for(self):
        new = look_anew(many(), generator(), replace(SAME_BODY, roll_sd=0, yaw_sd=10, pitch_sd=5, most_turn=30))
        x, y, z = new.root_3d[:, 0].unbind(-1)
        yaw, pitch = torch.rad2deg(torch.atan2(x, z)), torch.rad2deg(torch.atan2(y, z))
        assert 8.5 < yaw.std() < 11.5 and yaw.abs().max() < 31
        assert 4 < pitch.std() < 6

    def test_without_turn_and_roll_the_pelvis_is_in_the_middle_and_up_is_upright(self):
        new = look_anew(many(), generator(), replace(SAME_BODY, roll_sd=0, yaw_sd=0, pitch_sd=0))
        assert new.root_3d[..., :2].abs().max() < 1e-9
        assert new.up[:, 0].abs().max() < 1e-9 and (new.up[:, 1] < 0).all()

    def test_roll_has_the_stated_deviation(self):
        new = look_anew(many(), generator(), replace(SAME_BODY, roll_sd=8, yaw_sd=0, pitch_sd=0))
        roll = torch.rad2deg(torch.atan2(new.up[:, 0], -new.up[:, 1]))
        assert 7 < roll.std() < 9 and roll.abs().max() <= 30

    def test_lenses_have_the_field_of_view_asked_for_and_no_distortion(self):
        new = look_anew(many(), generator(), SAME_BODY)
        degrees = torch.rad2deg(2 * torch.atan(1 / new.intrinsic[:, 0]))
        assert 30 <= degrees.min() < 32 and 88 < degrees.max() <= 90
        assert (new.intrinsic[:, 0] == new.intrinsic[:, 1]).all() and (new.intrinsic[:, 2:] == 0).all()

    def test_the_same_seed_gives_the_same_cameras_and_another_one_others(self):
        first, again, other = (look_anew(clip_batch(), generator(seed), MOVE) for seed in (0, 0, 1))
        assert_equal(first, again)
        assert (first.root_3d - other.root_3d).abs().amin((1, 2)).min() > 1e-3


class TestKeptClips:
    def test_a_share_keeps_its_camera_and_body(self):
        batch = many()
        new = look_anew(batch, generator(), replace(MOVE, keep=0.25))
        kept = (new.pose_3d == batch.pose_3d).flatten(1).all(1)
        assert 0.2 < kept.double().mean() < 0.3
        assert_equal(new, batch.undistorted(), kept)

    def test_a_clip_too_near_to_the_new_camera_keeps_its_old_one(self):
        batch = clip_batch()
        assert_equal(look_anew(batch, generator(), replace(MOVE, distance=(0.3, 0.3))), batch.undistorted())

    def test_all_joints_of_moved_clips_are_in_front_of_the_camera(self):
        batch = many(frames=5)
        new = look_anew(batch, generator(), replace(MOVE, distance=(0.8, 1.6)))
        moved = (new.intrinsic[:, 2:] == 0).all(1)
        assert 0.2 < moved.double().mean() < 0.9
        assert new.joints_3d[moved][..., 2].min() > 0.5

    def test_padding_neither_moves_the_clip_nor_breaks_it(self):
        batch = clip_batch()
        valid = batch.valid.clone()
        valid[:, 6:] = False
        zeroed = replace(
            batch, valid=valid, root_3d=batch.root_3d * valid[..., None], pose_3d=batch.pose_3d * valid[..., None, None]
        )
        cut = replace(
            batch, **{name: getattr(batch, name)[:, :6] for name in ("mixture", "pose_3d", "root_3d", "time", "valid")}
        )
        padded, short = (look_anew(clips, generator(), MOVE) for clips in (zeroed, cut))
        torch.testing.assert_close(padded.mixture[:, :6], short.mixture, **EXACT)
        torch.testing.assert_close(padded.root_3d[:, :6], short.root_3d, **EXACT)
        assert padded.mixture.isfinite().all() and padded.pose_3d.isfinite().all()


class TestMisjudgedFocal:
    def test_a_share_of_clips_is_told_another_focal_length_of_the_stated_deviation(self):
        batch = many()
        told = misjudge_focal(batch, generator(), CameraSettings(misjudged=0.5, misjudged_sd=0.25))
        factor = told.intrinsic[:, :2] / batch.intrinsic[:, :2]
        torch.testing.assert_close(factor[:, 0], factor[:, 1])
        wrong = factor[:, 0] != 1
        assert 0.43 < wrong.double().mean() < 0.57
        assert 0.21 < factor[wrong, 0].log().std() < 0.29

    def test_nothing_but_the_focal_length_changes(self):
        batch = many()
        told = misjudge_focal(batch, generator(), CameraSettings(misjudged=1))
        torch.testing.assert_close(told.intrinsic[:, 2:], batch.intrinsic[:, 2:], rtol=0, atol=0)
        assert_equal(replace(told, intrinsic=batch.intrinsic), batch)

    def test_a_share_of_0_changes_nothing(self):
        assert_equal(misjudge_focal(clip_batch(), generator(), CameraSettings(misjudged=0)), clip_batch())
