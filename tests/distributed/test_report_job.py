"""jobs/report.py: the report of predictions that are already there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pose_diffusion.cli import VERBS, exit_code
from pose_diffusion.config import Config, ReportConfig
from pose_diffusion.data import predictions, schema
from pose_diffusion.data.mixture import from_points
from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.distributed.report import report
from pose_diffusion.report.build import build_report, publish
from pose_diffusion.report.summary import Skipped


def write(path: Path, action: str, methods: tuple[str, ...] = ("lifter", "diffusion"), seed: int = 0) -> str:
    """A prediction file of one sequence."""
    rng = np.random.default_rng(seed)
    pose = rng.normal(0, 0.3, (30, 17, 3)).astype(np.float32)
    mixture = from_points(pose[..., :2] / 4, 0.01)
    frame = np.arange(30, dtype=np.int32)
    rows = schema.to_table(PoseSequence("S9", action, "c", frame, mixture, 1000, 1000, pose, pose[:, 0]))
    predictions.write(str(path), predictions.build(rows, {m: pose + rng.normal(0, 0.03, pose.shape) for m in methods}))
    return str(path)


def job(config: str, *overrides: str) -> int:
    return exit_code(VERBS["report"], [config, *overrides])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, action in enumerate(("Walking 1", "Walking 2", "Sitting")):
        write(tmp_path / "run" / "predictions" / "split=test" / f"part-{number:05d}.parquet", action, seed=number)
    return tmp_path / "run"


def test_gives_the_figures_of_the_report_without_ray(folder: Path, ray_session: None) -> None:
    made = report(Config(report=ReportConfig(input=str(folder))))
    assert made.figures == build_report(sorted(map(str, folder.rglob("*.parquet")))).figures


def test_publishes_the_figures_the_page_and_the_pictures(folder: Path, ray_session: None, tmp_path: Path) -> None:
    made = report(Config(report=ReportConfig(input=str(folder), output=str(tmp_path / "out"))))
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == made.figures
    assert (tmp_path / "out" / "report.html").read_bytes() == made.page
    assert (tmp_path / "out" / "poses.png").read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.glob("run/report.*")) == []


def test_keeps_what_only_the_first_report_knew(folder: Path, ray_session: None) -> None:
    paths = sorted(map(str, folder.rglob("*.parquet")))
    publish(str(folder), build_report(paths, [Skipped("part-00003.parquet", "truncated")], {"batch": 7}, {"poses": 90}))
    figures = report(Config(report=ReportConfig(input=str(folder)))).figures
    assert figures["skipped"] == [{"path": "part-00003.parquet", "reason": "truncated"}]
    assert (figures["settings"], figures["throughput"]) == ({"batch": 7}, {"poses": 90})


def test_prints_the_table(folder: Path, ray_session: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert job(f"report.input={folder}") == 0
    assert "===Action===" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["{", "[]", '{"skipped": 3}', "\x00"])
def test_a_report_that_is_none_is_left_aside(content: str, folder: Path, ray_session: None) -> None:
    (folder / "report.json").write_text(content)
    assert report(Config(report=ReportConfig(input=str(folder)))).figures["skipped"] == []


def test_a_folder_without_predictions_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert job(f"report.input={tmp_path}") == 2
    assert f"{tmp_path}: no prediction files" in capsys.readouterr().err


def test_no_folder_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert job("report.input=") == 2
    assert "report.input" in capsys.readouterr().err


def test_a_truncated_file_is_named_in_one_line(folder: Path, ray_session: None, capsys: pytest.CaptureFixture[str]) -> None:
    bad = folder / "predictions" / "split=test" / "part-00001.parquet"
    bad.write_bytes(bad.read_bytes()[:-50])
    assert job(f"report.input={folder}") == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert errors[-1].startswith(f"error: {bad}: cannot be read as Parquet")
    assert not (folder / "report.json").exists()


def test_predictions_of_another_run_are_named(folder: Path, ray_session: None, capsys: pytest.CaptureFixture[str]) -> None:
    other = write(folder / "predictions" / "split=test" / "part-00009.parquet", "Sitting", ("lifter",))
    assert job(f"report.input={folder}") == 2
    assert f"error: {other}: holds lifter, but" in capsys.readouterr().err
