"""What a search makes of its trials, without anything that runs them."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from pose_diffusion.config import Config, TuneConfig, loading
from pose_diffusion.tuning import space as spaces
from pose_diffusion.tuning.search import Search, line
from pose_diffusion.tuning.trials import Trial

SPACE = {"diffusion.beta_end": {"loguniform": [1e-3, 1e-2]}, "diffusion.steps": {"grid": [51, 100]}}


def settings(folder, **tune) -> Config:
    values = {"output": str(folder), "trials": 2, "algorithm": "random", "space": SPACE, **tune}
    train = {"denoiser_epochs": 3, "lifter_epochs": 7, "holdout_poses": 5}
    return loading.from_dict({"tune": values, "train": train, "model": {"width": 8, "heads": 2}})


def open_search(folder, said=None, **tune) -> Search:
    config = settings(folder, **tune)
    base = config.model_copy(update={"train": config.train.model_copy(update={"threads": 1, "lifter": "/shared/lifter"})})
    return Search(config, spaces.parse(config), base, "cpu", (said if said is not None else []).append)


def ran(search: Search, trial: Trial, *errors: float) -> None:
    """As if the trial's run had trained an epoch for each error."""
    folder = search.journal.run(trial.id)
    entries = [
        {"stage": "denoiser", "epoch": n, "loss": 1.0, "samples": 10, "samples_per_second": 5.0, "diffusion_mpjpe": error}
        for n, error in enumerate(errors)
    ]
    from pose_diffusion import storage

    storage.publish_bytes(f"{folder}/metrics.jsonl", "".join(json.dumps(entry) + "\n" for entry in entries).encode())
    storage.publish_bytes(f"{folder}/checkpoints/state.pt", b"weights")


def statuses(search: Search) -> list[str]:
    return [trial.status for trial in search.journal]


def test_as_many_trials_begin_as_the_budget_and_the_grids_say(tmp_path):
    search = open_search(tmp_path)
    assert len(list(iter(search.next, None))) == search.budget == 4


def test_a_trial_runs_the_training_of_its_settings_in_its_own_folder(tmp_path):
    search = open_search(tmp_path)
    trial = search.next()
    config = search.config_of(trial)
    assert config.diffusion.beta_end == trial.settings["diffusion.beta_end"]
    assert config.train.output == str(tmp_path / "trials" / "0001")
    assert (config.train.lifter, config.train.threads, config.tune) == ("/shared/lifter", 1, TuneConfig())


def test_a_trial_with_all_its_epochs_is_finished_and_its_checkpoints_go(tmp_path):
    search = open_search(tmp_path)
    trial = search.next()
    ran(search, trial, 70.0, 68.0, 69.0)
    search.finish(trial.id)
    assert (search.journal["0001"].status, search.journal["0001"].mpjpe) == ("finished", 68.0)
    assert not (tmp_path / "trials" / "0001" / "checkpoints").exists()


def test_a_trial_that_time_stopped_may_go_on(tmp_path):
    search = open_search(tmp_path)
    trial = search.next()
    ran(search, trial, 70.0)
    search.finish(trial.id)
    assert search.journal["0001"].status == "running"
    assert (tmp_path / "trials" / "0001" / "checkpoints").exists()


def test_a_search_goes_on_with_its_running_trials_and_then_with_new_ones(tmp_path):
    before = open_search(tmp_path)
    first, second = before.next(), before.next()
    ran(before, first, 70.0, 68.0, 69.0)
    before.finish(first.id)
    after = open_search(tmp_path)
    assert [trial.id for trial in iter(after.next, None)] == [second.id, "0003", "0004"]


def test_a_larger_budget_goes_on_from_a_smaller_one(tmp_path):
    assert len(list(iter(open_search(tmp_path, trials=1).next, None))) == 2
    more = open_search(tmp_path, trials=2)
    assert {trial.id for trial in iter(more.next, None)} >= {"0003", "0004"}


def test_a_search_draws_the_same_whether_it_was_killed_or_not(tmp_path):
    whole = open_search(tmp_path / "whole")
    for trial in iter(whole.next, None):
        ran(whole, trial, 70.0, 69.0, 68.0)
        whole.finish(trial.id)
    for _ in range(4):
        part = open_search(tmp_path / "parts")
        trial = part.next()
        ran(part, trial, 70.0, 69.0, 68.0)
        part.finish(trial.id)
    assert [trial.settings for trial in part.journal] == [trial.settings for trial in whole.journal]


def test_a_failed_trial_keeps_its_reason_and_the_search_goes_on(tmp_path):
    said: list[str] = []
    search = open_search(tmp_path, said)
    search.fail(search.next().id, "out of memory")
    assert (search.journal["0001"].reason, statuses(search)) == ("out of memory", ["failed"])
    assert search.next() is not None
    assert "failed" in said[0] and said[0].endswith(": out of memory")


def test_a_trial_without_a_finite_error_has_failed(tmp_path):
    search = open_search(tmp_path)
    trial = search.next()
    ran(search, trial, float("nan"), float("nan"), float("nan"))
    search.finish(trial.id)
    assert search.journal["0001"].reason == "the held-out error is not finite"


def test_new_epochs_are_heard_once(tmp_path):
    search = open_search(tmp_path)
    trial = search.next()
    ran(search, trial, 70.0)
    assert [point.epoch for point in search.hear(trial.id)] == [1]
    ran(search, trial, 70.0, 69.0)
    assert [point.epoch for point in search.hear(trial.id)] == [2]
    assert search.hear(trial.id) == []


def test_the_best_config_is_whole_and_trains_with_final_epochs_beside_the_search(tmp_path):
    search = open_search(tmp_path, final_denoiser_epochs=30)
    for error in (70.0, 65.0):
        trial = search.next()
        ran(search, trial, error, error, error)
        search.finish(trial.id)
    config = loading.load(str(tmp_path / "best.yaml"))
    assert config.diffusion.beta_end == search.journal["0002"].settings["diffusion.beta_end"]
    assert config.train.output == str(tmp_path / "best")
    assert (config.train.denoiser_epochs, config.train.lifter_epochs) == (30, 7)
    # What trials had in common but the user did not ask for is left out.
    assert (config.train.lifter, config.train.threads, config.tune) == ("", 0, TuneConfig())


def test_the_table_is_there_from_the_first_trial_that_ends(tmp_path):
    search = open_search(tmp_path)
    search.next()
    search.fail(search.next().id, "out of memory")
    assert pq.read_table(tmp_path / "trials.parquet")["status"].to_pylist() == ["running", "failed"]
    assert not (tmp_path / "best.yaml").exists()


def test_the_page_is_made_of_the_table(tmp_path):
    search = open_search(tmp_path)
    trial = search.next()
    ran(search, trial, 70.0, 68.0, 69.0)
    search.finish(trial.id)
    search.publish_page()
    assert "diffusion.beta_end" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("settings", [{"model.width": 32, "diffusion.step_list": [0, 6], "diffusion.beta_end": 0.00123456}])
def test_a_line_names_the_settings_by_their_whole_keys(settings):
    assert "model.width 32, diffusion.step_list [0, 6], diffusion.beta_end 0.001235" in line(Trial("0001", settings))
