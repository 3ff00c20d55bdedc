"""The one stage of the video family: the network that gives the mean pose of each frame of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pose_diffusion.config import Config, VideoConfig
from pose_diffusion.geometry import metrics
from pose_diffusion.models.video.network import VideoNetwork
from pose_diffusion.training.video.augmentation import Augmentation, augment
from pose_diffusion.training.video.batch import ViewBatch, view_batch
from pose_diffusion.training.video.clip_batch import ClipBatch
from pose_diffusion.training.video.loss import LossWeights, clip_loss
from pose_diffusion.training.video.random_cameras import CameraSettings
from pose_diffusion.training.video.random_errors import ErrorSettings

MEASURES = ("mpjpe", "p_mpjpe")


class VideoLoss:
    """What `stages.Stage` asks of a stage, for the video network."""

    def __init__(self, config: Config) -> None:
        video = config.video
        self.weights = LossWeights(1.0, video.scaled_loss, video.velocity_loss, video.bone_loss)
        self.augmentation = augmentation(video, config.train.flip)

    def make_batch(self, columns: Sequence[Tensor], generator: torch.Generator) -> ViewBatch:
        """The fields of a `ClipBatch`, augmented, in the person-centred view."""
        return view_batch(augment(ClipBatch(*columns), generator, self.augmentation))

    def __call__(self, network: VideoNetwork, batch: ViewBatch, generator: torch.Generator) -> Tensor:
        """(B,): each clip's loss times its frames, so that the sum over poses is what the loop divides."""
        pose = network(batch.kernels, batch.context, batch.time, batch.valid)
        return clip_loss(pose, batch.target, batch.valid, batch.time, self.weights) * batch.valid.shape[1]


def augmentation(video: VideoConfig, mirror: bool) -> Augmentation:
    errors = ErrorSettings()
    if video.errors != 1:
        scaled = ("unseen", "unseen_span", "outlier", "drift_m", "white_m", "swap", "offset_m")
        errors = replace(errors, **{name: min(1.0, getattr(errors, name) * video.errors) for name in scaled})
    cameras = CameraSettings(keep=1 - video.random_cameras, misjudged=video.misjudged)
    return Augmentation(0.5 if mirror else 0.0, cameras, errors)


@torch.no_grad()
def evaluate(network: VideoNetwork, held_out: ClipBatch, poses: int = 4096) -> Tensor:
    """Sums over poses of [1, MPJPE, P-MPJPE] in mm, (3,) float64; one pass without flips, seen by their own cameras."""
    sums = torch.zeros(3, dtype=torch.float64, device=held_out.valid.device)
    for batch in view_batch(held_out).split(poses):
        pose = network(batch.kernels, batch.context, batch.time, batch.valid)[batch.valid]
        truth = batch.target[batch.valid]
        errors = [error(pose, truth).double().sum() for error in (metrics.mpjpe, metrics.p_mpjpe)]
        sums += torch.stack([torch.tensor(float(len(truth)), dtype=torch.float64, device=sums.device), *errors])
    return sums
