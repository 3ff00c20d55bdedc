"""A search of the video model on Ray Tune: trials are judged by held-out clips, and the best one's config trains it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pose_diffusion.config import loading
from pose_diffusion.distributed.tune.driver import tune
from pose_diffusion.inference.video_bundle import load_video_bundle
from pose_diffusion.tuning.search import Search
from tests.distributed.runs import history
from tests.training.video import shard_folder

SPACE = {"model.width": {"grid": [8, 16]}, "video.velocity_loss": {"uniform": [0.5, 2.0]}}


@pytest.fixture(scope="module")
def searched(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Search]:
    """A search of two trials, side by side, and its folder."""
    folder = tmp_path_factory.mktemp("search")
    values = {
        "data": {"shards": shard_folder.write(folder / "shards")},
        "model": {"family": "video", "layers": 1, "heads": 2, "frames": 9},
        "train": {"epochs": 2, "batch": 240, "threads": 1, "holdout_poses": 90},
        "tune": {"output": str(folder / "out"), "trials": 1, "prune": False, "final_epochs": 7, "space": SPACE},
    }
    return folder / "out", tune(loading.from_dict(values))


def test_trials_end_judged_by_the_held_out_clips_of_their_best_epoch(searched: tuple[Path, Search]) -> None:
    _, search = searched
    assert [(trial.status, trial.epochs) for trial in search.journal] == [("finished", 2)] * 2
    for trial in search.journal:
        entries = history(Path(search.journal.run(trial.id)))
        assert trial.mpjpe == min(entry["mpjpe"] for entry in entries)
    assert search.journal.best.mpjpe == min(trial.mpjpe for trial in search.journal)


def test_each_trial_leaves_a_bundle_of_its_size(searched: tuple[Path, Search]) -> None:
    _, search = searched
    sizes = [load_video_bundle(f"{search.journal.run(trial.id)}/model").model.width for trial in search.journal]
    assert sizes == [trial.settings["model.width"] for trial in search.journal] == [8, 16]


def test_the_best_config_trains_the_best_trial_with_the_final_epochs(searched: tuple[Path, Search]) -> None:
    folder, search = searched
    best = loading.load(str(folder / "best.yaml"))
    assert best.model.family == "video" and best.train.epochs == 7
    assert best.model.width == search.journal.best.settings["model.width"]
    assert best.video.velocity_loss == search.journal.best.settings["video.velocity_loss"]
    assert not (folder / "lifters").exists()
