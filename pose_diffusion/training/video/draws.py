"""Random numbers for whole batches of clips, of the type and on the device of the batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Draws:
    """Tensors (B, *shape), B and type and device as those of `like`. Without a generator PyTorch's own is used."""

    def __init__(self, like: Tensor, generator: torch.Generator | None) -> None:
        self._like, self._generator = like, generator

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(
            self._shape(shape), generator=self._generator, device=self._like.device, dtype=self._like.dtype
        )

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(self._shape(shape), generator=self._generator, device=self._like.device, dtype=self._like.dtype)

    def log_uniform(self, low: float, high: float) -> Tensor:
        return self.uniform(low=math.log(low), high=math.log(high)).exp()

    def bounded_normal(self, mean: float, deviation: float, low: float, high: float) -> Tensor:
        """A normal distribution cut off outside low to high, by the inverse of its distribution function."""
        if deviation == 0:
            return self.uniform(low=mean, high=mean)
        least, most = (math.erf((bound - mean) / deviation / math.sqrt(2)) for bound in (low, high))
        return (mean + deviation * math.sqrt(2) * self.uniform(low=least, high=most).erfinv()).clamp(low, high)

    def spans(self, time: Tensor, valid: Tensor, seconds: float, *shape: int) -> Tensor:
        """(B, T, *shape) bool: spans of time that begin at a random valid frame, of exponential length, mean `seconds`.

        time: (B, T) seconds, rising or falling. valid: (B, T) bool.
        """
        frames, ones = time.shape[1], [1] * len(shape)
        start = (self.uniform(frames, *shape) * valid.reshape(*valid.shape, *ones)).argmax(1, keepdim=True)  # (B, 1, ...)
        time = time.reshape(*time.shape, *ones).expand(*time.shape, *shape)
        passed = time - time.gather(1, start)
        length = self.uniform(1, *shape).clamp_min(1e-6).log() * -seconds
        return (passed >= 0) & (passed <= length)

    def _shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (len(self._like), *shape)
