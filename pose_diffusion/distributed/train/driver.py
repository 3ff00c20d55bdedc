"""Training on Ray Train: the driver that sets up a run; its workers run `train_loop`.

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
from pose_diffusion.config import Config, loading
from pose_diffusion.config.renamed import first_names
from pose_diffusion.data import camera_views, shards
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data.manifest import Manifest, Selection, ShardFile
from pose_diffusion.distributed.cluster import resources
from pose_diffusion.distributed.cluster.causes import input_error_in, reason
from pose_diffusion.distributed.cluster.log_actor import log_actor
from pose_diffusion.distributed.cluster.session import ray_cluster
from pose_diffusion.distributed.train.bundles import given_lifter
from pose_diffusion.distributed.train.data import READ, READ_TO_TURN, cache_bytes, stream, training_selection
from pose_diffusion.distributed.train.scaling import reading, scaling, worker_range
from pose_diffusion.distributed.train.worker import train_worker
from pose_diffusion.errors import InputError, RunError
from pose_diffusion.storage import run_folder
from pose_diffusion.training import stages

log = logging.getLogger(__name__)

# What may change when a run goes on: how it is computed, not what.
_NOT_IDENTITY = {"output", "workers", "placement", "device", "max_failures", "threads", "checkpoint_steps"}


@dataclass(frozen=True)
class Inputs:
    """What a run reads: the rows to train on, and those held out."""

    manifest: Manifest
    selection: Selection
    holdout: Selection | None

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
    if not stages.stages(config):
        raise InputError("key 'train.lifter_epochs': nothing to train, both stages have 0 epochs")
    if not config.train.lifter and not config.train.lifter_epochs:
        raise InputError("key 'train.lifter_epochs': 0 leaves the denoiser without a lifter; name a bundle in 'train.lifter'")
    manifest = manifests.read(config.data.shards)
    selection, holdout = training_selection(config.data, config.train.holdout_subjects)
    if holdout:
        holdout.check(manifest, f"{config.data.shards} (train.holdout_subjects)")
    selection.check(manifest, config.data.shards)
    if config.train.yaw_augment:
        camera_views.check(manifest, selection, config.data.shards)
    inputs = Inputs(manifest, selection, holdout)
    shards.check_footers(config.data.shards, inputs.files, manifest.kernels)
    if config.train.lifter:
        given_lifter(config)
    return inputs


def identity(config: Config, manifest: Manifest) -> dict[str, Any]:
    """What decides the outcome of a run."""
    return {
        "data": config.data.model_dump(exclude={"shards", "cache", "cache_gib", "shuffle_rows"}),
        "shards": run_folder.digest([file.sha256 for file in manifest.files]),
        "model": config.model.model_dump(),
        "diffusion": first_names("diffusion", config.diffusion.model_dump()),
        "train": first_names("train", config.train.model_dump(exclude=_NOT_IDENTITY)),
    }


def on_gpu(config: Config) -> bool:
    """Whether the run's workers take GPUs of the cluster that Ray is on."""
    return config.train.device == "cuda" or (config.train.device == "auto" and ray.cluster_resources().get("GPU", 0) > 0)


def train(config: Config, callbacks: Sequence[Any] = (), side_by_side: int = 1, quiet: bool = False) -> str:
    """Trains the lifter, then the denoiser, and returns the bundle's folder, <train.output>/model.

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

    rows = inputs.rows
    with ray_cluster(config, dashboard=True), contextlib.nullcontext() if quiet else log_actor() as lines:
        gpu = on_gpu(config)
        least, most = worker_range(config, gpu)
        if gpu:
            resources.require(config, "train.workers", least, gpus=1)
        needed = cache_bytes(rows, manifest.kernels) / least
        keep = config.data.cache == "always" or (config.data.cache == "auto" and needed <= config.data.cache_gib * 2**30)
        log.info(
            "train: %s poses, %s workers on %s, %s",
            f"{rows:,}",
            most if least == most else f"{least} to {most}",
            "GPU" if gpu else "CPU",
            f"cached in memory ({needed / 2**20:,.0f} MiB a worker)" if keep else "streamed each epoch",
        )
        settings = {
            "config": config.model_dump(mode="json"),
            "rows": rows,
            "keep": keep,
            "holdout": inputs.holdout.model_dump() if inputs.holdout else None,
            "lines": lines,
        }
        turn = config.train.yaw_augment > 0
        dataset = stream(config.data.shards, manifest, inputs.selection, config.train.seed, shuffle=not keep, view=turn)
        filesystem, root = storage.arrow_filesystem(config.train.output)
        trainer = ray.train.torch.TorchTrainer(
            train_worker,
            train_loop_config=settings,
            scaling_config=scaling(config, gpu, side_by_side),
            datasets={"train": dataset},
            dataset_config=reading(config),
            run_config=ray.train.RunConfig(
                name="checkpoints",
                storage_path=root,
                storage_filesystem=filesystem,
                failure_config=ray.train.FailureConfig(max_failures=config.train.max_failures),
                checkpoint_config=ray.train.CheckpointConfig(num_to_keep=2),
                callbacks=list(callbacks),
            ),
        )
        try:
            ended = getattr(trainer.fit(), "return_value", None) or {}
        except Exception as error:
            known = input_error_in(error)
            if known is None:
                shards.find_bad(config.data.shards, inputs.files, manifest.kernels, READ_TO_TURN if turn else READ)
                log.exception("train: the run failed")
                raise RunError(f"training stopped: {reason(error)}; run the same command again to go on") from None
            raise known from None
    if "input" in ended:
        raise InputError(ended["input"])
    if "failed" in ended:
        raise RunError(ended["failed"])
    log.info("train: done, bundle in %s", bundle)
    return bundle
