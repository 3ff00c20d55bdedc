"""The benchmark of world coordinates: its scenes, its figures on known poses, and the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.camera_grid import Clip
from benchmarks.world_frame import main, measure, render, scenes, true_pose
from pose_diffusion.geometry.skeleton import ROOT
from pose_diffusion.inference.video_bundle import save_video_bundle
from tests.data.sources.motion.mocap_files import motion
from tests.inference.videos import MODEL, random_network


def walking(frames: int = 40) -> Clip:
    points = np.repeat(motion(1), frames, axis=0)
    points[..., 2] += 0.08 - points[..., 2].min()
    points[..., 0] += np.linspace(-0.3, 0.3, frames)[:, None]
    return Clip("lab/anna/walk", points)


@pytest.fixture
def arrays(tmp_path: Path) -> str:
    points = np.round(walking().points * 4000).astype(np.int16)
    np.savez(tmp_path / "motion.npz", **{"lab/anna/walk": points, "lab/bob/walk": points, "lab/bob/short": points[:12]})
    (tmp_path / "split.json").write_text(json.dumps({"train": {"subjects": ["lab/anna"]}, "test": {"subjects": ["lab/bob"]}}))
    return str(tmp_path / "motion.npz")


@pytest.fixture
def video(tmp_path: Path) -> str:
    save_video_bundle(str(tmp_path / "video"), MODEL, random_network().state_dict())
    return str(tmp_path / "video")


def test_a_scene_has_the_recordings_path_about_its_middle() -> None:
    clip = walking()
    scene, _ = scenes([clip], views=2, frames=40)
    np.testing.assert_allclose(np.diff(scene.points, axis=0), np.diff(clip.points, axis=0), atol=1e-12)
    path = scene.points[:, ROOT, :2]
    np.testing.assert_allclose(path.min(0) + path.max(0), 0, atol=1e-12)


def test_everybody_is_as_far_from_the_camera_as_its_condition_says_or_further() -> None:
    for scene in scenes([walking()], views=8, frames=40):
        least = 2 if scene.condition.startswith("near") else 4.5
        assert np.linalg.norm(scene.camera.to_camera(scene.points)[:, ROOT], axis=-1).min() > 0.9 * least


def test_recordings_of_under_a_second_are_left_out_and_long_ones_cut() -> None:
    found = scenes([walking(12), walking(90)], views=1, frames=50)
    assert [len(scene.points) for scene in found] == [50]


def test_a_seed_gives_the_same_scenes_again() -> None:
    first, again, other = (scenes([walking()], 1, 40, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first.mixture, again.mixture) and not np.array_equal(first.mixture, other.mixture)


def test_true_poses_have_no_pose_error_and_little_error_of_the_root() -> None:
    (scene,) = scenes([walking()], 1, 40)
    found = measure(scene, true_pose, 30)
    assert found.mpjpe == pytest.approx(0) and found.across[0] < 0.03 and found.along[0] < 0.3
    assert found.jitter[1] < found.jitter[0]


def test_a_figure_that_no_scene_has_is_a_dash() -> None:
    (scene,) = scenes([walking()], 1, 40)
    table = render({"true": [replace(measure(scene, true_pose, 30), floor=float("nan"))]})
    cells = dict(zip(table.columns[0]._cells, table.columns[1]._cells, strict=True))
    assert cells["floor, mm"] == "-"


def test_errors_of_the_detector_are_all_that_moves_the_fitted_root() -> None:
    (scene,) = scenes([walking()], 1, 40)
    exact = scene.mixture.copy()
    exact[:, :, 0, 1:3] = scene.camera.project(scene.camera.to_camera(scene.points))
    found = measure(replace(scene, mixture=exact), true_pose, 30)
    assert found.along[0] < 1e-3 and found.across[0] < 1e-3 and found.jitter[0] < 1e-3


def test_an_assumed_focal_length_puts_people_at_another_distance() -> None:
    (scene,) = scenes([walking()], 1, 40)
    assert measure(scene, true_pose, 30, assume_focal=True).along[0] > 2 * measure(scene, true_pose, 30).along[0]


def test_the_table_has_medians_and_the_ninetieth_percentile() -> None:
    (scene,) = scenes([walking()], 1, 40)
    one = measure(scene, true_pose, 30)
    table = render({"true": [replace(one, up=degrees) for degrees in range(11)]})
    cells = dict(zip(table.columns[0]._cells, table.columns[1]._cells, strict=True))
    assert cells["up, degrees"] == "5.0 (9.0)"


def test_the_command_prints_both_tables(arrays: str, video: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([video, arrays, "--split", "split.json", "--views", "1"]) == 0
    out = capsys.readouterr().out
    assert "1 scenes of 1 recordings" in out
    assert all(name in out for name in ("true, known", "lifted, assumed", "floor, mm", "root along the ray"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--part", "test"], "--part: takes a split file"),
        (["--fps", "0"], "--fps: 0, expected"),
        (["--views", "0"], "--views: 0, expected at least 1"),
        (["--frames", "5"], "--frames: 5, expected at least 30"),
    ],
)
def test_bad_options_are_told_in_one_line(
    arrays: str, video: str, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([video, arrays, *options]) == 2
    assert message in capsys.readouterr().err
