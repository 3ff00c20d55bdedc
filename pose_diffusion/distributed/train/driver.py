"""Training on Ray Train: the driver that sets up a run; its workers run `worker`.

A run is the folder train.output: running the same command again resumes it from its last checkpoint.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
import ray.train
import ray.train.torch

from pose_diffusion import storage
from pose_diffusion.config import Config, TrainConfig, loading
from pose_diffusion.config.renamed import first_names
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data import shards
from pose_diffusion.data.manifest import Manifest, Selection, ShardFile
from pose_diffusion.distributed.cluster import resources
from pose_diffusion.distributed.cluster.causes import input_error_in, reason
from pose_diffusion.distributed.cluster.log_actor import log_actor
from pose_diffusion.distributed.cluster.session import ray_cluster
from pose_diffusion.distributed.train.data import cache_bytes, stream
from pose_diffusion.distributed.train.messages import WorkerOutcome, WorkerSettings
from pose_diffusion.distributed.train.scaling import reading, scaling, worker_range
from pose_diffusion.distributed.train.worker import train_worker
from pose_diffusion.errors import InputError, RunError
from pose_diffusion.storage import run_folder
from pose_diffusion.training.bundles import given_lifter, other_family
from pose_diffusion.training.selection import check_cameras, columns, frame_rate, read_columns, training_selection
from pose_diffusion.training.stages import check_stages

log = logging.getLogger(__name__)

# What may change when a run goes on: how it is computed, not what.
_NOT_IDENTITY = {"output", "workers", "placement", "device", "max_failures", "threads", "checkpoint_steps"}


@dataclass(frozen=True)
class Inputs:
    """What a run reads: the rows to train on, those held out, and the columns of a shard."""

    manifest: Manifest
    selection: Selection
    holdout: Selection | None
    columns: tuple[str, ...]

    @property
    def files(self) -> list[ShardFile]:
        return self.selection.files(self.manifest)

    @property
    def rows(self) -> int:
        return sum(self.selection.count(file) for file in self.files)


def check_inputs(config: Config) -> Inputs:
    """Looks at all that a run reads before it starts. Raises InputError for bad configuration or shards."""
    if not config.data.shards:
        raise InputError("key 'data.shards': expected a shard folder, got nothing")
    check_stages(config)
    manifest = manifests.read(config.data.shards)
    selection, holdout = training_selection(config.data, config.train.holdout_subjects)
    if holdout:
        holdout.check(manifest, f"{config.data.shards} (train.holdout_subjects)")
    selection.check(manifest, config.data.shards)
    check_cameras(config, manifest, config.data.shards)
    inputs = Inputs(manifest, selection, holdout, read_columns(columns(config)))
    shards.check_footers(config.data.shards, inputs.files, manifest.kernels)
    if config.train.lifter:
        given_lifter(config.train.lifter, config.model)
    return inputs


def identity(config: Config, manifest: Manifest) -> dict[str, Any]:
    """What decides the outcome of a run."""
    return {
        "data": config.data.model_dump(exclude={"shards", "cache", "cache_gib", "shuffle_rows"}),
        "shards": run_folder.digest([file.sha256 for file in manifest.files]),
        "model": config.model.described(),
        "diffusion": first_names("diffusion", config.diffusion.model_dump()),
        "train": first_names("train", config.train.model_dump(exclude=_NOT_IDENTITY | other_family(config.model))),
        **({"video": config.video.model_dump()} if config.model.family == "video" else {}),
    }


def on_gpu(config: TrainConfig) -> bool:
    """Whether the run's workers take GPUs of the cluster that Ray is on."""
    return config.device == "cuda" or (config.device == "auto" and ray.cluster_resources().get("GPU", 0) > 0)


def train(config: Config, callbacks: Sequence[Any] = (), side_by_side: int = 1, quiet: bool = False) -> str:
    """Trains the stages of the model's family and returns the bundle's folder, <train.output>/model.

    callbacks: Ray Train's, told of every report. side_by_side: runs that share the cluster. quiet: no lines on the log_actor.
    Raises InputError for bad configuration or shards, RunError for a run that could not be finished.
    """
    inputs = check_inputs(config)
    manifest = inputs.manifest
    run_folder.claim(config.train.output, "train", identity(config, manifest))
    bundle = storage.join(config.train.output, "model")
    if storage.exists(storage.join(bundle, "model.yaml")):
        log.info("train: %s is finished already", bundle)
        return bundle
    storage.publish_bytes(storage.join(config.train.output, "config.yaml"), loading.dump(config).encode())

    with ray_cluster(config, dashboard=True), contextlib.nullcontext() if quiet else log_actor() as lines:
        gpu = on_gpu(config.train)
        if gpu:
            resources.require(config, "train.workers", worker_range(config.train, gpu)[0], gpus=1)
        rate = frame_rate(manifest, config.data.shards) if config.model.family == "video" else None
        settings = WorkerSettings(config, inputs.rows, _cached(config, inputs, gpu), inputs.holdout, lines, rate)
        trainer = _torch_trainer(settings, inputs, scaling(config.train, gpu, side_by_side), callbacks)
        try:
            outcome = getattr(trainer.fit(), "return_value", None) or WorkerOutcome()
        except Exception as error:
            known = input_error_in(error)
            if known is None:
                shards.find_bad(config.data.shards, inputs.files, manifest.kernels, inputs.columns)
                log.exception("train: the run failed")
                raise RunError(f"training stopped: {reason(error)}; run the same command again to go on") from None
            raise known from None
    outcome.check()
    log.info("train: done, bundle in %s", bundle)
    return bundle


def _cached(config: Config, inputs: Inputs, gpu: bool) -> bool:
    """Whether each worker keeps its part of the rows in memory, by data.cache; logs what the run is."""
    least, most = worker_range(config.train, gpu)
    needed = cache_bytes(inputs.rows, inputs.manifest.kernels) / least
    cached = config.data.cache == "always" or (config.data.cache == "auto" and needed <= config.data.cache_gib * 2**30)
    log.info(
        "train: %s poses, %s workers on %s, %s",
        f"{inputs.rows:,}",
        most if least == most else f"{least} to {most}",
        "GPU" if gpu else "CPU",
        f"cached in memory ({needed / 2**20:,.0f} MiB a worker)" if cached else "streamed each epoch",
    )
    return cached


def _torch_trainer(
    settings: WorkerSettings, inputs: Inputs, workers: ray.train.ScalingConfig, callbacks: Sequence[Any]
) -> ray.train.torch.TorchTrainer:
    """Ray's trainer of a run: the rows, the workers, and where checkpoints lie."""
    config, train = settings.config, settings.config.train
    rows = stream(
        config.data.shards,
        inputs.manifest,
        inputs.selection,
        train.seed,
        shuffle=not settings.cached,
        columns=columns(config),
    )
    filesystem, root = storage.arrow_filesystem(train.output)
    worker: Any = train_worker  # Ray's annotations know of no return value
    return ray.train.torch.TorchTrainer(
        worker,
        train_loop_config={"settings": settings},
        scaling_config=workers,
        datasets={"train": rows},
        dataset_config=reading(config.ray),
        run_config=ray.train.RunConfig(
            name="checkpoints",
            storage_path=root,
            storage_filesystem=filesystem,
            failure_config=ray.train.FailureConfig(max_failures=train.max_failures),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=2),
            callbacks=list(callbacks),
        ),
    )
