"""What follows the gradients of a batch: clipping, the optimiser's step and the moving average."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pose_diffusion.config import TrainConfig
from pose_diffusion.runtime.cuda_graphs import GraphedInPlace
from pose_diffusion.training.ema import Ema
from pose_diffusion.training.optimiser import Optimiser


class WeightUpdate:
    """Takes a step of a network's weights along their gradients; compiled for a GPU, clipping is a CUDA graph."""

    def __init__(self, network: nn.Module, optimiser: Optimiser, ema: Ema, config: TrainConfig):
        self.parameters = list(network.parameters())
        self.optimiser, self.ema = optimiser, ema
        self.clip: Callable[[], object] | None = None
        if config.grad_clip:
            self.clip = partial(nn.utils.clip_grad_norm_, self.parameters, config.grad_clip)
        self.places: list[Tensor] = []
        if config.compiled and self.parameters[0].is_cuda:  # records read the gradients where they were when recorded
            self.places = [torch.empty_like(parameter) for parameter in self.parameters]
            self.clip = GraphedInPlace(self.clip) if self.clip else None

    def zero_grad(self) -> None:
        """Drops the gradients of the last batch."""
        self.optimiser.zero_grad(set_to_none=True)

    @torch.no_grad()
    def __call__(self) -> None:
        """All parameters need a gradient. Nothing here waits for a GPU."""
        if self.places:
            gradients: list[Any] = [parameter.grad for parameter in self.parameters]
            torch._foreach_copy_(self.places, gradients)
            for parameter, place in zip(self.parameters, self.places, strict=True):
                parameter.grad = place
        if self.clip:
            self.clip()
        self.optimiser.step()
        self.ema.update()
