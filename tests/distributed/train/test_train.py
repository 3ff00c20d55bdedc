"""Training on Ray Train: a run that is killed, wherever, goes on and ends as if nothing had been."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import boto3
import numpy as np
import psutil
import pytest
import ray
import torch
from uploads import upload

from pose_diffusion import storage
from pose_diffusion.config import Config, loading
from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.distributed.cluster.prometheus import EXPORTED
from pose_diffusion.distributed.train.driver import train
from pose_diffusion.errors import InputError, RunError
from pose_diffusion.geometry.camera import h36m_cameras
from pose_diffusion.inference.bundle import load_bundle
from pose_diffusion.training.data import read_shards
from pose_diffusion.training.trainer import Trainer
from tests.data.poses import rewrite, sequence, with_mixture, write_folder
from tests.distributed.prometheus import exported
from tests.distributed.runs import history
from tests.waiting import wait_for

TRAIN = "split=train/part-00000.parquet"


def placed(subject: str, rows: int) -> PoseSequence:
    """Poses before their camera, as those that are to be turned must be."""
    return dataclasses.replace(sequence(subject, rows=rows), root_3d=np.tile(np.float32([0, 0, 4]), (rows, 1)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("shards")
    camera = next(iter(h36m_cameras()["S1"].values())).to_dict()
    write_folder(path, {TRAIN: [placed("S1", 201), placed("S8", 40)]}, {"S1/c1": camera, "S8/c1": camera})
    return str(path)


def arguments(folder: str, output: Path | str, *more: str) -> list[str]:
    return [
        f"data.shards={folder}",
        f"train.output={output}",
        "model.width=8",
        "model.layers=1",
        "model.heads=2",
        "train.batch=16",
        "train.lifter_epochs=2",
        "train.denoiser_epochs=2",
        "train.threads=1",
        *more,
    ]


def settings(folder: str, output: Path | str, *more: str) -> Config:
    return loading.load(None, arguments(folder, output, *more))


def weights(output: Path | str) -> dict[str, torch.Tensor]:
    bundle = load_bundle(f"{output}/model")
    parts = (("lifter", bundle.lifter), ("denoiser", bundle.denoiser))
    return {f"{name}.{key}": value for name, network in parts for key, value in network.state_dict().items()}


def losses(output: Path) -> list[float]:
    return [entry["loss"] for entry in history(output)]


@pytest.fixture(scope="module")
def undisturbed(ray_session, folder, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "undisturbed"
    train(settings(folder, output))
    return output


def test_a_run_ends_with_a_bundle_and_a_history_of_every_epoch(undisturbed):
    entries = history(undisturbed)
    assert [(e["stage"], e["epoch"]) for e in entries] == [(s, n) for s in ("lifter", "denoiser") for n in (0, 1)]
    assert all(np.isfinite(e["loss"]) and e["samples"] == 201 and e["dropped"] == 0 for e in entries)
    assert entries[-1]["steps_done"] == 4 * 13
    assert {"lifter_mpjpe", "diffusion_p_mpjpe", "data_wait", "samples_per_second"} <= entries[-1].keys()
    assert load_bundle(str(undisturbed / "model")).denoiser is not None


def test_the_trainer_without_ray_does_as_the_job_of_one_worker(undisturbed, folder, tmp_path):
    config = settings(folder, tmp_path)
    trainer = Trainer(config)
    trainer.fit(*read_shards(config.data, config.train))
    trainer.save_bundle(f"{tmp_path}/model")
    torch.testing.assert_close(weights(tmp_path), weights(undisturbed), rtol=0, atol=0)
    told = ("loss", "lifter_mpjpe", "diffusion_p_mpjpe")
    assert [[e[key] for key in told] for e in trainer.state.history] == [[e[key] for key in told] for e in history(undisturbed)]


def test_prometheus_sees_the_runs_poses_waits_loss_and_errors(undisturbed):
    trained, poses = "ray_pose_diffusion_trained_poses_total", 2 * 2 * 201  # epochs and stages
    seen = exported(str(undisturbed), {name for name in EXPORTED if "lifted" not in name}, {trained: poses})
    assert seen[trained] == poses
    assert seen["ray_pose_diffusion_epoch"] == 1
    assert seen["ray_pose_diffusion_diffusion_mpjpe_mm"] == pytest.approx(history(undisturbed)[-1]["diffusion_mpjpe"])


@pytest.mark.slow
def test_two_workers_train_compiled_networks_as_they_train_plain_ones(ray_session, folder, tmp_path):
    found = {}
    for compiled in ("true", "false"):
        output = tmp_path / compiled
        train(settings(folder, output, "train.workers=2", f"train.compiled={compiled}", "train.denoiser_epochs=1"))
        found[compiled] = losses(output)
    assert found["true"] != found["false"]  # their dropout is drawn otherwise
    assert found["true"] == pytest.approx(found["false"], rel=0.1)


def test_a_finished_run_is_left_as_it_is(undisturbed, folder):
    before = (undisturbed / "model" / "model.yaml").stat().st_mtime_ns
    train(settings(folder, undisturbed))
    assert (undisturbed / "model" / "model.yaml").stat().st_mtime_ns == before


@dataclass(frozen=True)
class Disturbed:
    """done: epochs in the history when the driver died. killed: the workers that were killed after that."""

    output: Path
    done: int
    killed: list[int]


@pytest.fixture(scope="module")
def disturbed(ray_session, folder, tmp_path_factory, repository) -> Disturbed:
    """A run like the undisturbed one, by a driver that is killed and by another, whose worker is."""
    place = tmp_path_factory.mktemp("runs")
    output = place / "disturbed"
    command = [sys.executable, str(repository / "jobs" / "train.py"), *arguments(folder, output)]
    with open(place / "log", "wb") as log:
        # A session of its own, so that its whole Ray can be killed with it, as by a lost machine.
        driver = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for(lambda: len(history(output)) >= 1 or driver.poll() is not None, "an epoch")
        finally:
            family = psutil.Process(driver.pid).children(recursive=True)
            os.killpg(driver.pid, signal.SIGKILL)
            for process in family:
                process.kill() if process.is_running() else None
            driver.wait()
    done = len(history(output))
    assert done, (place / "log").read_text()
    killed = []

    def kill_a_worker():
        wait_for(
            lambda: any("step0000005" in str(path) for path in output.glob("checkpoints/stage1*/state.pt")),
            "a checkpoint in mid-epoch",
        )
        # A worker's title names the function it runs, so the loop's own process can be told from Ray Data's.
        for process in psutil.Process().children(recursive=True):
            if "RayTrainWorker" in " ".join(process.cmdline()):
                process.kill()
                killed.append(process.pid)

    thread = threading.Thread(target=kill_a_worker)
    thread.start()
    train(settings(folder, output, "train.checkpoint_steps=5"))
    thread.join()
    return Disturbed(output, done, killed)


def test_a_run_goes_on_after_its_drivers_death_and_repeats_no_epoch(disturbed, undisturbed):
    assert disturbed.done < 4
    entries = history(disturbed.output)
    assert [entry["epoch"] for entry in entries] == [0, 1, 0, 1]
    whole = [entry["samples"] == 201 for entry in entries]  # not the epoch in which the worker died
    assert sum(whole) >= 3
    found, expected = (np.array(losses(output))[whole].tolist() for output in (disturbed.output, undisturbed))
    assert found == expected


def test_a_worker_killed_in_mid_epoch_is_replaced_and_nothing_is_lost(disturbed):
    assert disturbed.killed
    assert history(disturbed.output)[-1]["steps_done"] == 4 * 13
    assert np.isfinite(losses(disturbed.output)).all()


def test_after_all_deaths_the_weights_are_those_of_an_undisturbed_run(disturbed, undisturbed):
    torch.testing.assert_close(weights(disturbed.output), weights(undisturbed), rtol=0, atol=0)


def test_two_workers_train_on_halves_and_report_what_the_split_drops(ray_session, folder, tmp_path):
    """Their rows are read on a labelled node."""
    short = ("train.lifter_epochs=1", "train.denoiser_epochs=1", on_this_node())
    on_the_lifter = ("train.denoiser_errors=lifter", "train.loss=distance")
    train(settings(folder, tmp_path / "run", "train.workers=2", *short, *on_the_lifter))
    entries = history(tmp_path / "run")
    assert [(e["samples"], e["dropped"]) for e in entries] == [(200, 1), (200, 1)]
    assert np.isfinite([e["loss"] for e in entries]).all()


def on_this_node() -> str:
    return f"ray.cpu_label=ray.io/node-id={ray.nodes()[0]['NodeID']}"


@pytest.mark.slow
def test_a_run_of_one_worker_goes_on_with_two(ray_session, folder, tmp_path):
    """The lifter by one worker; the denoiser, after an end between the stages, by two that read on a labelled node."""
    output = tmp_path / "run"
    train(settings(folder, output, "train.denoiser_epochs=0"))
    shutil.rmtree(output / "model")
    identity = json.loads((output / "run.json").read_text())
    (output / "run.json").write_text(json.dumps(identity | {"train.denoiser_epochs": 1}))
    train(settings(folder, output, "train.denoiser_epochs=1", "train.workers=2", on_this_node()))
    entries = [(entry["stage"], entry["samples"], entry["steps_done"]) for entry in history(output)]
    assert entries == [("lifter", 201, 13), ("lifter", 201, 26), ("denoiser", 200, 39)]


@pytest.fixture(scope="module")
def streamed(ray_session, folder, s3_endpoint) -> str:
    """A run of the lifter alone, from and to S3, that streams its rows and holds nobody out."""
    boto3.client("s3", endpoint_url=s3_endpoint).create_bucket(Bucket="training")
    upload(Path(folder), "s3://training/shards")
    run = "s3://training/run"
    alone = ("data.cache=never", "train.holdout_subjects=[]", "train.denoiser_epochs=0")
    assert train(settings("s3://training/shards", run, *alone)) == f"{run}/model"
    return run


def history_on_s3(run: str) -> list[dict]:
    return [json.loads(line) for line in storage.read_bytes(f"{run}/metrics.jsonl").splitlines()]


def test_a_streamed_run_sees_every_row_each_epoch(streamed):
    assert [(e["samples"], e["dropped"]) for e in history_on_s3(streamed)] == [(241, 0), (241, 0)]


def test_with_nobody_held_out_all_train_and_the_last_epoch_is_kept(streamed):
    assert "lifter_mpjpe" not in history_on_s3(streamed)[-1]
    assert load_bundle(f"{streamed}/model").denoiser is None


def on_the_lifter_of(run: Path, *more: str) -> tuple[str, ...]:
    return f"train.lifter={run}/model", "train.denoiser_epochs=1", *more


@pytest.fixture(scope="module")
def turned(undisturbed, folder, tmp_path_factory) -> Path:
    """A run of the denoiser alone on the undisturbed run's lifter, in bf16, with turned poses."""
    output = tmp_path_factory.mktemp("runs") / "turned"
    train(settings(folder, output, *on_the_lifter_of(undisturbed, "train.yaw_augment=1", "train.precision=bf16")))
    return output


