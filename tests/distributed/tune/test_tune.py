"""A search on Ray Tune: what trials come to, what is published, and that the test split stays shut."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
import torch

from pose_diffusion.cli import VERBS, exit_code
from pose_diffusion.config import Config, DiffusionConfig, ModelConfig, loading
from pose_diffusion.distributed.tune.driver import tune
from pose_diffusion.distributed.tune.ray_hooks import Prune
from pose_diffusion.distributed.tune.trial import lifter_run
from pose_diffusion.errors import InputError, RunError
from pose_diffusion.inference.bundle import load_bundle, save_bundle
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.tuning import space as spaces
from pose_diffusion.tuning.search import Search
from pose_diffusion.tuning.trials import Journal
from tests.data.poses import sequence, write_folder
from tests.distributed.infer.video_archives import write_video_bundle
from tests.distributed.runs import history
from tests.waiting import wait_for

TRAIN, TEST = "split=train/part-00000.parquet", "split=test/part-00000.parquet"
MODEL = ModelConfig(width=8, layers=1, heads=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    """Shards whose test file is no Parquet: whoever opens it fails."""
    path = tmp_path_factory.mktemp("shards")
    write_folder(path, {TRAIN: [sequence("S1", rows=120), sequence("S8", rows=30)], TEST: [sequence("S9", rows=10)]})
    size = os.path.getsize(path / TEST)
    (path / TEST).write_bytes(b"?" * size)
    return str(path)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> str:
    """A bundle of new networks."""
    path = str(tmp_path_factory.mktemp("bundle") / "model")
    torch.manual_seed(0)
    networks = Lifter(MODEL).state_dict(), Denoiser(MODEL).state_dict()
    save_bundle(path, MODEL, DiffusionConfig(), *networks, {"holdout_subjects": ["S8"]})
    return path


def values(folder: str, output: Path, space: dict, train: dict | None = None, **more) -> dict:
    return {
        "data": {"shards": folder},
        "model": MODEL.model_dump(),
        "train": {"batch": 16, "lifter_epochs": 1, "denoiser_epochs": 2, "threads": 1, **(train or {})},
        "tune": {"output": str(output), "trials": 1, "prune": False, "space": space, **more},
    }


def settings(*arguments, **more) -> Config:
    return loading.from_dict(values(*arguments, **more))


RATES = {"train.learning_rate": {"grid": [1e30, 1e-3]}}


@pytest.fixture(scope="module")
def searched(ray_session, folder, bundle, tmp_path_factory) -> tuple[Config, Search]:
    """Two trials with a given lifter, of which the first cannot but diverge."""
    output = tmp_path_factory.mktemp("searches") / "rates"
    config = settings(folder, output, RATES, {"lifter": bundle, "grad_clip": 0.0})
    return config, tune(config)


def test_a_trial_that_fails_says_why_and_the_other_ends(searched):
    config, _ = searched
    rows = pq.read_table(f"{config.tune.output}/trials.parquet").to_pylist()
    assert {row["train.learning_rate"]: row["status"] for row in rows} == {1e30: "failed", 1e-3: "finished"}
    failed, finished = rows
    assert "the loss is not finite" in failed["reason"]
    assert len(finished["curve"]) == finished["epochs"] == 2 and finished["mpjpe"]


def test_a_search_ends_though_the_test_split_cannot_be_read(searched, folder):
    assert (Path(folder) / TEST).read_bytes()[:4] == b"????"
    assert searched[1].journal.best is not None


def test_the_best_trial_is_the_one_of_least_held_out_error(searched):
    config, search = searched
    has_the_least_error(search)
    best = loading.load(f"{config.tune.output}/best.yaml")
    assert best.train.learning_rate == search.journal.best.settings["train.learning_rate"]


def has_the_least_error(search: Search) -> None:
    errors = {trial.id: history(Path(search.journal.run(trial.id))) for trial in search.journal if trial.status == "finished"}
    least = {id: min(entry["diffusion_mpjpe"] for entry in entries) for id, entries in errors.items()}
    assert search.journal.best.id == min(least, key=least.get)
    assert search.journal.best.mpjpe == min(least.values())


def test_tensorboard_finds_the_curves_of_all_trials_in_one_folder(searched):
    assert curves(searched[0], "0002") == 2


def curves(config: Config, trial: str) -> int:
    """The epochs that TensorBoard shows of a trial."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (events,) = Path(config.tune.output).glob(f"trials/{trial}/tensorboard/events*")
    return len(EventAccumulator(str(events)).Reload().Scalars("denoiser/diffusion_mpjpe"))


