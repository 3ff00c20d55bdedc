"""A search of the video model on Ray Tune: a trial is judged by held-out clips, and the best one's config trains it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from pose_diffusion.config import Config, loading
from pose_diffusion.distributed.tune.driver import tune
from pose_diffusion.distributed.tune.ray_hooks import Prune
from pose_diffusion.inference.video_bundle import load_video_bundle
from pose_diffusion.tuning import space as spaces
from pose_diffusion.tuning.search import Search
from tests.distributed.runs import history
from tests.training.video import shard_folder

SPACE = {"model.width": {"choice": [8, 16]}, "video.velocity_loss": {"uniform": [0.5, 2.0]}}


def settings(folder: Path, epochs: int, trials: int) -> Config:
    """A search in folder/out, on folder/shards."""
    values = {
        "data": {"shards": str(folder / "shards")},
        "model": {"family": "video", "layers": 1, "heads": 2, "frames": 9},
        "train": {"epochs": epochs, "batch": 240, "threads": 1, "holdout_poses": 90},
        "tune": {"output": str(folder / "out"), "trials": trials, "reduction": 2.0, "final_epochs": 7, "space": SPACE},
    }
    return loading.from_dict(values)


@pytest.fixture(scope="module")
def searched(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Search]:
    """A search of one trial and its folder."""
    folder = tmp_path_factory.mktemp("search")
    shard_folder.write(folder / "shards")
    return folder / "out", tune(settings(folder, epochs=2, trials=1))


def test_a_trial_worse_than_those_before_it_is_stopped_by_its_held_out_clips(tmp_path: Path) -> None:
    config = settings(tmp_path, epochs=4, trials=9)
    search = Search(config, spaces.parse(config), config, "cpu")
    prune = Prune(search)
    decisions = [_reported(prune, search, error) for error in (70.0, 80.0)]
    assert decisions == ["CONTINUE", "STOP"]
    assert [trial.status for trial in search.journal] == ["running", "pruned"]


def _reported(prune: Prune, search: Search, error: float) -> str:
    """What is decided on a new trial after its first epoch."""
    id = search.next().id
    entry = {"stage": "video", "epoch": 0, "loss": 1.0, "samples": 1, "samples_per_second": 1.0, "mpjpe": error}
    run = Path(search.journal.run(id))
    run.mkdir(parents=True)
    (run / "metrics.jsonl").write_text(json.dumps(entry) + "\n")
    return prune.on_trial_result(None, SimpleNamespace(config={"trial": id}), entry)


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
