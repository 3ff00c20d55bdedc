"""The infer job with a bundle of the video family."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pose_diffusion.distributed.infer.driver import infer
from pose_diffusion.errors import InputError
from tests.distributed.archives import hashes, settings, write_bundle
from tests.distributed.infer.video_archives import predicted, write_cut, write_video_bundle

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_video_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def lifted(bundle: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A folder with the shards, archive/, and their predictions, out/; and the report's figures."""
    folder = tmp_path_factory.mktemp("lifted")
    write_cut(folder / "archive", [25, 52, 60])
    return folder, infer(settings(bundle, folder / "archive", folder / "out"))


def test_another_cut_gives_the_same_predictions_and_figures(bundle: str, lifted: tuple[Path, dict], tmp_path: Path) -> None:
    write_cut(tmp_path / "archive", [13])
    figures = infer(settings(bundle, tmp_path / "archive", tmp_path / "out", "infer.batch=7", "infer.workers=2"))
    np.testing.assert_allclose(predicted(tmp_path / "out"), predicted(lifted[0] / "out"), atol=1e-5)
    one, other = (found["headline"]["video"]["action_mean"] for found in (figures, lifted[1]))
    assert one == pytest.approx(other, rel=1e-5)


def test_running_again_makes_what_is_missing_alone(bundle: str, lifted: tuple[Path, dict]) -> None:
    folder = lifted[0]
    files = sorted((folder / "out" / "predictions").rglob("*.parquet"))
    before, times = hashes(folder / "out"), {path: path.stat().st_mtime_ns for path in files}
    files[1].unlink()
    infer(settings(bundle, folder / "archive", folder / "out"))
    assert hashes(folder / "out") == before
    assert [path for path in files if path.stat().st_mtime_ns != times[path]] == [files[1]]


def test_the_report_says_what_was_assumed(lifted: tuple[Path, dict]) -> None:
    report = json.loads((lifted[0] / "out" / "report.json").read_text())
    assert report["settings"]["frame_rate"] == "30 (assumed)"
    assert report["settings"]["camera"] == "focal length = the image's diagonal, assumed for 2 of 2"
    assert report["methods"] == ["video"] and report["counts"]["poses"] == 80
    assert report["intrinsics"] == {"known": 0, "field_of_view": 0, "image_diagonal": 80}
    assert report["jitter"] is None  # nobody said the rate


@pytest.mark.parametrize("key", ["infer.fps=25", "infer.field_of_view=60", "infer.flips=false"])
def test_another_rate_or_lens_is_refused_in_the_same_folder(bundle: str, lifted: tuple[Path, dict], key: str) -> None:
    folder = lifted[0]
    with pytest.raises(InputError, match="holds the results of another run"):
        infer(settings(bundle, folder / "archive", folder / "out", key))


@pytest.mark.parametrize(
    "key",
    [
        "infer.hypotheses=3",
        "infer.eta=0.5",
        "infer.diffusion=false",
        "infer.preserve_scale=true",
        "infer.aggregate=weighted",
        "infer.compiled=true",
    ],
)
def test_what_the_video_family_does_not_have_is_refused(
    bundle: str, lifted: tuple[Path, dict], tmp_path: Path, key: str
) -> None:
    with pytest.raises(InputError, match=f"key '{key.partition('=')[0]}'"):
        infer(settings(bundle, lifted[0] / "archive", tmp_path, key))


@pytest.mark.parametrize("key", ["infer.fps=25", "infer.field_of_view=60"])
def test_what_the_published_family_does_not_have_is_refused(lifted: tuple[Path, dict], tmp_path: Path, key: str) -> None:
    published = write_bundle(tmp_path / "bundle")
    with pytest.raises(InputError, match=f"key '{key.partition('=')[0]}': .* is of the published family"):
        infer(settings(published, lifted[0] / "archive", tmp_path / "out", key))


@pytest.mark.parametrize("key", ["infer.field_of_view=0", "infer.field_of_view=200", "infer.fps=0", "infer.fps=-1"])
def test_rates_and_angles_that_no_camera_has_are_refused(bundle: str, tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match=key.partition("=")[0]):
        settings(bundle, tmp_path, tmp_path / "out", key)