def test_ended_trials_keep_no_checkpoints(searched):
    assert not list(Path(searched[0].tune.output).glob("trials/*/checkpoints/*"))


def test_a_finished_search_repeats_nothing(searched):
    config, _ = searched
    before = {path: path.stat().st_mtime_ns for path in Path(config.tune.output).glob("trials/**/*") if path.is_file()}
    tune(config)
    assert {path: path.stat().st_mtime_ns for path in Path(config.tune.output).glob("trials/**/*") if path.is_file()} == before


def test_another_space_in_the_same_folder_is_refused(searched, folder, bundle):
    config, _ = searched
    other = settings(
        folder, config.tune.output, {"train.learning_rate": {"grid": [1e-4]}}, {"lifter": bundle, "grad_clip": 0.0}
    )
    with pytest.raises(InputError, match=r"holds the results of another run \(tune\.space"):
        tune(other)


def test_sampling_is_searched_on_a_bundle_and_the_best_becomes_one(ray_session, folder, bundle, tmp_path):
    space = {"diffusion.window": {"grid": [6, 12]}, "infer.flips": {"grid": [True, False]}}
    config = settings(folder, tmp_path / "search", space, mode="sampling", bundle=bundle)
    search = tune(config)
    assert [trial.status for trial in search.journal] == ["finished"] * 4
    assert len({trial.mpjpe for trial in search.journal}) == 4
    assert search.journal.best.mpjpe == min(trial.mpjpe for trial in search.journal)
    assert not list((tmp_path / "search" / "trials").glob("*/"))  # nothing was trained
    best = loading.load(str(tmp_path / "search" / "best.yaml"))
    assert load_bundle(best.infer.bundle).diffusion.window == search.journal.best.settings["diffusion.window"]
    assert best.infer.flips == search.journal.best.settings["infer.flips"]


def test_one_lifter_serves_all_settings_of_the_denoiser(folder):
    config = settings(folder, Path("/unused"), {})
    on_the_lifter = config.train.model_copy(update={"denoiser_errors": "lifter"})
    changed = config.model_copy(update={"diffusion": DiffusionConfig(steps=100), "train": on_the_lifter})
    assert lifter_run(config, "/lifters") == lifter_run(changed, "/lifters")


def test_each_setting_of_the_lifter_has_its_own(folder):
    config = settings(folder, Path("/unused"), {})
    larger = config.model_copy(update={"model": ModelConfig(width=16, layers=1, heads=2)})
    assert lifter_run(config, "/lifters").train.output != lifter_run(larger, "/lifters").train.output


