"""The stages of training: what each builds, minimises and is judged by; the loop (`trainer`) is one.

lifter: 2D to 3D alone. denoiser: predicts the noise on pose and 2D; judged by the pose after the reverse process that
starts at the lifter's pose. video: the video family's network, the only stage of that family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pose_diffusion.config import Config, DiffusionConfig, TrainConfig
from pose_diffusion.diffusion.loss import noise_error
from pose_diffusion.diffusion.noise import gaussian, noise_between, noise_scale
from pose_diffusion.diffusion.schedule import Schedule, sampling_steps
from pose_diffusion.errors import InputError
from pose_diffusion.geometry import metrics
from pose_diffusion.geometry.skeleton import N_JOINTS
from pose_diffusion.inference.lifting import lift
from pose_diffusion.inference.options import SamplingOptions
from pose_diffusion.models.published.compiling import CompiledTraining, compiled_lifting
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.models.published.networks import Networks
from pose_diffusion.models.video.network import VideoNetwork
from pose_diffusion.training.batch import Batch, make_batch
from pose_diffusion.training.data import HeldOut
from pose_diffusion.training.video import stage as video

StageName = Literal["lifter", "denoiser", "video"]

_MEASURES = ("lifter_mpjpe", "lifter_p_mpjpe", "diffusion_mpjpe", "diffusion_p_mpjpe")
_CPU_POSES = 108  # of a pass of the video network on a CPU: 4 clips of 27 frames train 1.2 times as fast as 16


@dataclass(frozen=True)
class Stage:
    """One network to train.

    epochs: how many to train. build: () -> the network. make_batch: (columns, generator) -> what the loss takes.
    loss: (network, batch, generator) -> losses that add up to those of its poses. evaluate: (network, lifter, held-out poses)
    -> sums over them, float64: their number and `measures`, in mm, of which the kept epoch has the least `best_by`.
    cpu_poses: of a pass on a CPU, None for what suits the published networks. once: an epoch has each row once at most.
    """

    name: StageName
    epochs: int
    build: Callable[[], Any]
    make_batch: Callable[[Sequence[Tensor], torch.Generator], Any]
    loss: Callable[[Any, Any, torch.Generator], Tensor]
    evaluate: Callable[[Any, Any, Any], Tensor]
    measures: tuple[str, ...] = _MEASURES
    best_by: str = "diffusion_mpjpe"
    cpu_poses: int | None = None
    once: bool = True


def stages(config: Config) -> list[Stage]:
    """The stages that a config asks for, in order; a stage of 0 epochs is left out."""
    found = [_video(config)] if config.model.family == "video" else _published(config)
    return [stage for stage in found if stage.epochs]


def check_stages(config: Config) -> None:
    """Raises InputError for a config without a stage, with a denoiser alone and no lifter for it, and for what the video model
    cannot do.
    """
    if config.model.family == "video":
        if not config.train.epochs:
            raise InputError("key 'train.epochs': nothing to train, the video model has 0 epochs")
        for key in ("lifter", "compiled"):
            if getattr(config.train, key):
                raise InputError(
                    f"key 'train.{key}': the video model has no such thing; leave it out, or set model.family=published"
                )
        return
    if not stages(config):
        raise InputError("key 'train.lifter_epochs': nothing to train, both stages have 0 epochs")
    if not config.train.lifter and not config.train.lifter_epochs:
        raise InputError("key 'train.lifter_epochs': 0 leaves the denoiser without a lifter; name a bundle in 'train.lifter'")


def _video(config: Config) -> Stage:
    loss = video.VideoLoss(config)
    return Stage(
        "video",
        config.train.epochs,
        build=lambda: VideoNetwork(config.model),
        make_batch=loss.make_batch,
        loss=loss,
        evaluate=lambda network, lifter, held_out: video.evaluate(network, held_out),
        measures=video.MEASURES,
        best_by="mpjpe",
        cpu_poses=_CPU_POSES,
        once=False,
    )


def _published(config: Config) -> list[Stage]:
    model, diffusion, train = config.model, config.diffusion, config.train

    def batch(columns: Sequence[Tensor], generator: torch.Generator) -> Batch:
        return make_batch(columns, train, generator)

    return [
        Stage(
            "lifter",
            0 if train.lifter else train.lifter_epochs,
            build=lambda: Lifter(model),
            make_batch=batch,
            loss=lambda network, batch, generator: lifter_loss(network, batch, train),
            evaluate=lambda network, lifter, held_out: evaluate(Networks(model, diffusion, network), held_out),
        ),
        Stage(
            "denoiser",
            train.denoiser_epochs,
            build=lambda: Denoiser(model),
            make_batch=batch,
            loss=lambda network, batch, generator: denoiser_loss(network, batch, generator, train, diffusion),
            evaluate=lambda network, lifter, held_out: evaluate(Networks(model, diffusion, lifter, network), held_out),
        ),
    ]


def compiled(stage: Stage, network: nn.Module, rows: int, bf16: bool) -> CompiledTraining:
    """The stage's network, compiled for training on batches of `rows` poses."""
    device = next(network.parameters()).device
    uv = torch.zeros(rows, N_JOINTS, 2, device=device)
    x_t, t = torch.zeros(rows, N_JOINTS, 5, device=device), torch.zeros(rows, dtype=torch.int64, device=device)
    inputs = (uv,) if stage.name == "lifter" else (x_t, uv, t)
    return CompiledTraining(network, inputs, bf16)


