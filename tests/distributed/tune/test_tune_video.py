"""A search of the video model on Ray Tune: a trial is judged by held-out clips, and the best one's config trains it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pose_diffusion.config import loading
from pose_diffusion.distributed.tune.driver import tune
from pose_diffusion.inference.video_bundle import load_video_bundle
from pose_diffusion.tuning.search import Search
from tests.distributed.runs import history
from tests.training.video import shard_folder

SPACE = {"model.width": {"choice": [8, 16]}, "video.velocity_loss": {"uniform": [0.5, 2.0]}}


@pytest.fixture(scope="module")
def searched(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Search]:
    """A search of one trial and its folder."""
    folder = tmp_path_factory.mktemp("search")
    values = {
        "data": {"shards": shard_folder.write(folder / "shards")},
        "model": {"family": "video", "layers": 1, "heads": 2, "frames": 9},
        "train": {"epochs": 2, "batch": 240, "threads": 1, "holdout_poses": 90},
        "tune": {"output": str(folder / "out"), "trials": 1, "final_epochs": 7, "space": SPACE},
    }
    return folder / "out", tune(loading.from_dict(values))


def test_a_trial_is_judged_by_the_held_out_clips_of_its_best_epoch(searched: tuple[Path, Search]) -> None:
    (trial,) = searched[1].journal
    entries = history(Path(searched[1].journal.run(trial.id)))
    assert (trial.status, trial.epochs) == ("finished", len(entries)) == ("finished", 2)
    assert trial.mpjpe == min(entry["mpjpe"] for entry in entries)


def test_it_leaves_a_bundle_of_its_size(searched: tuple[Path, Search]) -> None:
    (trial,) = searched[1].journal
    assert load_video_bundle(f"{searched[1].journal.run(trial.id)}/model").model.width == trial.settings["model.width"]


def test_the_best_config_trains_the_video_model_with_the_final_epochs(searched: tuple[Path, Search]) -> None:
    folder, search = searched
    best = loading.load(str(folder / "best.yaml"))
    assert best.model.family == "video" and best.train.epochs == 7
    assert best.video.velocity_loss == search.journal.best.settings["video.velocity_loss"]
    assert not (folder / "lifters").exists()
