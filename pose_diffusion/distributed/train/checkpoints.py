"""A training run's checkpoints in Ray Train: where a killed run goes on."""

from __future__ import annotations

import tempfile
from typing import Any

import ray.train

from pose_diffusion.training.state import TrainState
from pose_diffusion.training.trainer import Trainer


def restore(trainer: Trainer) -> bool:
    """Takes the trainer to the run's last checkpoint; whether there is one."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint:
        with checkpoint.as_directory() as folder:
            trainer.load_state_dict(vars(TrainState.load(folder)))
    return checkpoint is not None


def report(trainer: Trainer, metrics: dict[str, Any]) -> None:
    """Reports to Ray, which every rank does at the same places; rank 0 saves the run's state with it."""
    if trainer.rank != 0:
        ray.train.report(metrics)
        return
    state = TrainState(**trainer.state_dict())
    with tempfile.TemporaryDirectory() as folder:
        state.save(folder)
        name = f"stage{state.stage}-epoch{state.epoch:04d}-step{state.step:07d}"
        ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder), checkpoint_dir_name=name)