class TestPruning:
    """ASHA's decisions, on curves as trials would have written them."""

    def search(self, tmp_path: Path, folder: str) -> Search:
        config = settings(
            folder, tmp_path, {"train.learning_rate": {"loguniform": [1e-4, 1e-2]}}, {"denoiser_epochs": 4}, trials=9
        )
        config = config.model_copy(update={"tune": config.tune.model_copy(update={"prune": True, "reduction": 2.0})})
        return Search(config, spaces.parse(config), config, "cpu")

    def train(self, search: Search, id: str, *errors: float) -> None:
        entries = [
            {"stage": "denoiser", "epoch": n, "loss": 1.0, "samples": 1, "samples_per_second": 1.0, "diffusion_mpjpe": error}
            for n, error in enumerate(errors)
        ]
        path = Path(search.journal.run(id)) / "metrics.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))

    def told(self, prune: Prune, search: Search, id: str, *errors: float) -> str:
        class Reported:
            config = {"trial": id}

        self.train(search, id, *errors)
        return prune.on_trial_result(None, Reported(), {})

    def test_a_trial_worse_than_those_before_it_is_stopped(self, tmp_path, folder):
        search = self.search(tmp_path, folder)
        ids = [search.next().id for _ in range(2)]
        prune = Prune(search)
        assert self.told(prune, search, ids[0], 70.0) == "CONTINUE"
        assert self.told(prune, search, ids[1], 80.0) == "STOP"
        assert search.journal[ids[1]].status == "pruned"

    def test_trials_of_before_a_restart_count(self, tmp_path, folder):
        search = self.search(tmp_path, folder)
        first = search.next().id
        self.told(Prune(search), search, first, 70.0)
        again = self.search(tmp_path, folder)
        assert again.next().id == first
        assert self.told(Prune(again), again, again.next().id, 80.0) == "STOP"

    def test_nobody_is_stopped_at_the_last_epoch(self, tmp_path, folder):
        search = self.search(tmp_path, folder)
        ids = [search.next().id for _ in range(2)]
        prune = Prune(search)
        self.told(prune, search, ids[0], 70.0, 60.0, 55.0, 50.0)
        assert self.told(prune, search, ids[1], 69.0, 59.0, 54.0, 90.0) == "CONTINUE"


