"""The two stages of training. They differ in what they build, what they minimise and what they are judged by; the loop in
`distributed.train` is one.

lifter: 2D to 3D alone. denoiser: predicts the noise on pose and 2D; judged by the pose after the reverse process that
starts at the lifter's pose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from pose_diffusion.config import Config, ModelConfig
from pose_diffusion.diffusion.loss import noise_error
from pose_diffusion.diffusion.noise import gaussian, noise_between, noise_scale
from pose_diffusion.diffusion.schedule import Schedule, sampling_steps
from pose_diffusion.geometry import metrics
from pose_diffusion.geometry.skeleton import N_JOINTS
from pose_diffusion.inference.lifting import lift
from pose_diffusion.inference.options import SamplingOptions
from pose_diffusion.models.published.compiling import CompiledTraining, compiled_lifting
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.models.published.networks import Networks
from pose_diffusion.training.batch import Batch

StageName = Literal["lifter", "denoiser"]


@dataclass(frozen=True)
class Stage:
    """build: the network. loss: (network, batch, config, generator) -> loss of each pose (B,). epochs: how many to train."""

    name: StageName
    build: Callable[[ModelConfig], Lifter | Denoiser]
    loss: Callable[[nn.Module, Batch, Config, torch.Generator], Tensor]
    epochs: int


def stages(config: Config) -> list[Stage]:
    """The stages that a config asks for, in order; a stage of 0 epochs is left out."""
    both = (
        Stage("lifter", Lifter, lifter_loss, 0 if config.train.lifter else config.train.lifter_epochs),
        Stage("denoiser", Denoiser, denoiser_loss, config.train.denoiser_epochs),
    )
    return [stage for stage in both if stage.epochs]


def compiled(stage: Stage, network: nn.Module, rows: int, config: Config) -> CompiledTraining:
    """The stage's network, compiled for training on batches of `rows` poses."""
    device = next(network.parameters()).device
    uv = torch.zeros(rows, N_JOINTS, 2, device=device)
    x_t, t = torch.zeros(rows, N_JOINTS, 5, device=device), torch.zeros(rows, dtype=torch.int64, device=device)
    inputs = (uv,) if stage.name == "lifter" else (x_t, uv, t)
    return CompiledTraining(network, inputs, config.train.precision == "bf16")


def frozen_lifter(lifter: Lifter, rows: int, config: Config) -> Callable[[Tensor], Tensor] | None:
    """What lifts the denoiser's batches in passes of `rows` poses, where it learns from the lifter's errors."""
    if config.train.denoiser_errors != "lifter":
        return None
    device = lifter.project.bias.device
    return compiled_lifting(lifter, rows, device) if config.train.compiled else lifter


def lifter_loss(network: nn.Module, batch: Batch, config: Config, generator: torch.Generator) -> Tensor:
    """Mean squared error over joints and channels (GraFormer, arXiv 2109.08364), or mean joint distance. (B,) float32."""
    error = network(batch.uv).float() - batch.xyz
    if config.train.loss == "distance":
        return torch.linalg.vector_norm(error, dim=-1).mean(-1)
    return error.square().mean((1, 2))


def denoiser_loss(network: nn.Module, batch: Batch, config: Config, generator: torch.Generator) -> Tensor:
    """Error on the noise at antithetic steps, squared or its length, summed over joints. (B,) float32.

    The guide sees the clean 2D. Where the batch has the lifter's poses, noise is what makes them of the true ones at the step
    that sampling starts from; the steps before it see the same errors, smaller. Elsewhere it is Gaussian.
    """
    x_0 = torch.cat([batch.uv, batch.xyz], -1)  # (B, 17, 5)
    noises, last = schedule(config), None
    if batch.lifted is None:
        scale = noise_scale(x_0, batch.sigma if config.diffusion.noise_scale == "mixture" else None)
        noise = scale * gaussian(x_0, generator)
    else:
        last = sampling_steps(config.diffusion)[-1]
        noise = noise_between(torch.cat([batch.uv, batch.lifted], -1), x_0, last, noises)
    error = noise_error(lambda x_t, t: network(x_t, batch.uv, t), x_0, noise, noises, generator, last)
    if config.train.loss == "distance":
        return torch.linalg.vector_norm(error, dim=-1).sum(-1)
    return error.square().sum((1, 2))


def schedule(config: Config) -> Schedule:
    return Schedule.from_config(config.diffusion)


def evaluate(lifter: Lifter, denoiser: Denoiser | None, mixture: Tensor, truth: Tensor, config: Config) -> Tensor:
    """Sums over poses of [1, P1 of the lifter, P2 of the lifter, P1 after diffusion, P2 after diffusion] in mm.

    mixture: (N, 17, K, 5); truth: (N, 17, 3). One pass without flips on each joint's heaviest kernel; (5,) float64. Without
    a denoiser the last two are those of the lifter.
    """
    # eta is left at 0: the choice of the best epoch must not depend on drawn noise.
    lifted = lift(Networks(config.model, config.diffusion, lifter, denoiser), mixture, SamplingOptions(flips=False, eta=0.0))
    poses = (lifted.lifter_pose, lifted.pose_3d)
    errors = [error(pose, truth).double().sum() for pose in poses for error in (metrics.mpjpe, metrics.p_mpjpe)]
    return torch.stack([torch.tensor(float(len(truth)), dtype=torch.float64, device=truth.device), *errors])


def learning_rate(config: Config, epoch: float, epochs: int) -> float:
    """The rate at a moment of a stage, in epochs: in steps as published, or a half cosine that ends at 0."""
    train = config.train
    if train.lr_schedule == "cosine":
        return train.learning_rate * 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * min(epoch / epochs, 1.0)))))
    return train.learning_rate * train.lr_decay ** (int(epoch) // train.lr_decay_epochs)
