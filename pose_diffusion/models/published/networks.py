"""Lifter and denoiser, ready to run: what a bundle holds, a bench makes at random and a search changes the sampling of."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pose_diffusion.config import DiffusionConfig, ModelConfig
from pose_diffusion.diffusion.noise import NoiseSource
from pose_diffusion.diffusion.sampler import ddim
from pose_diffusion.diffusion.schedule import Schedule, sampling_steps
from pose_diffusion.errors import InputError
from pose_diffusion.models.published.compiling import compile_blocks, compiled
from pose_diffusion.models.published.denoiser import Context, Denoiser
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.runtime.cuda_graphs import GraphedFunction


@dataclasses.dataclass(frozen=True, eq=False)
class Networks:
    """The two networks, in evaluation mode on one device, and the settings they were trained with."""

    model: ModelConfig
    diffusion: DiffusionConfig
    lifter: Lifter
    denoiser: Denoiser | None = None

    @cached_property
    def schedule(self) -> Schedule:
        return Schedule.from_config(self.diffusion)

    @cached_property
    def steps(self) -> list[int]:
        """The DDIM steps that the settings ask for."""
        return sampling_steps(self.diffusion)

    @property
    def device(self) -> torch.device:
        return self.lifter.project.bias.device

    @torch.no_grad()
    def sample(
        self,
        x_start: Tensor,
        uv: Tensor,
        steps: Sequence[int] | None = None,
        eta: float | None = None,
        scale: Tensor | None = None,
        generator: NoiseSource | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """DDIM from x_start (B, 17, 5), guided by uv (B, 17, 2); steps and eta default to the settings'.

        Returns the last sample (B, 17, 5) and the x_0 predicted at each step, latest t first.
        Raises InputError where there is no denoiser or the steps do not fit the schedule.
        """
        denoiser = self.denoiser
        if denoiser is None:
            raise InputError("this bundle holds a lifter alone: there is no denoiser to sample with")
        context = denoiser.encode(uv)  # the same for all steps
        return ddim(
            lambda x_t, t: denoiser.denoise(x_t, context, t),
            x_start,
            self.steps if steps is None else steps,
            self.schedule,
            self.diffusion.eta if eta is None else eta,
            scale,
            generator,
        )

    def compile(self) -> None:
        """Compiles the networks at the first pass of each shape: see `compiling`. Results differ in their last bits."""
        lifter: Any = self.lifter
        denoiser: Any = self.denoiser
        if self.device.type != "cuda":
            lifter.forward = compiled(lifter.forward, self.device)
            if denoiser:
                denoiser.encode = compiled(denoiser.encode, self.device)
                denoiser.denoise = compiled(denoiser.denoise, self.device)
            return
        for network in filter(None, (lifter, denoiser)):
            compile_blocks(network, self.device)
        lifter.forward = GraphedFunction(lifter.forward)
        if denoiser:
            step = denoiser.denoise
            recorded = GraphedFunction(lambda x_t, embedded, guide, t: step(x_t, Context(embedded, guide), t))
            denoiser.encode = GraphedFunction(denoiser.encode)
            denoiser.denoise = lambda x_t, context, t: recorded(x_t, *context, t)
