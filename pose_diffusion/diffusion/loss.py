"""The denoiser's objective: || noise - predicted(x_t, t) ||^2, summed over joints and channels (arXiv 2401.09836)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pose_diffusion.diffusion.noise import add_noise, antithetic_steps, gaussian
from pose_diffusion.diffusion.schedule import Schedule

Predict = Callable[[Tensor, Tensor], Tensor]


def noise_error(predict: Predict, x_0: Tensor, scale: Tensor, schedule: Schedule, generator: torch.Generator) -> Tensor:
    """Squared error of the predicted noise for each pose, unreduced over the batch: its mean is the training loss.

    predict: (x_t (B, 17, 5), t (B,)) -> noise (B, 17, 5); x_0: (B, 17, 5); scale: broadcastable to it. Returns (B,) float32.
    """
    t = antithetic_steps(len(x_0), len(schedule), generator, x_0.device)
    noise = scale * gaussian(x_0, generator)
    error = noise - predict(add_noise(x_0, noise, t, schedule), t)
    return error.float().square().sum((1, 2))
