"""What runs in a trial: the training of `distributed.train.driver`, or one way of sampling tried on a bundle."""

from __future__ import annotations

import json
from typing import Any

import ray
import ray.tune
import torch
from ray.tune.integration.ray_train import TuneReportCallback
from torch import Tensor

from pose_diffusion import storage
from pose_diffusion.config import Config, DiffusionConfig, loading
from pose_diffusion.data import manifest as manifests
from pose_diffusion.distributed.train.driver import identity, train
from pose_diffusion.inference.bundle import load_published
from pose_diffusion.storage import run_folder
from pose_diffusion.tuning import sampling


def train_trial(settings: dict[str, Any], lifters: Any, side_by_side: int) -> None:
    """Trains as jobs/train.py does, in the trial's folder, and reports each epoch to Tune. The trial itself takes no CPU."""
    config = loading.from_yaml(settings["config"])
    if config.model.family == "published" and config.train.denoiser_epochs and not config.train.lifter:
        (lifter,) = ray.get(lifters.wanted.remote(settings["config"]))
        config = config.model_copy(update={"train": config.train.model_copy(update={"lifter": ray.get(lifter)})})
    train(config, callbacks=[TuneReportCallback()], side_by_side=side_by_side, quiet=True)


def sample_trial(settings: dict[str, Any], poses: tuple[Tensor, Tensor], folder: str, device: str, threads: int) -> None:
    """Lifts the held-out poses with the bundle as the trial's config says, and reports the error."""
    torch.set_num_threads(threads)
    mpjpe, seconds = sampling.error(load_published(folder, device), loading.from_yaml(settings["config"]), *poses)
    ray.tune.report({"mpjpe": mpjpe, "seconds": seconds})


class Lifters:
    """An actor that has each lifter trained once, whichever trials want it, in a folder named by what decides it."""

    def __init__(self, folder: str, side_by_side: int):
        self.folder, self.side_by_side = folder, side_by_side
        self._bundles: dict[str, ray.ObjectRef] = {}

    def wanted(self, config: str) -> list[ray.ObjectRef]:
        """The bundle's folder, once it is trained, of the lifter that a trial's config asks for: a reference, in a list."""
        run = lifter_run(loading.from_yaml(config), self.folder)
        if run.train.output not in self._bundles:
            # A task of its own: it does not end with the trial that was the first to ask.
            task: Any = ray.remote(num_cpus=0, max_retries=0)(train)
            self._bundles[run.train.output] = task.remote(run, side_by_side=self.side_by_side, quiet=True)
        return [self._bundles[run.train.output]]


def lifter_run(config: Config, folder: str) -> Config:
    """The run that trains the lifter of a config alone; the same one for all configs that differ in the denoiser only."""
    train_alone = config.train.model_copy(update={"denoiser_epochs": 0, "denoiser_errors": "noise", "lifter": "", "output": ""})
    alone = config.model_copy(update={"train": train_alone, "diffusion": DiffusionConfig()})
    name = run_folder.digest([json.dumps(identity(alone, manifests.read(config.data.shards)), sort_keys=True)])
    output = storage.join(folder, name)
    return alone.model_copy(update={"train": train_alone.model_copy(update={"output": output})})
