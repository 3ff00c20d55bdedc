from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fakes import Run, table

from pose_diffusion import storage
from pose_diffusion.data import predictions
from pose_diffusion.data.schema import tensor_values
from pose_diffusion.errors import InputError
from pose_diffusion.report import playback
from pose_diffusion.report.build import build_report, publish
from pose_diffusion.report.gallery import Excerpt
from pose_diffusion.report.summary import Skipped


def test_report_json_is_published_last(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = build_report(run(table()))
    names: list[str] = []
    monkeypatch.setattr(storage, "publish_bytes", lambda path, content: names.append(Path(path).name))
    publish(str(tmp_path), report)
    assert names == ["poses.png", "report.html", "report.json"]


def test_report_json_reads_back(run: Run, tmp_path: Path) -> None:
    report = build_report(run(table(names=lambda action: action + " \u2028é")))
    publish(str(tmp_path), report)
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == report.figures


def test_a_path_that_is_not_text_can_be_reported(run: Run, tmp_path: Path) -> None:
    publish(str(tmp_path), build_report(run(table()), [Skipped("part-\udcff.parquet", "truncated")]))
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["skipped"][0]["path"] == "part-?.parquet"


def test_without_truth_there_is_no_picture(run: Run, tmp_path: Path) -> None:
    report = build_report(run(table(truth=False)))
    publish(str(tmp_path / "out"), report)
    assert report.pictures is None
    assert not (tmp_path / "out" / "poses.png").exists()


def test_a_bad_file_ends_the_report_with_its_name(run: Run) -> None:
    paths = run(table(), 40)
    Path(paths[1]).write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"part-00001\.parquet: cannot be read as Parquet"):
        build_report(paths)


def test_a_clip_holds_the_rows_it_names(run: Run) -> None:
    rows = table()
    clip = playback.read(Excerpt(-10, "S11", "Walking 2", "c2", run(rows)[0], 85), "diffusion")
    assert clip["frames"] == rows["frame"].to_pylist()[85:95]
    poses = np.reshape(clip["pose_3d"], (10, 17, 3))
    np.testing.assert_allclose(poses, 1000 * tensor_values(rows["pose_3d"])[85:95], atol=0.51)
    errors = tensor_values(rows["diffusion_joint_mm"])[85:95].mean(1)
    np.testing.assert_allclose(clip["error_mm"], errors, atol=0.06)


def test_a_clip_without_truth_has_neither_truth_nor_errors(run: Run) -> None:
    clip = playback.read(Excerpt(-5, "S9", "Sitting 1", "c1", run(table(truth=False))[0], 0), "diffusion")
    assert clip["truth"] is None
    assert clip["error_mm"] is None


def test_reads_and_publishes_on_s3_as_on_a_disk(run: Run, s3_bucket: str) -> None:
    rows = table()
    remote = f"{s3_bucket}/run/predictions/part-00000.parquet"
    predictions.write(remote, rows)
    publish(f"{s3_bucket}/run", build_report([remote]))
    figures = json.loads(storage.read_bytes(f"{s3_bucket}/run/report.json"))
    assert figures == build_report(run(rows)).figures
    assert storage.list_files(f"{s3_bucket}/run") == [
        *("poses.png", "predictions/part-00000.parquet", "report.html", "report.json"),
    ]
