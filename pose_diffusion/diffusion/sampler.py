"""DDIM (arXiv 2010.02502, equations 12 and 16): from step t to an earlier step s,

    x_0 = (x_t - sqrt(1 - a_t) noise) / sqrt(a_t)
    x_s = sqrt(a_s) x_0 + sqrt(1 - a_s - c^2) noise + c z,   c = eta sqrt((1 - a_s) / (1 - a_t) (1 - a_t / a_s))

with a = alpha_bar, z fresh noise of the process's scale, and s = -1 (a = 1) at the end.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pose_diffusion.diffusion.noise import NoiseSource, gaussian
from pose_diffusion.diffusion.schedule import Schedule
from pose_diffusion.errors import InputError

Predict = Callable[[Tensor, Tensor], Tensor]


def ddim(
    predict: Predict,
    x_start: Tensor,
    steps: Sequence[int],
    schedule: Schedule,
    eta: float = 0.0,
    scale: Tensor | None = None,
    generator: NoiseSource | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Runs the reverse process from x_start, taken as x_t at the last of the ascending `steps`.

    predict: (x_t (B, 17, 5), t (1,)) -> noise (B, 17, 5). With eta > 0, `generator` draws the fresh noise and `scale`,
    broadcastable to x_start, multiplies it. Returns the last sample and the x_0 predicted at each step, latest t first.
    Raises InputError for steps that do not ascend, leave the schedule, or lie where nothing of x_0 is left.
    """
    _check(steps, schedule, eta, generator)
    x_t, predicted = x_start, []
    for t, s in itertools.pairwise([*reversed(steps), -1]):
        a_t, a_s = schedule.alpha_bar(t), schedule.alpha_bar(s)
        noise = predict(x_t, torch.full((1,), t, device=x_t.device))
        x_0 = (x_t - math.sqrt(1 - a_t) * noise) / math.sqrt(a_t)
        c = eta * math.sqrt((1 - a_s) / (1 - a_t) * (1 - a_t / a_s))
        x_t = math.sqrt(a_s) * x_0 + math.sqrt(1 - a_s - c**2) * noise
        if c > 0 and generator is not None:
            fresh = gaussian(x_t, generator)
            x_t = x_t + c * (fresh if scale is None else scale * fresh)
        predicted.append(x_0)
    return x_t, predicted


def _check(steps: Sequence[int], schedule: Schedule, eta: float, generator: NoiseSource | None) -> None:
    if not steps or any(s >= t for s, t in itertools.pairwise(steps)):
        raise InputError(f"sampling steps {list(steps)}: expected at least one, ascending")
    if steps[0] < 0 or steps[-1] >= len(schedule):
        raise InputError(f"sampling steps {list(steps)}: expected steps within 0 .. {len(schedule) - 1}")
    if schedule.alpha_bar(steps[-1]) <= 0:
        raise InputError(f"sampling steps {list(steps)}: nothing of the pose is left at step {steps[-1]} of this schedule")
    if not 0 <= eta <= 1:
        raise InputError(f"eta is {eta}, expected 0 .. 1")
    if eta > 0 and generator is None:
        raise InputError("eta > 0 draws noise: a generator is needed")
