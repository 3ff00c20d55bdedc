"""jobs/inspect.py: the card, the pages, and what is refused."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest
from rich.console import Console

from pose_diffusion import storage
from pose_diffusion.config import loading
from pose_diffusion.distributed.inspect import inspect, rows_to_draw
from pose_diffusion.errors import InputError
from pose_diffusion.inspection.card import render
from tests.data.poses import sequence, write_folder

TRAIN, TEST = "split=train/part-00000.parquet", "split=test/part-00000.parquet"


def settings(folder, *overrides: str):
    return loading.load(None, [f"inspect.input={folder}", *overrides])


@pytest.fixture
def folder(tmp_path) -> str:
    train = [sequence("S1", rows=30), sequence("S5", "Sitting 2", rows=20)]
    write_folder(tmp_path / "shards", {TRAIN: train, TEST: [sequence("S9", rows=10, with_3d=False)]})
    return f"{tmp_path}/shards"


def test_the_card_tells_what_is_in_the_set(ray_session, folder, tmp_path):
    found = inspect(settings(folder, f"inspect.output={tmp_path}/card", "inspect.samples=2"))
    figures = json.loads((tmp_path / "card" / "card.json").read_text())
    assert figures == found.figures
    assert figures["rows"] == {"train": 50, "test": 10}
    assert figures["subjects"] == {"S1": 30, "S5": 20, "S9": 10}
    assert figures["actions"] == {"Walking": 40, "Sitting": 20}
    assert figures["kernels"] == 3 and figures["rows_3d"] == 50
    assert found.pages == ["poses-01.png"] and (tmp_path / "card" / "poses-01.png").stat().st_size > 10_000
    assert figures["warnings"]  # random numbers are no people


def test_the_card_is_printed(ray_session, folder):
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render(inspect(settings(folder)).figures, folder))
    text = console.export_text()
    assert "RKnee" in text and "S9 10" in text and "Walking 40" in text and "! 2D:" in text


def test_one_split_alone_may_be_looked_at(ray_session, folder):
    figures = inspect(settings(folder, "inspect.split=test")).figures
    assert figures["rows"] == {"test": 10} and figures["rows_3d"] == 0 and figures["bones_mm"] is None


def test_sets_on_s3_are_read_and_pages_written_there(ray_session, s3_bucket):
    write_folder(f"{s3_bucket}/shards", {TRAIN: [sequence(rows=10)]})
    found = inspect(settings(f"{s3_bucket}/shards", f"inspect.output={s3_bucket}/card"))
    assert storage.list_files(f"{s3_bucket}/card") == ["card.json", *found.pages]


def test_drawn_rows_are_spread_over_the_sequences(tmp_path):
    files = write_folder(tmp_path, {TRAIN: [sequence(action=f"Walking {n}", rows=10) for n in range(9)]}).files
    assert rows_to_draw(files, 3) == {TRAIN: [5, 45, 85]}
    assert rows_to_draw(files, 100) == {TRAIN: [5 + 10 * n for n in range(9)]}


def test_a_split_that_is_not_there_is_refused(ray_session, folder):
    with pytest.raises(InputError, match="no files in split 'validation'; it has train, test"):
        inspect(settings(folder, "inspect.split=validation"))


def test_a_folder_is_asked_for():
    with pytest.raises(InputError, match=r"key 'inspect\.input'"):
        inspect(loading.load(None, []))


def test_the_job_does_not_hide_the_standard_librarys_module(repository):
    for job in ("inspect.py", "prepare.py"):
        done = subprocess.run([sys.executable, f"jobs/{job}", "--help"], cwd=repository, capture_output=True, text=True)
        assert done.returncode == 0 and "keys:" in done.stdout
