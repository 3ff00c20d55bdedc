"""The denoiser's objective: noise - predicted(x_t, t), at steps t drawn at random (arXiv 2401.09836)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pose_diffusion.diffusion.noise import add_noise, antithetic_steps
from pose_diffusion.diffusion.schedule import Schedule

Predict = Callable[[Tensor, Tensor], Tensor]


def noise_error(
    predict: Predict, x_0: Tensor, noise: Tensor, schedule: Schedule, generator: torch.Generator, last: int | None = None
) -> Tensor:
    """What the predicted noise misses, at a step of each pose out of 0 .. last, by default of the whole schedule.

    predict: (x_t (B, 17, 5), t (B,)) -> noise (B, 17, 5); x_0, noise: (B, 17, 5). Returns (B, 17, 5) float32.
    """
    t = antithetic_steps(len(x_0), len(schedule) if last is None else last + 1, generator, x_0.device)
    return (noise - predict(add_noise(x_0, noise, t, schedule), t)).float()
