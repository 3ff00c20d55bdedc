"""Detector errors: each at its stated rate and size, each left out by a 0, none touching anything but detections."""

from dataclasses import replace

import pytest
import torch

from pose_diffusion.data.missing_joints import fill
from pose_diffusion.geometry.skeleton import FLIP, N_JOINTS
from pose_diffusion.training.video.random_errors import ErrorSettings, disturb, hide
from tests.training.video.synthetic_clips import NO_ERRORS, assert_equal, clip_batch, moved_m

LIMBS = {"legs": [1, 2, 3, 4, 5, 6], "arms": [11, 12, 13, 14, 15, 16]}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def disturbed(batch, seed=0, **settings):
    return disturb(batch, generator(seed), replace(NO_ERRORS, **settings))


@pytest.fixture(scope="module")
def many():
    """128 clips of 20 frames at 25 a second."""
    return clip_batch(128, 20)


class TestNothing:
    def test_all_zeros_change_nothing(self):
        assert_equal(disturbed(clip_batch(kernels=3)), clip_batch(kernels=3))

    @pytest.mark.parametrize(
        "settings",
        [
            {"unseen": 0.2},
            {"unseen_span": 0.5},
            {"outlier": 0.2},
            {"drift_m": 0.01},
            {"white_m": 0.01},
            {"swap": 1},
            {"offset_m": 0.01},
        ],
        ids=lambda settings: next(iter(settings)),
    )
    def test_each_alone_changes_detections_and_nothing_else(self, settings):
        batch = clip_batch(8, kernels=3)
        new = disturbed(batch, **settings)
        assert (new.mixture != batch.mixture).any()
        assert_equal(replace(new, mixture=batch.mixture), batch)
        torch.testing.assert_close(new.mixture[..., 0].sum(-1), batch.mixture[..., 0].sum(-1))

    def test_what_padding_holds_changes_nothing_before_it_and_stays_finite(self):
        batch = clip_batch()
        valid = batch.valid & (torch.arange(9) < 6)
        zeroed = replace(batch, root_3d=batch.root_3d * valid[..., None], time=batch.time * valid)
        full, empty = (disturb(replace(b, valid=valid), generator(), ErrorSettings(swap=1)) for b in (batch, zeroed))
        torch.testing.assert_close(empty.mixture[:, :6], full.mixture[:, :6], rtol=0, atol=1e-12)
        assert empty.mixture.isfinite().all()

    def test_single_frames_can_be_disturbed(self):
        assert disturb(clip_batch(frames=1), generator(), ErrorSettings()).mixture.isfinite().all()


class TestNoise:
    def test_drift_has_the_stated_deviation_in_each_frame(self, many):
        moved = moved_m(many, disturbed(many, drift_m=0.02))[..., 0, :]
        for frame in (0, 10, 19):
            assert abs(moved[:, frame, 0].std() / (0.02 * 0.9) - 1) < 0.12  # the hip's noise is 0.9 of the mean

    def test_drift_is_remembered_as_stated(self, many):
        moved = moved_m(many, disturbed(many, drift_m=0.02, drift_seconds=0.4))[..., 0, :]
        moved = moved / moved.std((0, 1, 3), keepdim=True)
        for lag in (1, 5):
            expected = torch.tensor(-lag * 0.04 / 0.4).exp()
            assert abs((moved[:, lag:] * moved[:, :-lag]).mean() - expected) < 0.04

    def test_drift_of_the_same_times_in_any_direction_is_alike(self, many):
        back = replace(many, time=many.time.flip(1))
        torch.testing.assert_close(disturbed(back, drift_m=0.02).mixture, disturbed(many, drift_m=0.02).mixture)

    def test_drift_over_a_gap_is_forgotten(self, many):
        later = replace(many, time=many.time + 60.0 * (torch.arange(20) >= 10))
        moved = moved_m(later, disturbed(later, drift_m=0.02))[..., 0, :]
        joined = torch.corrcoef(torch.stack([moved[:, 9].flatten(), moved[:, 10].flatten()]))[0, 1]
        assert abs(joined) < 0.06

    def test_white_noise_is_new_in_each_frame(self, many):
        moved = moved_m(many, disturbed(many, white_m=0.02))[..., 0, :]
        assert abs(moved[:, :, 0].std() / (0.02 * 0.9) - 1) < 0.05
        assert abs(torch.corrcoef(torch.stack([moved[:, 1:].flatten(), moved[:, :-1].flatten()]))[0, 1]) < 0.02

    def test_wrists_get_more_noise_than_the_thorax(self, many):
        moved = moved_m(many, disturbed(many, white_m=0.02))
        assert moved[:, :, [13, 16]].std() > 1.8 * moved[:, :, 8].std()

    def test_clips_differ_in_how_much_noise_they_get(self, many):
        level = moved_m(many, disturbed(many, white_m=0.02, noise_spread=0.6)).std((1, 2, 3, 4))
        assert level.max() > 2.5 * level.min()

    def test_an_offset_stays_through_the_clip_and_has_the_stated_deviation(self, many):
        moved = moved_m(many, disturbed(many, offset_m=0.025))[..., 0, :]
        torch.testing.assert_close(moved, moved[:, :1].expand_as(moved))
        assert abs(moved[:, 0].std() / 0.025 - 1) < 0.05

    def test_all_kernels_of_a_joint_move_together(self):
        batch = clip_batch(kernels=3)
        moved = moved_m(batch, disturbed(batch, drift_m=0.02, white_m=0.01, offset_m=0.01, outlier=0.1))
        torch.testing.assert_close(moved, moved[..., :1, :].expand_as(moved))


