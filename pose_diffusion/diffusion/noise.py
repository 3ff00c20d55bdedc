"""The forward process on a pose of joints x (u, v, x, y, z):

    x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) noise,   noise = s eps,   eps ~ N(0, I)

s is a noise scale for each joint and channel: 0.1 on u, v as published (arXiv 2401.09836), or the sigma of the kernel
that the 2D pose was drawn from (DiffPose, arXiv 2211.16940); 1 (metre) on x, y, z.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from pose_diffusion.diffusion.schedule import Schedule

PUBLISHED_SCALE = (0.1, 0.1, 1.0, 1.0, 1.0)

# Where noise comes from: a generator, or a function from a tensor to standard normal noise like it.
NoiseSource = torch.Generator | Callable[[Tensor], Tensor]


def gaussian(like: Tensor, source: NoiseSource) -> Tensor:
    """Standard normal noise of a tensor's shape, type and device; a generator draws it on its own device."""
    if not isinstance(source, torch.Generator):
        return source(like)
    generator = source
    return torch.randn(like.shape, generator=generator, device=generator.device, dtype=like.dtype).to(like.device)


def noise_scale(like: Tensor, sigma: Tensor | None = None) -> Tensor:
    """The scale s for poses `like` (B, 17, 5): published, (5,), or with `sigma` (B, 17, 2) on u, v, (B, 17, 5)."""
    scale = _published_scale(like.dtype, like.device)
    return scale if sigma is None else torch.cat([sigma.to(like.dtype), scale[2:].expand(*sigma.shape[:-1], 3)], -1)


@functools.cache
def _published_scale(dtype: torch.dtype, device: torch.device) -> Tensor:
    """PUBLISHED_SCALE on the device once: sent with each call, a GPU's work so far would be waited for."""
    return torch.tensor(PUBLISHED_SCALE, dtype=dtype, device=device)


def antithetic_steps(batch: int, steps: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """A step for each sample, in pairs t and steps - 1 - t, so that no batch sees mostly early or late ones. (batch,)"""
    half = torch.randint(0, steps, (batch // 2 + 1,), generator=generator, device=generator.device)
    return torch.cat([half, steps - 1 - half])[:batch].to(device)


def add_noise(x_0: Tensor, noise: Tensor, t: Tensor, schedule: Schedule) -> Tensor:
    """x_t of the module's equation, with `noise` already scaled. x_0, noise: (B, 17, 5); t: (B,)."""
    alpha_bar = schedule.alpha_bar(t)[:, None, None]
    return alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * noise


def noise_between(x_t: Tensor, x_0: Tensor, t: int, schedule: Schedule) -> Tensor:
    """The noise that makes x_t of x_0 at step t: `add_noise` the other way round. Two (B, 17, 5) -> (B, 17, 5)."""
    alpha_bar = schedule.alpha_bar(t)
    return (x_t - math.sqrt(alpha_bar) * x_0) / math.sqrt(1 - alpha_bar)
