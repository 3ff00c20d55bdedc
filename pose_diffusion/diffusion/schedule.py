"""Noise schedules: beta_t for t = 0 .. T-1, and alpha_bar(t) = prod_{i <= t} (1 - beta_i).

linear, quad, const, jsd and sigmoid are DDPM's (arXiv 2006.11239); cosine is that of arXiv 2102.09672, equation 17.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import overload

import numpy as np
import torch
from torch import Tensor

from pose_diffusion.config import DiffusionConfig
from pose_diffusion.errors import InputError

_COSINE_OFFSET = 0.008
_LARGEST_COSINE_BETA = 0.999


@dataclass(frozen=True)
class Schedule:
    """A noise schedule as a value: equal betas are equal schedules."""

    betas: tuple[float, ...]

    def __post_init__(self) -> None:
        outside = next(((t, beta) for t, beta in enumerate(self.betas) if not 0 < beta <= 1), None)
        if not self.betas or outside:
            t, beta = outside or (0, float("nan"))
            raise InputError(f"noise schedule: beta is {beta} at step {t}, expected 0 < beta <= 1")

    @classmethod
    def from_config(cls, config: DiffusionConfig) -> Schedule:
        return cls(tuple(_betas(config).tolist()))

    def __len__(self) -> int:
        return len(self.betas)

    @overload
    def alpha_bar(self, t: int) -> float: ...
    @overload
    def alpha_bar(self, t: Tensor) -> Tensor: ...
    def alpha_bar(self, t: int | Tensor) -> float | Tensor:
        """The share of x_0's variance that is left at step t; 1 for t = -1, the clean pose. A tensor gives a float32 tensor."""
        if isinstance(t, Tensor):
            return _alpha_bars(self, t.device)[t + 1]
        if not -1 <= t < len(self):
            raise InputError(f"diffusion step {t} is outside -1 .. {len(self) - 1}")
        return float(_alpha_bars(self, torch.device("cpu"))[t + 1])


def sampling_steps(config: DiffusionConfig) -> list[int]:
    """The DDIM steps, ascending, that the config's sampling, window, count and step_list ask for."""
    if config.sampling == "list":
        return list(config.step_list)
    if config.sampling == "uniform":
        return list(range(0, config.window, config.window // config.count))
    squares = np.linspace(0, np.sqrt(0.8 * config.window), config.count) ** 2
    return sorted({int(square) for square in squares})  # a step twice in a row changes nothing


@lru_cache(maxsize=32)
def _alpha_bars(schedule: Schedule, device: torch.device) -> Tensor:
    """alpha_bar(-1) .. alpha_bar(T-1). Float32 products, as published: float64 ones differ by 1e-5 in a sampled pose."""
    kept = 1 - torch.tensor(schedule.betas, dtype=torch.float32)
    return torch.cat([torch.ones(1), kept.cumprod(0)]).to(device)


def _betas(config: DiffusionConfig) -> np.ndarray:
    start, end, steps = config.beta_start, config.beta_end, config.steps
    match config.schedule:
        case "linear":
            return np.linspace(start, end, steps)
        case "quad":
            return np.linspace(start**0.5, end**0.5, steps) ** 2
        case "const":
            return np.full(steps, end)
        case "jsd":
            return 1 / np.linspace(steps, 1, steps)
        case "sigmoid":
            return start + (end - start) / (1 + np.exp(-np.linspace(-6, 6, steps)))
        case "cosine":
            phase = (np.linspace(0, 1, steps + 1) + _COSINE_OFFSET) / (1 + _COSINE_OFFSET)
            left = np.cos(phase * np.pi / 2) ** 2
            return np.minimum(1 - left[1:] / left[:-1], _LARGEST_COSINE_BETA)