def test_a_given_lifter_is_used_and_not_trained(turned, undisturbed):
    ours, theirs = weights(turned), weights(undisturbed)
    assert all((ours[name] == theirs[name]).all() for name in ours if name.startswith("lifter."))
    assert {entry["stage"] for entry in history(turned)} == {"denoiser"}


def test_turned_poses_train(turned, undisturbed):
    (found,) = losses(turned)
    plain = next(entry["loss"] for entry in history(undisturbed) if entry["stage"] == "denoiser")
    assert found != plain
    assert found == pytest.approx(plain, rel=0.5)


@pytest.mark.slow
def test_a_run_in_bf16_stays_near_one_in_float32(turned, undisturbed, folder, tmp_path):
    train(settings(folder, tmp_path / "run", *on_the_lifter_of(undisturbed, "train.yaw_augment=1")))  # with the same draws
    (ours,), (theirs,) = losses(turned), losses(tmp_path / "run")
    assert ours == pytest.approx(theirs, rel=0.003)
    assert ours != theirs


class TestBadInput:
    def test_a_poisoned_row_is_named_and_no_bundle_is_left(self, ray_session, tmp_path):
        write_folder(tmp_path / "shards", {TRAIN: [sequence("S1", rows=60), sequence("S8", rows=5)]})
        rewrite(f"{tmp_path}/shards/{TRAIN}", with_mixture(lambda m: m.__setitem__((44, 0, 0, 1), np.nan)))
        content = (tmp_path / "shards" / "manifest.json").read_text()
        size = os.path.getsize(f"{tmp_path}/shards/{TRAIN}")
        record = json.loads(content)
        record["files"][0]["bytes"] = size
        (tmp_path / "shards" / "manifest.json").write_text(json.dumps(record))
        with pytest.raises(InputError, match=r"part-00000\.parquet: row 44, column 'mixture': a value is not finite"):
            train(settings(f"{tmp_path}/shards", tmp_path / "run"))
        assert not (tmp_path / "run" / "model").exists()

    def test_another_configuration_in_the_same_output_is_refused(self, undisturbed, folder):
        with pytest.raises(InputError, match=r"model\.layers: there 1, now 2"):
            train(settings(folder, undisturbed, "model.layers=2"))

    def test_a_lifter_of_another_width_is_refused(self, undisturbed, folder, tmp_path):
        with pytest.raises(InputError, match=r"key 'train\.lifter'"):
            train(settings(folder, tmp_path / "run", f"train.lifter={undisturbed}/model", "model.width=16"))

    def test_gpus_that_are_not_there_are_refused(self, ray_session, folder, tmp_path):
        with pytest.raises(InputError, match=r"key 'train\.workers': no machines for 64 workers of 1 GPU"):
            train(settings(folder, tmp_path / "run", "train.device=cuda", "train.workers=64"))

    def test_a_denoiser_without_a_lifter_is_refused(self, folder, tmp_path):
        with pytest.raises(InputError, match=r"key 'train\.lifter_epochs': 0 leaves the denoiser without a lifter"):
            train(settings(folder, tmp_path / "run", "train.lifter_epochs=0"))

    def test_an_unknown_held_out_subject_is_refused(self, folder, tmp_path):
        with pytest.raises(InputError, match="no subject 'S7' in split 'train'"):
            train(settings(folder, tmp_path / "run", "train.holdout_subjects=[S7]"))

    def test_no_rows_left_to_train_is_refused(self, folder, tmp_path):
        with pytest.raises(InputError, match="no rows left"):
            train(settings(folder, tmp_path / "run", "train.holdout_subjects=[S1, S8]"))

    def test_turning_without_cameras_is_refused(self, tmp_path):
        write_folder(tmp_path / "shards", {TRAIN: [sequence("S1"), sequence("S8")]})
        with pytest.raises(InputError, match=r"no camera 'S1/c1' in the manifest, and train\.yaw_augment needs it"):
            train(settings(f"{tmp_path}/shards", tmp_path / "run", "train.yaw_augment=0.5"))
        assert not (tmp_path / "run").exists()

    def test_no_stage_is_refused(self, folder, tmp_path):
        with pytest.raises(InputError, match="nothing to train"):
            train(settings(folder, tmp_path / "run", "train.lifter_epochs=0", "train.denoiser_epochs=0"))

    @pytest.mark.slow  # a diverging trial is in every search of test_tune.py
    def test_a_diverging_run_fails_once_with_its_reason(self, ray_session, folder, tmp_path):
        with pytest.raises(RunError, match="the loss is not finite; lower"):
            train(
                settings(folder, tmp_path / "run", "train.learning_rate=1e30", "train.grad_clip=0", "train.denoiser_epochs=0")
            )
