"""Small videos and a small video network with random weights."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from pose_diffusion.config import ModelConfig
from pose_diffusion.geometry.person_view import assumed_intrinsic
from pose_diffusion.models.video.network import VideoNetwork

MODEL = ModelConfig(family="video", width=16, layers=1, heads=2, frames=9)


@dataclass(frozen=True)
class Video:
    """Arguments of `lift_clips` that have a row for each pose."""

    mixture: Tensor
    intrinsic: Tensor
    sequence: Tensor
    frame: Tensor

    def __getitem__(self, rows: slice | Tensor) -> Video:
        return Video(*(getattr(self, field.name)[rows] for field in fields(self)))


def random_network(seed: int = 0) -> VideoNetwork:
    """In evaluation mode, with nothing zero by initialisation."""
    torch.manual_seed(seed)
    network = VideoNetwork(MODEL).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def video(count: int, sequence: Tensor | None = None, frame: Tensor | None = None, kernels: int = 2) -> Video:
    """Random detections about the middle of a Full HD image whose lens is assumed."""
    generator = torch.Generator().manual_seed(count)
    mean = 0.3 * torch.randn(count, 17, kernels, 2, generator=generator)
    sigma = 0.01 + 0.02 * torch.rand(count, 17, kernels, 2, generator=generator)
    weight = torch.rand(count, 17, kernels, 1, generator=generator) + 0.1
    mixture = torch.cat([weight / weight.sum(-2, keepdim=True), mean, sigma], -1)
    intrinsic = torch.from_numpy(assumed_intrinsic(1920, 1080)).expand(count, 9)
    places = torch.arange(count)
    return Video(
        mixture, intrinsic, torch.zeros_like(places) if sequence is None else sequence, places if frame is None else frame
    )
