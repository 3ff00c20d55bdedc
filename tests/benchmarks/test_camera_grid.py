"""The camera grid: where its cameras stand, and the command with bundles of both families."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import camera_grid
from benchmarks.camera_grid import Clip, lifter_of, look, main, measure, read_clips, render
from benchmarks.grid_cameras import CENTRED, CONDITIONS, SIDES, Condition, camera
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.geometry.person_view import assumed_intrinsic
from pose_diffusion.geometry.skeleton import ROOT
from pose_diffusion.inference.bundle import Bundle
from pose_diffusion.inference.video_bundle import save_video_bundle
from tests.data.sources.motion.mocap_files import motion, write_arrays
from tests.inference.videos import MODEL, random_network

SPLIT = {"train": {"subjects": ["lab/anna"]}, "test": {"clips": ["lab/bob/walk"]}}
TARGET = np.array([0.0, 0.0, 0.95])
UP = np.array([0.0, 0.0, 1.0])

each_condition = pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
each_side = pytest.mark.parametrize(
    ("condition", "side"),
    [
        pytest.param(condition, side, id=f"{condition.name}, side {side}")
        for condition in CONDITIONS
        for side in (range(len(SIDES)) if condition.off_axis else (0,))
    ],
)


@pytest.fixture
def arrays(tmp_path: Path) -> str:
    """Three short recordings, with their split beside them."""
    write_arrays(tmp_path)
    (tmp_path / "split.json").write_text(json.dumps(SPLIT))
    return str(tmp_path / "motion.npz")


@pytest.fixture
def video(tmp_path: Path) -> str:
    """The folder of a small bundle of the video family with random weights."""
    folder = str(tmp_path / "video")
    save_video_bundle(folder, MODEL, random_network().state_dict())
    return folder


def standing() -> Clip:
    """Who stands at the origin, 20 frames."""
    points = np.repeat(motion(1), 20, axis=0)
    points[..., :2] -= points[:, ROOT, None, :2]
    return Clip("anna/standing", points)


def seen_direction(seen: Camera) -> np.ndarray:
    """Where the camera sees the target, (3,) metres in its frame."""
    return seen.to_camera(TARGET)


def degrees_between(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.degrees(np.arccos(first @ second / np.linalg.norm(first) / np.linalg.norm(second))))


# --- Where a camera stands


@each_side
def test_the_camera_is_as_far_away_as_the_condition_says(condition: Condition, side: int) -> None:
    assert np.linalg.norm(seen_direction(condition.camera(TARGET, 1.0, side))) == pytest.approx(condition.distance)


@each_side
def test_the_camera_is_raised_as_the_condition_says(condition: Condition, side: int) -> None:
    stands = np.array(condition.camera(TARGET, 1.0, side).position) - TARGET
    assert 90 - degrees_between(stands, UP) == pytest.approx(condition.elevation)


@each_side
def test_the_person_is_as_far_off_the_axis_as_the_condition_says(condition: Condition, side: int) -> None:
    direction = seen_direction(condition.camera(TARGET, 1.0, side))
    assert degrees_between(direction, np.array([0, 0, 1.0])) == pytest.approx(condition.off_axis, abs=1e-4)


@pytest.mark.parametrize("side", range(len(SIDES)))
def test_the_person_is_on_the_side_that_was_drawn(side: int) -> None:
    direction = seen_direction(Condition("off", off_axis=20).camera(TARGET, 1.0, side))
    np.testing.assert_allclose(direction[:2] / np.linalg.norm(direction[:2]), SIDES[side], atol=1e-9)


@pytest.mark.parametrize("condition", [one for one in CONDITIONS if not one.off_axis], ids=lambda condition: condition.name)
def test_the_person_is_turned_clockwise_in_the_image_by_the_roll(condition: Condition) -> None:
    """Without an angle off the axis, which tilts the vertical in the image too."""
    up = np.array(condition.camera(TARGET, 1.0, 0).rotation) @ UP
    assert np.degrees(np.arctan2(up[0], -up[1])) == pytest.approx(condition.roll, abs=1e-9)


@each_side
def test_a_camera_does_not_mirror(condition: Condition, side: int) -> None:
    rotation = np.array(condition.camera(TARGET, 1.0, side).rotation)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)


@pytest.mark.parametrize("azimuth", [0.0, 1.0, 4.0])
def test_the_azimuth_is_counted_from_the_worlds_x_axis(azimuth: float) -> None:
    east, north, _ = np.array(CENTRED.camera(TARGET, azimuth, 0).position) - TARGET
    assert np.arctan2(north, east) % (2 * np.pi) == pytest.approx(azimuth)


def test_yaw_pitch_and_roll_are_those_of_the_direction_to_the_target() -> None:
    yaw, pitch, roll = (np.radians(angle) for angle in (20, -10, 15))
    direction = seen_direction(camera(TARGET, 2.0, 7, 3, 20, -10, 15, 60, (640, 480))) / 3
    before = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    np.testing.assert_allclose(direction, turn @ before, atol=1e-12)


def test_the_lens_sees_the_angle_asked_for() -> None:
    lens = camera(TARGET, 0, 0, 3, 0, 0, 0, 90, (640, 480))
    assert lens.focal == pytest.approx((320, 320)) and lens.centre == (320, 240)


# --- What the cameras see


@pytest.mark.parametrize(
    "condition", [one for one in CONDITIONS if one.off_axis <= 10 and one.distance > 2], ids=lambda condition: condition.name
)
def test_who_is_about_the_axis_is_in_the_image(condition: Condition) -> None:
    for seed in range(8):
        mean = look([standing()], condition, seed).mixture[:, :, 0, 1:3]
        assert (mean.abs() < torch.tensor([1, condition.height / condition.width])).all()


@each_condition
def test_everybody_is_in_front_of_every_camera(arrays: str, condition: Condition) -> None:
    """Who walks away, too, as all conditions see the same motion."""
    walk = motion(200)
    walk[..., 0] += np.linspace(-5, 5, 200)[:, None]
    np.savez(arrays, **{"lab/anna/walk": np.round(walk * 4000).astype(np.int16)})
    (clip,) = read_clips(arrays, 30)
    for azimuth in np.linspace(0, 6, 7):
        seen = condition.camera(clip.points[:, ROOT].mean(0) * [0, 0, 1], azimuth, 0)
        assert seen.to_camera(clip.points)[..., 2].min() > 0.5


def test_recordings_are_read_in_metres(arrays: str) -> None:
    """To a quarter of a millimetre, half of it of the joint and half of the pelvis."""
    clip = next(clip for clip in read_clips(arrays, 30) if clip.name == "lab/bob/walk")
    expected = motion(5)
    np.testing.assert_allclose(clip.points - clip.points[:, ROOT, None], expected - expected[:, ROOT, None], atol=2.6e-4)


def test_all_cameras_draw_the_same_errors_on_the_body() -> None:
    """Twice as far away the errors in the image are half as large, but for the joints' own depth."""
    clip, still = standing(), Condition("near", elevation=0)
    errors = []
    for condition in (still, Condition("far", distance=9, elevation=0)):
        seen = look([clip], condition)
        draw = clip.generator(0)
        target = np.array([0, 0, clip.points[:, ROOT, 2].mean()])
        stands = condition.camera(target, draw.uniform(0, 2 * np.pi), int(draw.integers(4)))
        truth = stands.project(stands.to_camera(clip.points))
        errors.append((seen.mixture[:, :, 0, 1:3].numpy() - truth) * condition.distance)
    assert np.abs(errors[0]).max() > 0.01
    assert np.median(np.abs(errors[1] - errors[0])) < 0.02 * np.median(np.abs(errors[0]))


