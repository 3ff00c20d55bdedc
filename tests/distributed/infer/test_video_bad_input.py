"""Bad input of the video family by the command, without Ray: one line and exit 2, or taken as people expect."""

from __future__ import annotations

from pathlib import Path

import pytest

from pose_diffusion.cli import VERBS, exit_code
from pose_diffusion.config import InferConfig
from pose_diffusion.data import manifest as manifests
from pose_diffusion.distributed.infer.video_input import video_input
from pose_diffusion.inference.bundle_folder import read_description
from tests.distributed.archives import write_bundle
from tests.distributed.infer.video_archives import write_cut, write_video_bundle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with archive/ and a bundle of each family, named by it."""
    path = tmp_path_factory.mktemp("bad")
    write_cut(path / "archive", [25])
    write_bundle(path / "published")
    write_video_bundle(path / "video")
    return path


@pytest.mark.parametrize(
    ("family", "arguments", "message"),
    [
        ("video", ["infer.field_of_view=0"], "key 'infer.field_of_view'"),
        ("video", ["infer.field_of_view=200"], "key 'infer.field_of_view'"),
        ("video", ["infer.fps=0"], "key 'infer.fps'"),
        ("video", ["infer.fps=.nan"], "key 'infer.fps'"),
        ("video", ["infer.hypotheses=5"], "key 'infer.hypotheses' is 5: the video model has no diffusion"),
        ("video", ["infer.compiled=true"], "key 'infer.compiled': true is for the published family"),
        ("published", ["infer.fps=25"], "is of the published family, which has no use for it"),
        ("published", ["infer.field_of_view=60"], "is of the published family, which has no use for it"),
    ],
)
def test_infer_ends_with_2_and_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], family: str, arguments: list[str], message: str
) -> None:
    given = [f"infer.bundle={folder}/{family}", f"infer.input={folder}/archive", f"infer.output={tmp_path}/out", *arguments]
    assert exit_code(VERBS["infer"], given) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("family", ["published", "video"])
def test_tune_refuses_a_bundle_whose_sampling_cannot_be_searched(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], family: str
) -> None:
    given = ["tune.mode=sampling", f"tune.bundle={folder}/video", f"data.shards={folder}/archive", f"model.family={family}",
             f"tune.output={tmp_path}/out", "tune.space={diffusion.count: {choice: [1, 2]}}"]  # fmt: skip
    assert exit_code(VERBS["tune"], given) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and "published family" in error


@pytest.mark.parametrize("fps", [0, -25, "fast", None, float("inf")])
def test_a_manifest_with_no_rate_that_makes_sense_is_as_one_that_does_not_say(folder: Path, fps: object) -> None:
    manifest = manifests.read(str(folder / "archive")).model_copy(update={"source": {"fps": fps}})
    found = video_input(InferConfig(bundle=f"{folder}/video"), manifest, read_description(f"{folder}/video"))
    assert (found.rate, found.rate_from, found.known_rate) == (30.0, "assumed", None)
    given = video_input(InferConfig(bundle=f"{folder}/video", fps=60), manifest, read_description(f"{folder}/video"))
    assert (given.rate, given.known_rate) == (60.0, 60.0)
