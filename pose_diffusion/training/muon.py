"""Muon: momentum, made orthogonal matrix by matrix, is the step (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon).

The updates are torch.optim.Muon's. That takes matrix after matrix, with some 30 small operations each; here all matrices of one
shape are one batch, which takes a quarter to half of the time on a CPU, and on a GPU a tenth of the launches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pose_diffusion.runtime.cuda_graphs import GraphedInPlace

_MOMENTUM = 0.95
# Newton and Schulz's iteration as a polynomial that is steepest at 0: five rounds bring singular values to about 1.
_FACTORS = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5
_LEAST_NORM = 1e-7


class Muon(torch.optim.Optimizer):
    """Steps of orthogonal matrices, as large as AdamW's are (arXiv 2502.16982), with decoupled weight decay.

    recorded: play the updates back as a CUDA graph; the gradients then always lie in the same memory.
    """

    def __init__(self, matrices: Sequence[nn.Parameter], lr: float, weight_decay: float = 0.0, recorded: bool = False):
        alike: dict[torch.Size, list[nn.Parameter]] = {}
        for matrix in matrices:
            alike.setdefault(matrix.shape, []).append(matrix)
        super().__init__([{"params": group} for group in alike.values()], {"lr": lr, "weight_decay": weight_decay})
        self.updates: Callable[[], list[Tensor]] = GraphedInPlace(self._updates) if recorded else self._updates

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:  # type: ignore[override]
        """Takes a step of every matrix; all need a gradient."""
        for group, update in zip(self.param_groups, self.updates(), strict=True):
            matrices, rate = group["params"], group["lr"]
            size = 0.2 * math.sqrt(max(matrices[0].shape))
            torch._foreach_mul_(matrices, 1 - rate * group["weight_decay"])
            torch._foreach_add_(matrices, update.unbind(), alpha=-rate * size)

    def _updates(self) -> list[Tensor]:
        """The directions of the steps, all matrices of a group in one tensor (N, R, C)."""
        updates = []
        for group in self.param_groups:
            gradients = torch.stack([matrix.grad for matrix in group["params"]])
            state = self.state[group["params"][0]]  # of all in the group
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(gradients)
            state["momentum"].lerp_(gradients, 1 - _MOMENTUM)
            updates.append(orthogonal(gradients.lerp_(state["momentum"], _MOMENTUM)).to(gradients.dtype))  # Nesterov's
        return updates


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices (N, R, C) with their singular values brought to between 0.5 and 1.5; in bf16, which is exact enough."""
    x = matrices.bfloat16()
    upright = x.shape[1] > x.shape[2]
    if upright:
        x = x.mT
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp_min(_LEAST_NORM)
    a, b, c = _FACTORS
    for _ in range(_ROUNDS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if upright else x
