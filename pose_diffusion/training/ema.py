"""Exponential moving average of a network's weights: shadow = d * shadow + (1 - d) * weight, after each step.

d = min(decay, (1 + n) / (10 + n)) at step n, so that a short run's average is not mostly its random start.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_UPDATES = "updates"


class Ema:
    """The moving average of a network's parameters; buffers are constants here and are not averaged."""

    def __init__(self, network: nn.Module, decay: float):
        self.decay = decay
        self.updates = 0
        self._weights: list[Tensor] = list(network.parameters())
        self._names = [name for name, _ in network.named_parameters()]
        self._shadow = [weight.detach().clone() for weight in self._weights]

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the network's present weights, in one fused call."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self._shadow, self._weights, 1 - decay)
        self.updates += 1

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges average and weights, before and after an evaluation."""
        for shadow, weight in zip(self._shadow, self._weights, strict=True):
            kept = weight.detach().clone()
            weight.copy_(shadow)
            shadow.copy_(kept)

    def state_dict(self) -> dict[str, Tensor]:
        """The average under the parameters' names, on the CPU, and the number of updates."""
        state = {name: shadow.cpu().clone() for name, shadow in zip(self._names, self._shadow, strict=True)}
        return {**state, _UPDATES: torch.tensor(self.updates)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.updates = int(state[_UPDATES])
        for name, shadow in zip(self._names, self._shadow, strict=True):
            shadow.copy_(state[name])