class TestBadInput:
    def refused(self, *arguments, **more) -> str:
        with pytest.raises(InputError) as error:
            tune(settings(*arguments, **more))
        return str(error.value)

    def test_a_search_needs_a_space(self, folder, tmp_path):
        assert "key 'tune.space'" in self.refused(folder, tmp_path / "out", {})
        assert not (tmp_path / "out").exists()

    def test_a_search_needs_an_output(self, folder):
        config = settings(folder, Path("x"), RATES)
        config = config.model_copy(update={"tune": config.tune.model_copy(update={"output": ""})})
        with pytest.raises(InputError, match=r"key 'tune\.output'"):
            tune(config)

    def test_a_search_needs_subjects_held_out(self, folder, tmp_path):
        assert "key 'train.holdout_subjects'" in self.refused(folder, tmp_path, RATES, {"holdout_subjects": []})

    def test_sampling_is_not_of_the_video_model(self, folder, tmp_path):
        config = settings(folder, tmp_path, RATES, mode="sampling")
        config = config.model_copy(update={"model": config.model.model_copy(update={"family": "video"})})
        with pytest.raises(InputError, match=r"key 'tune\.mode': sampling is of the published family"):
            tune(config)

    def test_a_search_of_sampling_needs_a_bundle_of_the_published_family(self, folder, tmp_path):
        space = {"diffusion.count": {"choice": [1, 2]}}
        video = write_video_bundle(tmp_path / "video")
        assert "a bundle of the video family" in self.refused(folder, tmp_path / "out", space, mode="sampling", bundle=video)

    def test_held_out_subjects_must_be_there(self, folder, tmp_path):
        assert "no subject 'S7'" in self.refused(folder, tmp_path, RATES, {"holdout_subjects": ["S7"]})

    def test_a_search_of_sampling_needs_a_bundle(self, folder, tmp_path):
        space = {"diffusion.count": {"choice": [1, 2]}}
        assert "key 'tune.bundle'" in self.refused(folder, tmp_path, space, mode="sampling")

    def test_a_search_of_sampling_needs_a_denoiser(self, folder, tmp_path):
        save_bundle(str(tmp_path / "lifter"), MODEL, DiffusionConfig(), Lifter(MODEL).state_dict())
        space = {"diffusion.count": {"choice": [1, 2]}}
        message = self.refused(folder, tmp_path / "out", space, mode="sampling", bundle=str(tmp_path / "lifter"))
        assert "holds a lifter alone" in message

    @pytest.mark.parametrize("space", ["{model.widht: {choice: [8]}}", "{model.width: {choice: []}}", "{model.width: [8]}"])
    def test_the_job_ends_with_2_and_one_line(self, folder, tmp_path, capsys, space):
        arguments = [f"data.shards={folder}", f"tune.output={tmp_path}/out", f"tune.space={space}"]
        assert exit_code(VERBS["tune"], arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1 and "tune.space" in error
        assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_search_in_which_all_trials_fail_says_why(ray_session, folder, bundle, tmp_path):
    config = settings(folder, tmp_path, {"train.learning_rate": {"choice": [1e30]}}, {"lifter": bundle, "grad_clip": 0.0})
    with pytest.raises(RunError, match=r"no trial came to a result; the first failed: .*the loss is not finite"):
        tune(config)


@pytest.mark.slow
def test_trials_that_differ_in_the_denoiser_share_a_lifter_of_each_size(ray_session, folder, tmp_path):
    space = {"model.width": {"grid": [8, 16]}, "diffusion.steps": {"grid": [51, 60]}}
    config = settings(folder, tmp_path, space, {"denoiser_epochs": 1})
    search = tune(config)
    assert [trial.status for trial in search.journal] == ["finished"] * 4
    has_the_least_error(search)
    assert [curves(config, trial.id) for trial in search.journal] == [1] * 4
    lifters = list((tmp_path / "lifters").iterdir())
    assert len(lifters) == 2
    assert {load_bundle(f"{path}/model").model.width for path in lifters} == {8, 16}


@pytest.mark.slow
def test_a_network_that_does_not_fit_the_memory_fails_alone(ray_session, folder, tmp_path):
    space = {"model.width": {"grid": [8, 4_000_000]}}
    search = tune(settings(folder, tmp_path, space, {"denoiser_epochs": 0}))
    assert sorted(trial.status for trial in search.journal) == ["failed", "finished"]
    assert "memory" in next(trial.reason for trial in search.journal if trial.status == "failed")


@pytest.mark.slow
def test_a_killed_search_goes_on_and_repeats_no_finished_trial(ray_session, folder, bundle, tmp_path, repository):
    space = {"train.learning_rate": {"grid": [1e-3, 2e-3, 3e-3, 4e-3]}}
    given = values(folder, tmp_path / "out", space, {"lifter": bundle, "denoiser_epochs": 40})
    (tmp_path / "tune.yaml").write_text(json.dumps(given))
    command = [sys.executable, str(repository / "jobs" / "tune.py"), "--config", str(tmp_path / "tune.yaml")]

    told = 4  # epochs; the last may have been told before Ray Train had noted its checkpoint, and is then trained again

    def journal() -> list:
        return list(Journal(str(tmp_path / "out")))

    def in_mid_search() -> bool:
        trials = journal()
        finished = [trial for trial in trials if trial.status == "finished"]
        running = [trial for trial in trials if trial.status == "running" and told <= trial.epochs < 35]
        return bool(finished and running)

    with open(tmp_path / "log", "wb") as log:
        driver = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for(in_mid_search, "trials under way")
        finally:
            family = psutil.Process(driver.pid).children(recursive=True)
            os.killpg(driver.pid, signal.SIGKILL)
            for process in family:
                process.kill() if process.is_running() else None
            driver.wait()
    before = {trial.id: trial for trial in journal()}
    first_epochs = {id: history(tmp_path / "out" / "trials" / id)[:2] for id, trial in before.items() if trial.epochs >= told}
    tune(loading.load(str(tmp_path / "tune.yaml")))
    after = {trial.id: trial for trial in journal()}
    assert [trial.status for trial in after.values()] == ["finished"] * 4
    assert all(after[id] == trial for id, trial in before.items() if trial.status == "finished")
    assert {id: history(tmp_path / "out" / "trials" / id)[:2] for id in first_epochs} == first_epochs  # with their times
