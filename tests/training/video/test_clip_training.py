"""The video model's stage in the one training loop: what it draws, that it learns, and that it resumes."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from pose_diffusion.config import Config, DataConfig, ModelConfig, TrainConfig, VideoConfig
from pose_diffusion.data import manifest as manifests
from pose_diffusion.errors import InputError
from pose_diffusion.training.trainer import Callbacks, Trainer
from pose_diffusion.training.video.batch import view_batch
from pose_diffusion.training.video.clip_batch import ClipBatch
from pose_diffusion.training.video.data import DrawnClips, read_clips
from pose_diffusion.training.video.stage import VideoLoss
from tests.training.video import shard_folder

MODEL = ModelConfig(family="video", width=16, layers=1, heads=2, frames=9, dropout=0)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> str:
    return shard_folder.write(tmp_path_factory.mktemp("shards"))


def settings(shards: str, **train: object) -> Config:
    values = {"batch": 96, "epochs": 2, "learning_rate": 3e-3, "holdout_poses": 90, **train}
    parts = {"model": MODEL, "data": DataConfig(shards=shards), "train": TrainConfig(**values)}
    return Config().model_copy(update=parts)


def fields(batch: tuple[torch.Tensor, ...]) -> ClipBatch:
    return ClipBatch(*batch)


def test_clips_are_rows_of_one_sequence_in_their_own_camera(shards: str) -> None:
    drawn, _ = read_clips(settings(shards))
    for batch in drawn.batches(0):
        clips = fields(batch)
        points = clips.joints_3d
        uv = points[..., :2] / points[..., 2:] * clips.intrinsic[:, None, None, :2] + clips.intrinsic[:, None, None, 2:4]
        assert (uv - clips.mixture[..., 0, 1:3]).norm(dim=-1).median() < 0.03  # detections lie about the true joints
        assert clips.time.diff(dim=1).numel() == 0 or clips.time.diff(dim=1)[clips.valid[:, 1:]].min() > 0.019


def test_an_epoch_has_as_many_poses_as_the_rows_and_skipping_begins_where_it_says(shards: str) -> None:
    config = settings(shards)
    drawn, _ = read_clips(config)
    batches = list(drawn.batches(1))
    poses = [batch[-1].numel() for batch in batches]
    assert drawn.rows == 480 and len(batches) == 5 and all(96 - 9 < count <= 96 for count in poses)
    again = list(drawn.batches(1, skip=3))
    assert all(
        torch.equal(a, b) for one, other in zip(batches[3:], again, strict=True) for a, b in zip(one, other, strict=True)
    )


def test_workers_share_the_sequences_and_hold_out_other_clips(shards: str) -> None:
    config = settings(shards)
    parts = [read_clips(config, rank=rank, world=2) for rank in range(2)]
    whole, held_out = read_clips(config)
    assert isinstance(whole, DrawnClips) and held_out is not None
    sequences = [set(part._own.sequence.tolist()) for part, _ in parts]
    assert not sequences[0] & sequences[1] and len(sequences[0] | sequences[1]) == 8
    assert sum(len(clips.valid) for _, clips in parts if clips) == len(held_out.valid) == 10


@pytest.mark.parametrize("world", [2, 3, 5])
def test_workers_have_as_many_steps_as_each_other_however_the_sequences_fall_to_them(shards: str, world: int) -> None:
    config = settings(shards)
    parts = [read_clips(config, rank=rank, world=world)[0] for rank in range(world)]
    assert len({len(part._own) for part in parts}) == (1 if world == 2 else 2)  # 8 sequences of 60 rows
    assert {len(list(part.batches(0))) for part in parts} == {math.ceil(480 / world / (96 // world))}


def test_it_learns(shards: str) -> None:
    config = settings(shards, epochs=12)
    trainer = Trainer(config)
    drawn, held_out = read_clips(config)
    trainer.fit(drawn, held_out)
    losses = [entry["loss"] for entry in trainer.state.history]
    assert losses[-1] < 0.7 * losses[0]
    assert trainer.state.history[-1]["mpjpe"] < 0.7 * 1000 * 0.45  # of a body of mean joint distance 0.45 m
    assert trainer.video_network()(*inputs(held_out)).shape == (10, 9, 17, 3)


def inputs(held_out: ClipBatch | None) -> tuple[torch.Tensor, ...]:
    assert held_out is not None
    batch = view_batch(held_out)
    return batch.kernels, batch.context, batch.time, batch.valid


def test_a_run_restored_within_an_epoch_ends_as_an_undisturbed_one(shards: str) -> None:
    config = settings(shards, checkpoint_steps=2)
    drawn, held_out = read_clips(config)
    straight, first = Trainer(config), Trainer(config)
    straight.fit(drawn, held_out)

    class Stop(Exception):
        pass

    states: list[dict] = []

    def save(_: dict) -> None:
        states.append(first.state_dict())
        if len(states) == 2:
            raise Stop

    with pytest.raises(Stop):
        first.fit(drawn, held_out, Callbacks(save=save))
    second = Trainer(config)
    second.load_state_dict(states[-1])
    second.fit(drawn, held_out)
    ours, theirs = straight.state.best["weights"], second.state.best["weights"]
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_passes_of_any_size_make_the_same_step(shards: str) -> None:
    batch = next(iter(read_clips(settings(shards))[0].batches(0)))
    losses = []
    for micro_batch in (0, 9, 27):
        trainer = Trainer(settings(shards, micro_batch=micro_batch))
        losses.append(float(trainer.train_step(batch)))
    assert losses[1:] == pytest.approx([losses[0]] * 2, rel=1e-4)


def test_without_errors_and_random_cameras_the_network_sees_the_data(shards: str) -> None:
    plain = VideoConfig(errors=0, random_cameras=0, misjudged=0)
    config = settings(shards, flip=False).model_copy(update={"video": plain})
    batch = next(iter(read_clips(config)[0].batches(0)))
    seen = VideoLoss(config).make_batch(batch, torch.Generator().manual_seed(0))
    truth = fields(batch).pose_3d
    torch.testing.assert_close(seen.target.norm(dim=-1), truth.norm(dim=-1), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("rate", "cameras", "message"),
    [
        (False, True, "the manifest has no frame rate"),
        (True, False, r"no camera 'S1/\d+' in the manifest, and the video model needs it"),
    ],
)
def test_data_without_cameras_or_frame_rate_is_refused(tmp_path: Path, rate: bool, cameras: bool, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_clips(settings(shard_folder.write(tmp_path, rate=rate, cameras=cameras)))


def test_held_out_clips_without_their_camera_are_refused(tmp_path: Path) -> None:
    folder = shard_folder.write(tmp_path)
    manifest = manifests.read(folder)
    known = {name: camera for name, camera in manifest.cameras.items() if not name.startswith("S8/")}
    manifests.write(folder, manifest.model_copy(update={"cameras": known}))
    with pytest.raises(InputError, match=r"no camera 'S8/\d+' in the manifest, and the video model needs it"):
        read_clips(settings(folder))


@pytest.mark.parametrize(
    ("train", "message"),
    [({"epochs": 0}, "key 'train.epochs': nothing to train"), ({"compiled": True}, "key 'train.compiled'")],
)
def test_a_config_that_cannot_be_trained_is_refused(shards: str, train: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Trainer(settings(shards, **train))


def test_the_families_do_not_share_their_ends(shards: str) -> None:
    config = settings(shards, epochs=1)
    trainer = Trainer(config)
    with pytest.raises(ValueError, match="not finished"):
        trainer.video_network()
    trainer.fit(read_clips(config)[0])
    with pytest.raises(ValueError, match="see video_network"):
        trainer.networks()
    assert dataclasses.asdict(trainer.state)["lifter"] == {}
