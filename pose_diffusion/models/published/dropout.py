"""Dropout that costs little on a CPU, where torch's own draws each element from a slow Bernoulli."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Dropout(nn.Module):
    """16 random bits an element on a CPU; the kept share is that of p to 1/65536. Elsewhere, and compiled, torch's dropout."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor, inplace: bool = False) -> Tensor:
        """inplace: x may be overwritten, where that saves memory and the time that memory takes."""
        if not self.training or self.p == 0:
            return x
        if not _draws_bits(x):
            return F.dropout(x, self.p)
        mask = self._mask(x)
        return x.mul_(mask) if inplace else x * mask

    def added(self, x: Tensor, change: Tensor) -> Tensor:
        """x + dropout(change), with no memory for the second."""
        if not self.training or self.p == 0:
            return x + change
        if not _draws_bits(change):
            return x + F.dropout(change, self.p)
        return torch.addcmul(x, change, self._mask(change))

    def _mask(self, x: Tensor) -> Tensor:
        """0 or 1 / (1 - p) for each element of x."""
        # Compared into x's own type: into bool, and from there to x's, takes four times as long.
        keep = torch.ge(_bits(x), round(self.p * 65536) - 32768, out=torch.empty_like(x, requires_grad=False))
        return keep.mul_(1 / (1 - self.p))


def _draws_bits(x: Tensor) -> bool:
    """Whether x is dropped by bits of our own, not by its device's or compiler's draws."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def _bits(x: Tensor) -> Tensor:
    """A random int16 for each element of x, from torch's seed. numpy's generator makes them in half of torch's time."""
    seed = int(torch.randint(2**63 - 1, ()))
    words = np.random.SFC64(seed).random_raw((x.numel() + 3) // 4)  # uint64, each the bits of 4 elements
    return torch.from_numpy(words.view(np.int16)[: x.numel()]).view(x.shape)
