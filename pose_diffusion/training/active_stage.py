"""The stage that is being trained: its network, what computes it, what updates it, and the lifter it builds on."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pose_diffusion.config import TrainConfig
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.training.ema import Ema
from pose_diffusion.training.optimiser import build_optimiser
from pose_diffusion.training.stages import Stage, compiled, frozen_lifter
from pose_diffusion.training.state import TrainState, cpu_weights
from pose_diffusion.training.step import micro_batch, step
from pose_diffusion.training.update import WeightUpdate


class ActiveStage:
    """A stage's network in training mode, as a state left it or new.

    lifter: makes the finished lifter, for the denoiser. batch: poses of a worker's step. workers: with several, gradients are
    averaged over torch.distributed's default process group.
    """

    def __init__(
        self,
        stage: Stage,
        config: TrainConfig,
        state: TrainState,
        lifter: Callable[[], Lifter],
        device: torch.device,
        batch: int,
        workers: int,
    ):
        self.stage, self.config, self.bf16 = stage, config, config.precision == "bf16"
        self.network: nn.Module = stage.build().to(device)
        self.lifter = lifter().to(device) if stage.name == "denoiser" else self.network
        if state.model:
            self.network.load_state_dict(state.model)
        self.network.train()
        self.rows = micro_batch(stage, config, device, batch)
        computes: nn.Module = compiled(stage, self.network, self.rows, self.bf16) if config.compiled else self.network
        self.computes = _distributed(computes, device) if workers > 1 else computes
        self.optimiser = build_optimiser(self.network, config)
        self.ema = Ema(self.network, config.ema_decay)
        self.update = WeightUpdate(self.network, self.optimiser, self.ema, config)
        self.frozen = frozen_lifter(self.lifter, self.rows, config) if stage.name == "denoiser" else None
        if state.optimiser:
            self.optimiser.load_state_dict(state.optimiser)
            self.ema.load_state_dict(state.ema)

    def step(self, columns: Sequence[Tensor], generator: torch.Generator, learning_rate: float) -> Tensor:
        """Trains on a batch of rows (see `data.TrainingData`) and returns the sum of its poses' losses, on the device."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        batch = self.stage.make_batch(columns, generator)
        if self.frozen:
            batch = batch.lift(self.frozen, self.rows, self.bf16)
        return step(self.stage, self.computes, self.update, batch, self.config, generator)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """The network in evaluation mode with its averaged weights, while the block lasts."""
        self.ema.swap()
        self.network.eval()
        try:
            yield
        finally:
            self.network.train()
            self.ema.swap()

    def evaluate(self, held_out: Any) -> Tensor:
        """The stage's sums over held-out poses, with the weights as they are: see `stages.evaluate`."""
        return self.stage.evaluate(self.network, self.lifter, held_out)

    def state(self) -> dict[str, Any]:
        """What of a `TrainState` is the network's: model, ema and optimiser, as copies."""
        return {
            "model": cpu_weights(self.network),
            "ema": self.ema.state_dict(),
            "optimiser": copy.deepcopy(self.optimiser.state_dict()),
        }


def _distributed(network: nn.Module, device: torch.device) -> nn.Module:
    """The network with gradients that are averaged over all workers."""
    # The networks' buffers are constants, which DistributedDataParallel would send around before each pass.
    ids = [device] if device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(network, device_ids=ids, broadcast_buffers=False)
