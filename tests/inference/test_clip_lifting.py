"""Sequences lifted window by window: what their poses may and may not depend on."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import h36m_cameras
from pose_diffusion.geometry.person_view import assumed_intrinsic, person_view
from pose_diffusion.inference.clip_lifting import lift_clips, mirror_view
from pose_diffusion.inference.estimation import estimate_clips
from pose_diffusion.inference.lifting import mirror
from pose_diffusion.inference.options import SamplingOptions
from pose_diffusion.models.video.network import VideoNetwork
from tests.inference.videos import MODEL, Video, random_network, video


@pytest.fixture(scope="module")
def network() -> VideoNetwork:
    return random_network()


def lift(network: VideoNetwork, rows: Video, **changes: object) -> Tensor:
    arguments: dict = {**vars(rows), "rate": 25.0, "frames": MODEL.frames, **changes}
    return lift_clips(network, **arguments)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("frames", [1, 2, 8, 9])
@pytest.mark.parametrize("cuts", [[50], [1, 2, 3], [13, 40, 41, 77], [99]])
def test_poses_do_not_depend_on_where_rows_are_cut(network: VideoNetwork, cuts: list[int], frames: int) -> None:
    """Two sequences, with a gap and a hole; each part sees `frames` rows on each side of it."""
    frame = torch.cat([torch.arange(0, 30), torch.arange(33, 50), torch.arange(500, 513), torch.arange(40)])
    rows = video(100, frame=frame, sequence=(torch.arange(100) >= 60).long())
    place = torch.cat([torch.arange(60), torch.arange(40)])
    whole = lift(network, rows, frames=frames, place=place)
    assert (whole.diff(dim=0).abs().amax((1, 2)) > 0).all()
    parts = []
    for start, stop in zip([0, *cuts], [*cuts, 100], strict=True):
        first, last = max(0, start - frames), min(100, stop + frames)
        wanted = slice(start - first, stop - first)
        parts.append(lift(network, rows[first:last], frames=frames, place=place[first:last], wanted=wanted))
    close(torch.cat(parts), whole)


@pytest.mark.parametrize("batch", [1, 7, 64, 100_000])
def test_poses_do_not_depend_on_the_batch(network: VideoNetwork, batch: int) -> None:
    sequence = torch.repeat_interleave(torch.arange(4), torch.tensor([1, 3, 50, 6]))
    rows = video(60, sequence=sequence)
    close(lift(network, rows, batch=batch), lift(network, rows))


def test_poses_do_not_depend_on_the_sequences_beside_them(network: VideoNetwork) -> None:
    sequence = torch.repeat_interleave(torch.arange(4), torch.tensor([1, 3, 50, 6]))
    rows = video(60, sequence=sequence)
    alone = [lift(network, rows[sequence == number]) for number in range(4)]
    close(torch.cat(alone), lift(network, rows))


@pytest.mark.parametrize("count", [1, 3, 9, 3000])
def test_a_person_who_is_there_for_few_frames_or_for_many_is_lifted(network: VideoNetwork, count: int) -> None:
    pose = lift(network, video(count))
    assert pose.shape == (count, 17, 3)
    assert bool(pose.isfinite().all())
    assert (pose[:, 0] == 0).all()


def test_nothing_is_lifted_from_no_rows(network: VideoNetwork) -> None:
    assert lift(network, video(0)).shape == (0, 17, 3)


def test_one_window_is_what_the_network_makes_of_its_view(network: VideoNetwork) -> None:
    rows = video(5)
    time, valid = torch.arange(5)[None] / 25.0, torch.ones(1, 5, dtype=torch.bool)
    view = person_view(rows.mixture[None], rows.intrinsic[None].float(), time, valid)
    with torch.no_grad():
        expected = view.to_camera(network(view.kernels, view.context, time))[0]
    close(lift(network, rows, flips=False), expected)


def test_the_mirrored_scene_gives_the_mirrored_pose_with_flips(network: VideoNetwork) -> None:
    """The camera is centred, so that the mirrored image is one that it could have taken."""
    rows = video(30)
    kernels, _ = mirror_view(rows.mixture[None], torch.zeros(1, 30, 4))
    mirrored = dataclasses.replace(rows, mixture=kernels[0])
    close(lift(network, mirrored), mirror(lift(network, rows)))
    assert (lift(network, mirrored, flips=False) - mirror(lift(network, rows, flips=False))).abs().max() > 1e-3


def test_the_view_of_the_mirrored_scene_is_the_mirrored_view() -> None:
    rows = video(9)
    time, valid = torch.arange(9)[None] / 25.0, torch.ones(1, 9, dtype=torch.bool)
    plain, mirrored = (
        person_view(mixture, rows.intrinsic[None].float(), time, valid)
        for mixture in (rows.mixture[None], mirror_view(rows.mixture[None], torch.zeros(1, 9, 4))[0])
    )
    kernels, context = mirror_view(plain.kernels, plain.context)
    close(mirrored.kernels, kernels)
    close(mirrored.context, context)


def test_the_frame_rate_is_seen_and_a_common_step_is_as_good_as_a_lower_rate(network: VideoNetwork) -> None:
    rows = video(30)
    every_fifth = dataclasses.replace(rows, frame=5 * rows.frame)
    close(lift(network, every_fifth, rate=25.0), lift(network, rows, rate=5.0))
    assert (lift(network, rows, rate=5.0) - lift(network, rows, rate=50.0)).abs().max() > 1e-3


@pytest.mark.parametrize("again", [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8], [500, 501, 502, 503, 504]])
def test_frames_that_do_not_ascend_or_come_much_later_begin_a_new_run(network: VideoNetwork, again: list[int]) -> None:
    rows = video(10, frame=torch.tensor([0, 1, 2, 3, 4, *again]))
    close(lift(network, rows), torch.cat([lift(network, rows[:5]), lift(network, rows[5:])]))


@pytest.mark.parametrize("joints", [slice(3, 4), slice(0, 17)])
def test_unseen_joints_give_poses_all_the_same(network: VideoNetwork, joints: slice) -> None:
    rows = video(20)
    rows.mixture[5:9, joints, :, 1:3] = 0
    rows.mixture[5:9, joints, :, 3:] = 0.5
    pose = lift(network, rows)
    assert bool(pose.isfinite().all())


def test_the_root_is_fitted_where_the_camera_is_known_alone(network: VideoNetwork) -> None:
    rows = video(20)
    camera = torch.from_numpy(h36m_cameras()["S9"]["54138969"].intrinsic)
    intrinsic = torch.full((20, 9), torch.nan, dtype=torch.float64)
    intrinsic[:10] = camera
    options = SamplingOptions()
    found = estimate_clips(
        network, rows.mixture, intrinsic, rows.intrinsic, rows.sequence, rows.frame, 25.0, MODEL.frames, options
    )
    assert found.root_3d is not None
    assert bool(found.root_3d[:10].isfinite().all()) and bool(found.root_3d[10:].isnan().all())
    lens = rows.intrinsic.clone()
    lens[:10] = camera
    close(found.poses["video"], lift(network, dataclasses.replace(rows, intrinsic=lens)))
    assert (found.spread_mm == 0).all() and found.hypotheses is None


def test_a_known_lens_gives_other_poses_than_the_assumed_one(network: VideoNetwork) -> None:
    rows = video(9)
    wide = torch.from_numpy(assumed_intrinsic(1920, 1080, 100.0)).expand(9, 9)
    assert (lift(network, dataclasses.replace(rows, intrinsic=wide)) - lift(network, rows)).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": 0.0}, "rate is 0.0 frames a second"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"frames": 0}, "frames is 0, expected at least 1"),
        ({"batch": 0}, "batch is 0, expected at least 1"),
        ({"intrinsic": torch.zeros(9)}, r"intrinsic has shape \(9,\), expected \(4, 9\)"),
        ({"frame": torch.zeros(3)}, r"frame has shape \(3,\)"),
        ({"mixture": torch.zeros(4, 17, 2)}, r"expected \(N, 17, K, 5\)"),
    ],
)
def test_what_makes_no_sense_is_refused(network: VideoNetwork, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        lift(network, video(4), **changes)
