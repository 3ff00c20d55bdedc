"""What takes a step along the gradients: Adam, as published, or Muon for the matrices inside a network's layers."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import nn

from pose_diffusion.config import TrainConfig
from pose_diffusion.models.published.graformer import Attention
from pose_diffusion.models.published.graph import LearnableGraph
from pose_diffusion.models.video.attention import JointAttention, Mlp, TimeAttention
from pose_diffusion.training.muon import Muon

_BLOCKS = (Attention, LearnableGraph, JointAttention, TimeAttention, Mlp)


class Optimiser(Protocol):
    """What training asks of torch's optimisers, and of several as one."""

    @property
    def param_groups(self) -> list[dict[str, Any]]: ...
    def zero_grad(self, set_to_none: bool = True) -> None: ...
    def step(self) -> Any: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...


def build_optimiser(network: nn.Module, config: TrainConfig) -> Optimiser:
    """The optimiser that train.optimiser names, over all of a network's parameters; its decay is decoupled (AdamW)."""
    if config.optimiser == "adam":
        return _adam(list(network.parameters()), config)
    matrices = _matrices(network)
    chosen = {id(matrix) for matrix in matrices}
    rest = [parameter for parameter in network.parameters() if id(parameter) not in chosen]
    # Muon's updates are of the size of AdamW's, so that one learning rate serves both.
    recorded = config.compiled and matrices[0].is_cuda
    return CombinedOptimizer(muon=Muon(matrices, config.learning_rate, config.weight_decay, recorded), adam=_adam(rest, config))


def _adam(parameters: list[nn.Parameter], config: TrainConfig) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)


def _matrices(network: nn.Module) -> list[nn.Parameter]:
    """The weights of attention, learnable graphs and the video network's MLPs.

    The rest is vectors, graphs, Chebyshev kernels and the network's ends.
    """
    blocks = (module for module in network.modules() if isinstance(module, _BLOCKS))
    layers = (layer for block in blocks for layer in block.children() if isinstance(layer, nn.Linear))
    return [layer.get_parameter("weight") for layer in layers]


class CombinedOptimizer:
    """Optimisers of a network's parts, by name, that step at once."""

    def __init__(self, **parts: torch.optim.Optimizer) -> None:
        self.parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [group for part in self.parts.values() for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self.parts.values():
            part.zero_grad(set_to_none)

    def step(self) -> None:
        for part in self.parts.values():
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(state_dict[name])
