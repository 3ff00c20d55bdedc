"""The training loop: resumed at any step it is the same run, it learns, and it keeps what the held-out poses say is best."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os

import pytest
import torch
import torch.multiprocessing

from pose_diffusion.config import Config, ModelConfig, TrainConfig
from pose_diffusion.errors import InputError, RunError
from pose_diffusion.inference.bundle import load_bundle, save_bundle
from pose_diffusion.inference.lifting import lift
from pose_diffusion.inference.options import SamplingOptions
from pose_diffusion.training.data import HeldOut, TensorRows
from pose_diffusion.training.state import TrainState
from pose_diffusion.training.trainer import Callbacks, Trainer
from tests.data.poses import sequence

MODEL = ModelConfig(width=8, layers=1, heads=2)
ROWS = 48


def settings(**train) -> Config:
    values = {"batch": 16, "lifter_epochs": 2, "denoiser_epochs": 2, "threads": 1, **train}
    return Config().model_copy(update={"model": MODEL, "train": TrainConfig(**values)})


def rows(config: Config, count: int = ROWS) -> TensorRows:
    return TensorRows.from_sequences([sequence(rows=count)], config.train)


def held_out(count: int = 10) -> HeldOut:
    return HeldOut(*TensorRows.from_sequences([sequence("S8", rows=count)], TrainConfig()).columns)


def fitted(config: Config, callbacks: Callbacks | None = None, **more) -> Trainer:
    trainer = Trainer(config)
    trainer.fit(rows(config), held_out(), callbacks, **more)
    return trainer


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    networks = trainer.networks()
    parts = (("lifter", networks.lifter), ("denoiser", networks.denoiser))
    return {f"{name}.{key}": value for name, part in parts if part is not None for key, value in part.state_dict().items()}


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


class Stop(Exception):
    pass


def state_after(config: Config, saves: int) -> dict:
    """The state that a run has at its save of this number, where it is left."""
    trainer, states = Trainer(config), []

    def save(_: dict) -> None:
        states.append(trainer.state_dict())
        if len(states) == saves:
            raise Stop

    with pytest.raises(Stop):
        trainer.fit(rows(config), held_out(), Callbacks(save=save))
    return states[-1]


@pytest.mark.parametrize("optimiser", ["adam", "muon"])
def test_steps_restored_in_their_midst_are_the_steps_of_an_undisturbed_run(optimiser: str) -> None:
    config = settings(optimiser=optimiser)
    batches = list(itertools.islice(rows(config).batches(0), 3)) * 2
    straight, first, second = (Trainer(config) for _ in range(3))
    expected = [straight.train_step(batch) for batch in batches]
    found = [first.train_step(batch) for batch in batches[:2]]
    state = first.state_dict()
    first.train_step(batches[2])  # a state is a copy
    second.load_state_dict(state)
    found += [second.train_step(batch) for batch in batches[2:]]
    assert found == expected
    ours, theirs = second.state_dict(), straight.state_dict()
    assert (ours["step"], ours["steps_done"]) == (theirs["step"], theirs["steps_done"]) == (6, 6)
    assert same(ours["model"], theirs["model"]) and same(ours["ema"], theirs["ema"])


# With a checkpoint a step, an epoch of three steps saves after its first, its second and its end.
@pytest.mark.parametrize("saves", [1, 3, 5, 6, 8, 12])
def test_a_run_restored_anywhere_ends_as_an_undisturbed_one(saves: int, tmp_path) -> None:
    config = settings(checkpoint_steps=1, denoiser_errors="lifter")
    TrainState(**state_after(config, saves)).save(tmp_path)
    resumed = Trainer(config)
    resumed.load_state_dict(vars(TrainState.load(tmp_path)))
    resumed.fit(rows(config), held_out())
    undisturbed = fitted(config)
    assert same(weights(resumed), weights(undisturbed))
    steps = [entry["steps_done"] for entry in resumed.state.history]
    assert steps == [entry["steps_done"] for entry in undisturbed.state.history] == [3, 6, 9, 12]


def test_fit_takes_stage_after_stage_and_says_what_it_does() -> None:
    lines, steps, entries, saved = [], [], [], []
    trainer = fitted(settings(), Callbacks(lines.append, lambda *step: steps.append(step[:2]), entries.append, saved.append))
    assert steps == [("lifter", 16)] * 6 + [("denoiser", 16)] * 6
    epochs = [("lifter", 0), ("lifter", 1), ("denoiser", 0), ("denoiser", 1)]
    for told in (entries, saved, trainer.state.history):
        assert [(entry["stage"], entry["epoch"]) for entry in told] == epochs
    assert all(entry["samples"] == ROWS and entry["dropped"] == 0 for entry in entries)
    assert [line.split(",")[0] for line in lines[::3]] == ["lifter   epoch   1/2", "denoiser epoch   2/2"]
    assert trainer.finished


def test_the_loss_on_poses_that_can_be_learned_falls() -> None:
    config = settings(lifter_epochs=30, denoiser_epochs=0, learning_rate=5e-3, flip=False, sample_kernels=False)
    generator = torch.Generator().manual_seed(0)
    uv = torch.rand(64, 17, 2, generator=generator) - 0.5
    mixture = torch.cat([torch.ones(64, 17, 1), uv, torch.full((64, 17, 2), 0.01)], -1)[:, :, None]
    pose_3d = torch.cat([uv, uv[..., :1]], -1)  # depth is u
    trainer = Trainer(config)
    trainer.fit(TensorRows([mixture, pose_3d], 16))
    losses = [entry["loss"] for entry in trainer.state.history]
    assert losses[-1] < losses[0] / 10


def test_the_measures_do_not_depend_on_how_held_out_poses_are_split() -> None:
    config = settings(lifter_epochs=1, denoiser_epochs=0)
    trainer, poses = Trainer(config), held_out(10)
    trainer.train_step(next(rows(config).batches(0)))
    whole = trainer.evaluate(poses)
    parts = [HeldOut(poses.mixture[part], poses.pose_3d[part]) for part in (slice(0, 3), slice(3, 10))]
    measured = [trainer.evaluate(part) for part in parts]
    for name, value in whole.items():
        assert (3 * measured[0][name] + 7 * measured[1][name]) / 10 == pytest.approx(value, rel=1e-5)


def test_evaluating_changes_nothing_of_what_is_trained() -> None:
    config = settings()
    batches = list(rows(config).batches(0))
    plain, judged = Trainer(config), Trainer(config)
    for batch in batches:
        plain.train_step(batch)
        judged.evaluate(held_out())
        judged.train_step(batch)
    assert same(plain.state_dict()["model"], judged.state_dict()["model"])
    assert same(plain.state_dict()["ema"], judged.state_dict()["ema"])


@pytest.mark.parametrize("stage", ["lifter", "denoiser"])
def test_a_loss_that_is_not_finite_names_the_keys_to_change(stage: str) -> None:
    config = settings(lifter_epochs=1, denoiser_epochs=1)
    data = rows(config)
    trainer = Trainer(config)
    if stage == "denoiser":
        trainer.load_state_dict(state_after(config, 1))
    data.columns[1][:] = math.inf
    with pytest.raises(
        RunError, match=rf"{stage} epoch 1: the loss is not finite; lower train\.learning_rate or set train\.grad_clip"
    ):
        trainer.fit(data)


def test_the_weights_kept_are_those_of_the_epoch_that_held_out_poses_prefer() -> None:
    """Poses that the first epoch's network gets right."""
    once = settings(lifter_epochs=1, denoiser_epochs=0, ema_decay=0.0)
    first = Trainer(once)
    first.fit(rows(once))
    mixture = held_out().mixture
    trainer = Trainer(settings(lifter_epochs=3, denoiser_epochs=0, ema_decay=0.0))
    trainer.fit(rows(once), HeldOut(mixture, lift(first.networks(), mixture, SamplingOptions(flips=False)).pose_3d))
    errors = [entry["lifter_mpjpe"] for entry in trainer.state.history]
    assert errors[0] < 1e-3 < min(errors[1:])
    assert same(trainer.state.lifter, first.state.lifter)