def test_a_wrong_focal_length_is_told_and_not_seen() -> None:
    wrong = next(condition for condition in CONDITIONS if condition.told != 1)
    told, right = look([standing()], wrong), look([standing()], CENTRED)
    torch.testing.assert_close(told.mixture, right.mixture)
    torch.testing.assert_close(told.intrinsic[:, :2], 0.8 * right.intrinsic[:, :2])
    torch.testing.assert_close(told.intrinsic[:, 2:], right.intrinsic[:, 2:])


@each_condition
def test_an_assumed_focal_length_is_that_of_the_image(condition: Condition) -> None:
    told = look([standing()], condition, assume_focal=True).intrinsic
    np.testing.assert_array_equal(told[0].numpy(), assumed_intrinsic(condition.width, condition.height))


def test_a_seed_gives_the_same_detections_again() -> None:
    first, again, other = (look([standing()], CENTRED, seed).mixture for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


# --- Errors


def test_who_knows_the_truth_has_no_error() -> None:
    lines = measure(lambda seen: seen.pose_3d, [standing(), Clip("bob/walk", motion(7))])
    assert [line.name for line in lines] == [condition.name for condition in CONDITIONS]
    assert [(line.mpjpe, line.p_mpjpe) for line in lines] == [(0, pytest.approx(0, abs=1e-3))] * len(CONDITIONS)


def test_errors_are_means_over_all_poses() -> None:
    """Of one clip of 20 frames and one of 5, the latter 1 cm too long each way at all joints but the pelvis."""

    def lift(seen: camera_grid.Seen) -> torch.Tensor:
        pose = seen.pose_3d.clone()
        pose[seen.sequence == 1, 1:, 0] += 0.01
        return pose

    (line,) = measure(lift, [standing(), Clip("bob/walk", motion(5))], [CENTRED])
    assert line.mpjpe == pytest.approx(10 * 16 / 17 * 5 / 25, rel=1e-4)


def test_the_worst_of_either_error_stands_in_one_line() -> None:
    lines = [camera_grid.Line(CENTRED.name, 50, 40), camera_grid.Line("far", 75, 30)]
    cells = [list(column.cells) for column in render(lines).columns]
    assert [column[-2:] for column in cells] == [["mean", "worst"], ["62.5", "75.0"], ["35.0", "40.0"], ["1.25", "1.50"]]


# --- The command


@pytest.mark.parametrize("options", [[], ["--assume-focal"], ["--frames", "1", "--no-flips"]])
def test_a_video_bundle_gets_a_line_for_each_camera(
    arrays: str, video: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([video, arrays, "--clips", "2", *options]) == 0
    out = capsys.readouterr().out
    assert "2 recordings" in out
    for name in (*(condition.name for condition in CONDITIONS), "mean", "worst"):
        assert sum(f" {name} " in line for line in out.splitlines()) == 1


def test_a_published_bundle_gets_a_line_for_each_camera(
    arrays: str, imported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(imported), arrays, "--clips", "2"]) == 0
    out = capsys.readouterr().out
    assert "focal length not used" in out
    assert all(f" {condition.name} " in out for condition in CONDITIONS)


def test_the_published_family_is_not_told_a_focal_length(bundle: Bundle) -> None:
    clips = [Clip("bob/walk", motion(3))]
    known, assumed = (measure(lifter_of(bundle, 30), clips, assume_focal=assume) for assume in (False, True))
    assert known == assumed


def test_the_test_part_is_taken_unless_the_other_is_asked_for(arrays: str) -> None:
    names = {part: {clip.name for clip in read_clips(arrays, 30, "split.json", part)} for part in ("test", "train")}
    assert names == {"test": {"lab/bob/walk"}, "train": {"lab/anna/run", "lab/anna/walk"}}


@pytest.mark.parametrize(("most", "expected"), [(0, 3), (1, 1), (2, 2), (3, 3), (10, 3)])
def test_no_more_recordings_are_taken_than_asked_for(arrays: str, most: int, expected: int) -> None:
    assert len(read_clips(arrays, 30, most=most)) == expected


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--split", "absent.json"], "absent.json: no such file"),
            (["--part", "train"], "argument --part: takes a split file"),
            (["--fps", "0"], "argument --fps: 0, expected a number above 0"),
            (["--fps", "nan"], "argument --fps: nan, expected a number above 0"),
            (["--clips", "-1"], "argument --clips: -1, expected at least 0"),
            (["--threads", "0"], "argument --threads: 0, expected at least 1"),
            (["--frames", "0"], "frames is 0, expected at least 1"),
        ],
    )
    def test_a_bad_option_ends_with_2_in_one_line(
        self, arrays: str, video: str, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([video, arrays, *options]) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert message in line

    def test_a_bundle_that_is_not_there_is_named(self, arrays: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["absent", arrays]) == 2
        assert "error: absent" in capsys.readouterr().err

    def test_motion_that_is_not_there_is_named(self, video: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([video, "absent.npz"]) == 2
        assert "error: absent.npz" in capsys.readouterr().err

    def test_a_part_without_recordings_is_refused(self, arrays: str, video: str, tmp_path: Path) -> None:
        (tmp_path / "split.json").write_text(json.dumps({"train": {"subjects": ["lab/anna", "lab/bob"]}}))
        with pytest.raises(InputError, match=r"split\.json: no recording of .* is in 'test'"):
            read_clips(arrays, 30, "split.json")

    def test_the_published_family_has_no_longest_clip(self, bundle: Bundle) -> None:
        with pytest.raises(InputError, match="argument --frames"):
            lifter_of(bundle, 30, frames=9)
