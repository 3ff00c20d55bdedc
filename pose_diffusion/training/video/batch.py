"""What the video network trains on: clips after augmentation, in the person-centred view."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from pose_diffusion.geometry.person_view import person_view
from pose_diffusion.training.video.clip_batch import ClipBatch


@dataclass(frozen=True)
class ViewBatch:
    """B clips of T frames. kernels: (B, T, 17, K, 5) and context: (B, T, C), see `geometry.person_view`. target: (B, T, 17, 3)
    metres in the view's frame, minus the pelvis. time: (B, T) seconds. valid: (B, T) bool.

    It counts poses, not clips: its length is B T, as is what `split` is given.
    """

    kernels: Tensor
    context: Tensor
    target: Tensor
    time: Tensor
    valid: Tensor

    def __len__(self) -> int:
        return self.valid.numel()

    @property
    def device(self) -> torch.device:
        return self.valid.device

    def split(self, poses: int) -> list[ViewBatch]:
        """The batch in parts of at most `poses` poses, but at least a clip."""
        clips = max(1, poses // self.valid.shape[1])
        parts = [getattr(self, field.name).split(clips) for field in fields(self)]
        return [ViewBatch(*part) for part in zip(*parts, strict=True)]


def view_batch(clips: ClipBatch) -> ViewBatch:
    """The clips as the network sees them, by the cameras that it is told."""
    view = person_view(clips.mixture, clips.intrinsic, clips.time, clips.valid)
    return ViewBatch(view.kernels, view.context, view.to_view(clips.pose_3d), clips.time, clips.valid)