def test_without_held_out_poses_the_last_epoch_is_kept_and_nothing_is_measured() -> None:
    config = settings(denoiser_epochs=0, ema_decay=0.0)
    trainer, states = Trainer(config), []
    trainer.fit(rows(config), callbacks=Callbacks(save=lambda _: states.append(trainer.state_dict())))
    assert not states[0]["best"] and states[1]["best"]["epoch"] == 1
    assert same(trainer.state.lifter, states[1]["model"])
    assert all("lifter_mpjpe" not in entry for entry in trainer.state.history)


def test_held_out_poses_are_evaluated_as_often_as_asked_and_at_the_end() -> None:
    trainer = fitted(settings(lifter_epochs=5, denoiser_epochs=0, evaluate_every=2))
    assert ["lifter_mpjpe" in entry for entry in trainer.state.history] == [False, True, False, True, True]


def test_a_given_lifter_is_used_and_not_trained(tmp_path) -> None:
    first = fitted(settings(denoiser_epochs=0))
    first.save_bundle(str(tmp_path / "lifter"))
    trainer = fitted(settings(lifter=str(tmp_path / "lifter")))
    assert {entry["stage"] for entry in trainer.state.history} == {"denoiser"}
    assert same(trainer.networks().lifter.state_dict(), first.networks().lifter.state_dict())