def frozen_lifter(lifter: Lifter, rows: int, config: TrainConfig) -> Callable[[Tensor], Tensor] | None:
    """What lifts the denoiser's batches in passes of `rows` poses, where it learns from the lifter's errors."""
    if config.denoiser_errors != "lifter":
        return None
    return compiled_lifting(lifter, rows, lifter.project.bias.device) if config.compiled else lifter


def lifter_loss(network: nn.Module, batch: Batch, train: TrainConfig) -> Tensor:
    """Mean squared error over joints and channels (GraFormer, arXiv 2109.08364), or mean joint distance. (B,) float32."""
    error = network(batch.uv).float() - batch.xyz
    if train.loss == "distance":
        return torch.linalg.vector_norm(error, dim=-1).mean(-1)
    return error.square().mean((1, 2))


def denoiser_loss(
    network: nn.Module, batch: Batch, generator: torch.Generator, train: TrainConfig, diffusion: DiffusionConfig
) -> Tensor:
    """Error on the noise at antithetic steps, squared or its length, summed over joints. (B,) float32.

    The guide sees the clean 2D. Where the batch has the lifter's poses, noise is what makes them of the true ones at the step
    that sampling starts from; the steps before it see the same errors, smaller. Elsewhere it is Gaussian.
    """
    x_0 = torch.cat([batch.uv, batch.xyz], -1)  # (B, 17, 5)
    schedule, last = Schedule.from_config(diffusion), None
    if batch.lifted is None:
        scale = noise_scale(x_0, batch.sigma if diffusion.noise_scale == "mixture" else None)
        noise = scale * gaussian(x_0, generator)
    else:
        last = sampling_steps(diffusion)[-1]
        noise = noise_between(torch.cat([batch.uv, batch.lifted], -1), x_0, last, schedule)
    error = noise_error(lambda x_t, t: network(x_t, batch.uv, t), x_0, noise, schedule, generator, last)
    if train.loss == "distance":
        return torch.linalg.vector_norm(error, dim=-1).sum(-1)
    return error.square().sum((1, 2))


def evaluate(networks: Networks, held_out: HeldOut) -> Tensor:
    """Sums over poses of [1, P1 of the lifter, P2 of the lifter, P1 after diffusion, P2 after diffusion] in mm, (5,) float64.

    One pass without flips on each joint's heaviest kernel. Without a denoiser the last two are those of the lifter.
    """
    # eta is left at 0: the choice of the best epoch must not depend on drawn noise.
    lifted = lift(networks, held_out.mixture, SamplingOptions(flips=False, eta=0.0))
    poses, truth = (lifted.lifter_pose, lifted.pose_3d), held_out.pose_3d
    errors = [error(pose, truth).double().sum() for pose in poses for error in (metrics.mpjpe, metrics.p_mpjpe)]
    return torch.stack([torch.tensor(float(len(truth)), dtype=torch.float64, device=truth.device), *errors])
