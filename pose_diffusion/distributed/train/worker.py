"""What each Ray Train worker runs: the trainer, on Ray Data's rows, with Ray's checkpoints, log lines and metrics."""

from __future__ import annotations

import functools
import math
import os
from typing import Any

import ray.train
import ray.train.torch
import torch

from pose_diffusion import storage
from pose_diffusion.config import TrainConfig
from pose_diffusion.distributed.cluster.causes import input_error_in
from pose_diffusion.distributed.cluster.prometheus import TrainingMetrics
from pose_diffusion.distributed.train.checkpoints import report, restore
from pose_diffusion.distributed.train.epochs import Epochs
from pose_diffusion.distributed.train.messages import WorkerOutcome, WorkerSettings
from pose_diffusion.errors import RunError
from pose_diffusion.runtime.keyed_random import name_key
from pose_diffusion.runtime.process import configure_runtime
from pose_diffusion.runtime.progress import Progress
from pose_diffusion.training import history
from pose_diffusion.training.data import HeldOut, read_held_out
from pose_diffusion.training.selection import columns
from pose_diffusion.training.trainer import Callbacks, Trainer
from pose_diffusion.training.video.clip_batch import ClipBatch
from pose_diffusion.training.video.data import drawn_clips, read_held_out_clips


def train_worker(loop_config: dict[str, WorkerSettings]) -> WorkerOutcome:
    """Trains, and returns the errors that no second try would mend: Ray Train would start it again for others."""
    try:
        _train(loop_config["settings"])
    except RunError as error:
        return WorkerOutcome(run_error=str(error))
    except Exception as error:
        if known := input_error_in(error):
            return WorkerOutcome(input_error=str(known))
        if _out_of_memory(error) and ray.train.get_context().get_world_size() == 1:  # of several, the others wait for this one
            cause = str(error).splitlines()[0]
            return WorkerOutcome(run_error=f"out of memory ({cause}); lower train.batch, train.micro_batch or model.width")
        raise
    return WorkerOutcome()


def _train(settings: WorkerSettings) -> None:
    config, train = settings.config, settings.config.train
    context = ray.train.get_context()
    rank, world, device = context.get_world_rank(), context.get_world_size(), ray.train.torch.get_device()
    configure_runtime(_threads(train, context.get_local_world_size()), train.precision == "tf32")
    log = settings.log_actor.say.remote if rank == 0 and settings.log_actor else (lambda line: None)

    # Restore: the last checkpoint, or the start.
    trainer = Trainer(config, device, rank, world)
    if restore(trainer):
        state = trainer.state
        log(f"going on from stage {state.stage + 1}, epoch {state.epoch + 1}, step {state.steps_done}")

    # Data: this worker's part of the training rows, and its share of the held-out poses.
    epochs = _epochs(settings, trainer)
    # Timed from the first rows on, not from Ray Data's start.
    loading = functools.cache(lambda: Progress("reading training rows", settings.rows // world, "rows", say=log))
    epochs.load(lambda done: loading().reached(done))
    held_out: HeldOut | ClipBatch | None = None
    if settings.holdout and config.model.family == "video":
        held_out = read_held_out_clips(config, settings.holdout, device, rank, world)
    elif settings.holdout:
        held_out = read_held_out(config.data.shards, settings.holdout, train.holdout_poses, device, rank, world)

    metrics = TrainingMetrics(train.output)

    def publish(entry: dict[str, Any]) -> None:
        if rank == 0:
            history.publish(train.output, trainer.state.history)
            metrics.epoch(entry)

    trainer.fit(epochs, held_out, Callbacks(log, metrics.step, publish, functools.partial(report, trainer)))
    if rank == 0:
        trainer.save_bundle(storage.join(train.output, "model"), trained_by="jobs/train.py")
        if advice := history.advice(trainer.state.history):
            log(advice)


def _epochs(settings: WorkerSettings, trainer: Trainer) -> Epochs:
    """This worker's part of the training rows."""
    config, rank, world = settings.config, trainer.rank, trainer.world
    clips = None
    if settings.rate is not None:
        clips = functools.partial(drawn_clips, config=config, rate=settings.rate, rows=settings.rows, workers=world)
    return Epochs(
        ray.train.get_dataset_shard("train"),
        trainer.batch,
        settings.rows,
        math.ceil(settings.rows / world) if settings.cached else 0,
        config.data.shuffle_rows,
        trainer.device,
        name_key(config.train.seed, rank),
        columns(config),
        clips,
    )


def _threads(config: TrainConfig, workers_here: int) -> int:
    """CPU threads of a worker: train.threads, or its share of the machine's cores."""
    cpus = os.cpu_count() or 1
    return min(cpus, config.threads or max(1, cpus // workers_here))


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