def test_a_lifter_of_another_width_is_refused(tmp_path) -> None:
    lifter = fitted(settings(denoiser_epochs=0)).networks().lifter
    save_bundle(str(tmp_path), MODEL, Config().diffusion, lifter.state_dict())
    config = settings(lifter=str(tmp_path)).model_copy(update={"model": MODEL.model_copy(update={"width": 16})})
    with pytest.raises(InputError, match=r"key 'train\.lifter'"):
        Trainer(config).fit(rows(config))


def test_the_bundle_of_a_run_holds_its_networks(tmp_path) -> None:
    trainer = fitted(settings())
    trainer.save_bundle(str(tmp_path))
    bundle = load_bundle(str(tmp_path))
    assert bundle.denoiser is not None
    ours = {**prefixed("lifter", bundle.lifter), **prefixed("denoiser", bundle.denoiser)}
    assert same(ours, weights(trainer))
    assert bundle.provenance["steps"] == 12


def prefixed(name: str, network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {f"{name}.{key}": value for key, value in network.state_dict().items()}


def test_an_unfinished_run_has_no_bundle(tmp_path) -> None:
    trainer = Trainer(settings())
    with pytest.raises(ValueError, match="not finished: stage 'lifter', epoch 1"):
        trainer.save_bundle(str(tmp_path))


def test_a_finished_run_takes_no_step() -> None:
    config = settings(lifter_epochs=1, denoiser_epochs=0)
    trainer = fitted(config)
    with pytest.raises(ValueError, match="the run is finished"):
        trainer.train_step(next(rows(config).batches(0)))


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"lifter_epochs": 0, "denoiser_epochs": 0}, "key 'train.lifter_epochs': nothing to train"),
        ({"lifter_epochs": 0}, "key 'train.lifter_epochs': 0 leaves the denoiser without a lifter"),
    ],
)
def test_a_config_that_cannot_be_trained_is_refused(train: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Trainer(settings(**train))


def test_no_rows_are_refused() -> None:
    config = settings()
    with pytest.raises(InputError, match="no rows to train on"):
        Trainer(config).fit(TensorRows([torch.zeros(0, 17, 1, 5), torch.zeros(0, 17, 3)], 16))


def worker(rank: int, config: Config, folder: str) -> None:
    """One of two workers: its half of the rows, batches and held-out poses of a run."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    data = rows(config)
    half = TensorRows([column[rank::2] for column in data.columns], 8, rank, data.rows)
    poses = held_out()
    trainer = Trainer(config, rank=rank, world=2)
    trainer.fit(half, HeldOut(poses.mixture[rank::2], poses.pose_3d[rank::2]))
    TrainState(lifter=trainer.state.lifter, history=trainer.state.history).save(f"{folder}/{rank}")
    torch.distributed.barrier()
    os._exit(0)  # gloo's threads, taken down with the interpreter, abort about one process in fifty


def test_two_workers_end_with_the_same_weights_and_measures(tmp_path) -> None:
    for rank in range(2):
        (tmp_path / str(rank)).mkdir()
    config = settings(denoiser_epochs=0)
    torch.multiprocessing.spawn(worker, (config, str(tmp_path)), nprocs=2)
    one, two = (TrainState.load(tmp_path / str(rank)) for rank in range(2))
    assert same(one.lifter, two.lifter)
    told = ("loss", "samples", "lifter_mpjpe", "lifter_p_mpjpe")
    assert [[entry[key] for key in told] for entry in one.history] == [[entry[key] for key in told] for entry in two.history]
    assert one.history[0]["samples"] == ROWS and one.history[-1]["steps_done"] == 6
    assert dataclasses.asdict(one).keys() == Trainer(config).state_dict().keys()
