"""An output folder belongs to one run."""

import pytest

from pose_diffusion.errors import InputError
from pose_diffusion.storage import run_folder


def test_the_same_run_goes_on(tmp_path):
    folder = str(tmp_path / "out")
    run_folder.claim(folder, "train", {"model": {"width": 32}})
    run_folder.claim(folder, "train", {"model": {"width": 32}})


def test_another_setting_is_refused_and_named(tmp_path):
    run_folder.claim(str(tmp_path), "train", {"model": {"width": 32, "layers": 3}})
    with pytest.raises(InputError, match=r"holds the results of another run \(model.width: there 32, now 64\)"):
        run_folder.claim(str(tmp_path), "train", {"model": {"width": 64, "layers": 3}})


def test_another_job_is_refused(tmp_path):
    run_folder.claim(str(tmp_path), "train", {})
    with pytest.raises(InputError, match="job: there 'train', now 'infer'"):
        run_folder.claim(str(tmp_path), "infer", {})


def test_a_folder_with_foreign_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="not empty and without"):
        run_folder.claim(str(tmp_path), "train", {})


def test_an_empty_name_is_refused():
    with pytest.raises(InputError, match=r"key 'train\.output'"):
        run_folder.claim("", "train", {})


def test_a_broken_record_is_refused(tmp_path):
    (tmp_path / run_folder.NAME).write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        run_folder.claim(str(tmp_path), "train", {})


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError):
        run_folder.claim(str(tmp_path / "file" / "below"), "train", {})
