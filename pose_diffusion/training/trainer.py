"""The training loop: restore, then stage by stage and epoch by epoch: step, EMA, evaluate, report.

It knows neither Ray nor where the rows come from, so jobs, notebooks, benchmarks and tests run the same one. The draws of a
step are a function of (seed, stage, epoch, step, rank): a run that is restored goes on as if it had not stopped.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed
from torch import Tensor

from pose_diffusion.config import Config
from pose_diffusion.errors import InputError, RunError
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.networks import Networks
from pose_diffusion.models.video.network import VideoNetwork
from pose_diffusion.runtime.keyed_random import name_key
from pose_diffusion.runtime.progress import Progress
from pose_diffusion.training import history
from pose_diffusion.training.active_stage import ActiveStage
from pose_diffusion.training.bundles import finished_lifter, save_trained
from pose_diffusion.training.data import HeldOut, TrainingData
from pose_diffusion.training.learning_rate import learning_rate
from pose_diffusion.training.stages import Stage, check_stages, stages
from pose_diffusion.training.state import TrainState, cpu_weights
from pose_diffusion.training.video.clip_batch import ClipBatch

log = logging.getLogger(__name__)

_STAGE_EPOCHS = 1_000_003  # no stage has as many: epochs of different stages have different orders of rows


def _ignore(*_: Any) -> None:
    pass


@dataclass(frozen=True)
class Callbacks:
    """What a run tells while it is under way.

    log: a line for people. on_step: (stage, poses, seconds waited for them). on_epoch: the epoch's entry in the history.
    save: what to report; the trainer's state_dict may be stored now. Every worker calls each at the same places.
    """

    log: Callable[[str], object] = log.info
    on_step: Callable[[str, int, float], object] = _ignore
    on_epoch: Callable[[dict[str, Any]], object] = _ignore
    save: Callable[[dict[str, Any]], object] = _ignore


class Trainer:
    """Trains the stages that a config asks for: the lifter and then the denoiser, or the video model.

        rows, held_out = read_shards(config.data, config.train)    # or video.data.read_clips(config)
        trainer = Trainer(config)
        trainer.fit(rows, held_out)
        trainer.save_bundle("model")

    device: where to train. rank, world: this worker among those that train together, over torch.distributed's default process
    group, which must be there where world is above 1. Threads and TF32 are the process's: see `runtime.process`.
    Raises InputError for a config without a stage, or with a denoiser alone and no lifter for it.
    """

    def __init__(self, config: Config, device: str | torch.device = "cpu", rank: int = 0, world: int = 1):
        self.config, self.device, self.rank, self.world = config, torch.device(device), rank, world
        self.stages = stages(config)
        check_stages(config)
        self.batch = max(1, config.train.batch // world)  # poses of a worker's step
        self.steps_per_epoch: int | None = None  # for the learning rate within an epoch; `fit` knows it
        self.state = TrainState()  # where the run stands, without the weights under way, which `state_dict` adds
        self._active: ActiveStage | None = None

    @property
    def finished(self) -> bool:
        return self.state.stage >= len(self.stages)

    @property
    def stage(self) -> Stage:
        """The stage under way. Raises ValueError for a finished run."""
        if self.finished:
            raise ValueError("the run is finished: there is no stage left to train")
        return self.stages[self.state.stage]

    def train_step(self, columns: Sequence[Tensor]) -> Tensor:
        """Trains on a batch, (mixture (B, 17, K, 5), pose_3d (B, 17, 3)[, view (B, 15)]) or the fields of a `ClipBatch`, as the
        epoch's next step. `fit` goes on after it.

        Returns the sum of the poses' losses, on the device: nothing here waits for a GPU.
        """
        active, state, train = self._activate(), self.state, self.config.train
        seed = name_key(train.seed, state.stage, state.epoch, state.step, self.rank)
        torch.manual_seed(seed)
        generator = torch.Generator(self.device).manual_seed(seed)
        moment = state.epoch + (state.step / self.steps_per_epoch if self.steps_per_epoch else 0.0)
        rate = learning_rate(train, moment, active.stage.epochs)
        total = active.step([column.to(self.device) for column in columns], generator, rate)
        state.step += 1
        state.steps_done += 1
        return total

    def evaluate(self, held_out: HeldOut | ClipBatch) -> dict[str, float]:
        """MPJPE and P-MPJPE in mm of the averaged weights, over all workers' held-out poses."""
        active = self._activate()
        with active.averaged():
            return self._measure(active, held_out)

    def fit(self, data: TrainingData, held_out: HeldOut | ClipBatch | None = None, callbacks: Callbacks | None = None) -> None:
        """Trains what is left of the run. held_out: this worker's share of the poses by which the best epoch is chosen; without
        them the last one is kept.

        Raises InputError for data without rows, RunError for a loss that is not finite.
        """
        if data.rows < 1:
            raise InputError("there are no rows to train on")
        callbacks = callbacks or Callbacks()
        while not self.finished:
            stage, state = self.stage, self.state
            while state.epoch < stage.epochs:
                active, done = self._activate(), state.epoch + 1
                entry = self._train_epoch(active, data, callbacks)
                if done == stage.epochs or (held_out is not None and done % self.config.train.evaluate_every == 0):
                    entry |= self._judge(active, held_out)
                state.history.append(entry)
                state.epoch, state.step = done, 0
                callbacks.on_epoch(entry)
                callbacks.log(history.line(entry))
                callbacks.save(entry)
            self.state, self._active = state.next_stage(stage.name), None

    def state_dict(self) -> dict[str, Any]:
        """All that lets the run go on, as copies: the fields of `state.TrainState`."""
        return dataclasses.asdict(self.state) | (self._active.state() if self._active else {})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state of a run with the same config, which may have had another number of workers or device."""
        self.state, self._active = TrainState(**copy.deepcopy(dict(state))), None

    def networks(self) -> Networks:
        """The published family's finished networks, frozen, on the device. Raises ValueError before the run's end."""
        self._check_finished()
        if self.config.model.family == "video":
            raise ValueError("a video model has one network: see video_network")
        denoiser = None
        if self.state.best:
            denoiser = Denoiser(self.config.model)
            denoiser.load_state_dict(self.state.best["weights"])
            denoiser = denoiser.to(self.device).eval().requires_grad_(False)
        lifter = finished_lifter(self.config.train, self.config.model, self.state).to(self.device)
        return Networks(self.config.model, self.config.diffusion, lifter, denoiser)

    def video_network(self) -> VideoNetwork:
        """The video family's finished network, frozen, on the device. Raises ValueError before the run's end."""
        self._check_finished()
        if self.config.model.family == "published":
            raise ValueError("the published family has two networks: see networks")
        network = VideoNetwork(self.config.model)
        network.load_state_dict(self.state.best["weights"])
        return network.to(self.device).eval().requires_grad_(False)

    def save_bundle(self, folder: str, trained_by: str = "pose_diffusion.training.trainer.Trainer") -> None:
        """Writes the finished networks as a bundle, local or s3://. Raises ValueError before the run's end."""
        self._check_finished()
        save_trained(folder, self.config, self.state, trained_by)

    def _check_finished(self) -> None:
        if not self.finished:
            raise ValueError(f"the run is not finished: stage '{self.stage.name}', epoch {self.state.epoch + 1}")

    def _activate(self) -> ActiveStage:
        """The stage under way, built or restored at its first use."""
        if self._active is None:
            stage, state = self.stage, self.state
            torch.manual_seed(name_key(self.config.train.seed, state.stage))
            lifter = functools.partial(finished_lifter, self.config.train, self.config.model, state)
            self._active = ActiveStage(stage, self.config.train, state, lifter, self.device, self.batch, self.world)
            state.model, state.ema, state.optimiser = {}, {}, {}  # the active stage's now
        return self._active

    def _train_epoch(self, active: ActiveStage, data: TrainingData, callbacks: Callbacks) -> dict[str, Any]:
        """What is left of the epoch, step by step; its entry in the history."""
        state, train, name = self.state, self.config.train, active.stage.name
        start, waited, seen, total = time.monotonic(), 0.0, 0, torch.zeros((), device=self.device)
        skipped = state.step  # batches of this epoch that ran before the checkpoint
        steps = self.steps_per_epoch = math.ceil(data.rows / self.world / self.batch)
        progress = None
        before = time.monotonic()
        for columns in data.batches(state.epoch + state.stage * _STAGE_EPOCHS, skip=skipped):
            wait = time.monotonic() - before
            waited += wait
            if progress is None:
                # Timed from the first batch on: until then a streamed epoch only fills its shuffle buffer.
                samples = steps * self.batch * self.world
                progress = Progress(f"{name} epoch {state.epoch + 1}", samples, "samples", 15.0, callbacks.log)
            total += self.train_step(columns)
            poses = math.prod(columns[0].shape[:-3])  # a mixture is (B, 17, K, 5), or (B, T, 17, K, 5) of clips
            seen += poses
            progress.advance(poses * self.world)
            callbacks.on_step(name, poses, wait)
            if train.checkpoint_steps and state.step % train.checkpoint_steps == 0 and state.step < steps:
                callbacks.save({"stage": name, "epoch": state.epoch})
            before = time.monotonic()

        took = time.monotonic() - start
        seen_here = torch.tensor(float(seen), dtype=torch.float64, device=self.device)
        loss, samples = self._sum(torch.stack([total.double(), seen_here])).tolist()
        entry = {
            "stage": name,
            "epoch": state.epoch,
            "epochs": active.stage.epochs,
            "steps_done": state.steps_done,
            "loss": loss / max(samples, 1),
            "samples": int(samples),
            "samples_per_second": samples / took,
            "data_wait": waited / took,
            "dropped": 0 if skipped or not active.stage.once else data.rows - int(samples),
            "learning_rate": active.optimiser.param_groups[0]["lr"],
            "time": time.time(),
        }
        if not math.isfinite(entry["loss"]):
            raise RunError(
                f"{name} epoch {state.epoch + 1}: the loss is not finite; lower train.learning_rate or set train.grad_clip"
            )
        return entry

    def _judge(self, active: ActiveStage, held_out: HeldOut | ClipBatch | None) -> dict[str, float]:
        """Evaluates the epoch and keeps its averaged weights if it is the best of its stage."""
        state = self.state
        with active.averaged():
            measured = {} if held_out is None else self._measure(active, held_out)
            error = measured.get(active.stage.best_by, 0.0)  # with nobody held out, the last epoch is kept
            if not state.best or error < state.best["mpjpe"]:
                state.best = {"epoch": state.epoch, "mpjpe": error, "weights": cpu_weights(active.network)}
        return measured

    def _measure(self, active: ActiveStage, held_out: HeldOut | ClipBatch) -> dict[str, float]:
        sums = self._sum(active.evaluate(held_out))
        return dict(zip(active.stage.measures, (sums[1:] / sums[0]).tolist(), strict=True))

    def _sum(self, values: Tensor) -> Tensor:
        """The values summed over all workers, on the CPU."""
        if self.world > 1:
            torch.distributed.all_reduce(values)
        return values.cpu()