class TestOutliers:
    def test_the_stated_share_of_joints_jumps_by_the_stated_deviation(self, many):
        moved = moved_m(many, disturbed(many, outlier=0.1, outlier_m=0.15))[..., 0, :]
        wrong = (moved != 0).any(-1)
        assert 0.09 < wrong.double().mean() < 0.11
        assert abs(moved[wrong].std() / 0.15 - 1) < 0.05

    def test_outliers_alone_are_less_sure(self, many):
        new = disturbed(many, outlier=0.1, outlier_sigma=2.0)
        wrong = (moved_m(many, new)[..., 0, :] != 0).any(-1)
        ratio = new.mixture[..., 0, 3:] / many.mixture[..., 0, 3:]
        assert (ratio[~wrong] == 1).all()
        assert 1 <= ratio[wrong].min() < 1.1 and 1.9 < ratio[wrong].max() <= 2


class TestSwaps:
    def swapped(self, batch, new):
        """(B, T, 17): where a joint has the other side's detection; never so in the middle of the body."""
        same, other = ((new.mixture == old).flatten(3).all(3) for old in (batch.mixture, batch.mixture[:, :, list(FLIP)]))
        assert (same | other).all()
        return other & ~same

    def test_limbs_or_whole_people_have_the_detections_of_the_other_side(self, many):
        swapped = self.swapped(many, disturbed(many, swap=0.5))
        for joints in (LIMBS["legs"], LIMBS["arms"]):
            assert (swapped[..., joints] == swapped[..., joints[:1]]).all()
        legs, arms = swapped[..., 1], swapped[..., 11]
        assert (legs & ~arms).any() and (arms & ~legs).any() and (arms & legs).any()

    def test_a_swap_lasts_for_one_span_of_the_stated_mean(self):
        batch = clip_batch(256, 60)
        swapped = self.swapped(batch, disturbed(batch, swap=1, swap_seconds=0.2))[..., 1]  # legs or whole: up to two spans
        starts = swapped[:, 0].long() + (swapped[:, 1:] & ~swapped[:, :-1]).sum(1)
        assert starts.min() >= 1 and starts.max() <= 2
        # A span of mean 0.2 s at 25 frames a second covers 1 + 1 / (exp(0.2) - 1) frames on average, less what the end cuts.
        assert 4.0 < swapped.sum() / starts.sum() < 6.5

    def test_a_swap_begins_in_a_frame_that_exists(self):
        batch = clip_batch(64)
        valid = batch.valid.clone()
        valid[:, :4] = False
        swapped = self.swapped(batch, disturbed(replace(batch, valid=valid), swap=1))
        assert swapped[:, 4:].any(1).all(0)[1] and not swapped[:, :4].any()


class TestUnseen:
    def test_the_stated_share_of_joints_is_lost_in_single_frames(self, many):
        lost = (disturbed(many, unseen=0.05).mixture != many.mixture).flatten(3).any(3)
        assert 0.045 < lost.double().mean() < 0.055

    def test_a_span_is_one_stretch_of_time_of_the_joints_chosen(self, many):
        lost = (disturbed(many, unseen_span=0.2, unseen_seconds=0.2).mixture != many.mixture).flatten(3).any(3)
        starts = lost[:, 0].long() + (lost[:, 1:] & ~lost[:, :-1]).sum(1)  # (B, 17)
        assert starts.max() == 1
        assert 0.17 < starts.double().mean() < 0.23

    def test_lost_joints_are_where_prepare_puts_them(self):
        batch = clip_batch(8)
        lost = torch.rand(8, 9, N_JOINTS, generator=generator()) < 0.5
        lost[..., 8] &= ~lost.all(-1)
        found = hide(batch.mixture, lost, torch.tensor(0.1))[..., 0, 1:3]
        points = batch.mixture[..., 0, 1:3].flatten(0, 1).numpy()
        expected = fill(points, ~lost.flatten(0, 1).numpy(), torch.arange(72).numpy(), longest_gap=0)
        torch.testing.assert_close(found.flatten(0, 1), torch.from_numpy(expected))

    def test_lost_joints_have_wide_kernels_in_one_place_and_others_stay(self):
        batch = clip_batch(kernels=3)
        new = disturbed(batch, unseen=0.3, unseen_sigma_m=(0.3, 0.3)).mixture
        lost = (new != batch.mixture).flatten(3).any(3)
        torch.testing.assert_close(new[lost][..., 1:3], new[lost][..., :1, 1:3].expand(-1, 3, 2))
        metre = (batch.intrinsic[:, None, :2] / batch.root_3d[..., 2:])[:, :, None, None].expand(4, 9, 17, 3, 2)
        torch.testing.assert_close(new[lost][..., 3:], 0.3 * metre[lost])

    def test_all_joints_lost_gives_a_finite_person_in_one_place(self):
        batch = clip_batch(kernels=2)
        new = disturbed(batch, unseen=1).mixture
        torch.testing.assert_close(new[..., 1:3], new[:, :, :1, :1, 1:3].expand(4, 9, 17, 2, 2))
        assert new.isfinite().all()
