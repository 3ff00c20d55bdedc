"""The video model trained on Ray: cached and streamed, and as the trainer without Ray does it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pose_diffusion.config import Config, loading
from pose_diffusion.distributed.train.driver import train
from pose_diffusion.errors import InputError
from pose_diffusion.inference.video_bundle import load_video_bundle
from pose_diffusion.training.trainer import Trainer
from pose_diffusion.training.video.data import read_clips
from tests.distributed.runs import history
from tests.training.video import shard_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return shard_folder.write(tmp_path_factory.mktemp("shards"), files=3)


def settings(folder: str, output: Path, *more: str) -> Config:
    arguments = [
        f"data.shards={folder}",
        f"train.output={output}",
        "model.family=video",
        "model.width=16",
        "model.layers=1",
        "model.heads=2",
        "model.frames=9",
        "train.batch=96",
        "train.epochs=2",
        "train.threads=1",
        "train.holdout_poses=90",
    ]
    return loading.load(None, [*arguments, *more])


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_video_bundle(f"{output}/model").network.state_dict()


@pytest.fixture(scope="module")
def cached(ray_session: object, folder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "cached"
    train(settings(folder, output))
    return output


def test_a_run_ends_with_a_bundle_and_held_out_errors_of_every_epoch(cached: Path) -> None:
    entries = history(cached)
    assert [(entry["stage"], entry["epoch"]) for entry in entries] == [("video", 0), ("video", 1)]
    assert all(0 < entry["p_mpjpe"] < entry["mpjpe"] < 2000 and entry["dropped"] == 0 for entry in entries)
    assert load_video_bundle(f"{cached}/model").model.frames == 9


def test_the_trainer_without_ray_does_as_the_job_of_one_worker(cached: Path, folder: str, tmp_path: Path) -> None:
    config = settings(folder, tmp_path)
    trainer = Trainer(config)
    trainer.fit(*read_clips(config))
    trainer.save_bundle(f"{tmp_path}/model")
    torch.testing.assert_close(weights(tmp_path), weights(cached), rtol=0, atol=1e-6)


def test_more_rows_than_the_cache_holds_are_streamed_stretch_by_stretch(
    ray_session: object, folder: str, tmp_path: Path
) -> None:
    train(settings(folder, tmp_path, "data.cache=never", "data.shuffle_rows=150"))
    entries = history(tmp_path)
    assert entries[-1]["steps_done"] == 2 * (480 // 96)
    assert entries[-1]["mpjpe"] < 2000


def test_rows_that_make_no_whole_batch_are_a_step_when_streamed_too(ray_session: object, folder: str, tmp_path: Path) -> None:
    train(settings(folder, tmp_path, "data.cache=never", "train.batch=1000"))
    assert history(tmp_path)[-1]["steps_done"] == 2


def test_another_clip_setting_is_another_run(cached: Path, folder: str) -> None:
    with pytest.raises(InputError, match="video"):
        train(settings(folder, cached, "video.reverse=0"))
