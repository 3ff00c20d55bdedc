"""A batch of clips to train on: detections and the motion they are of, before one camera a clip."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from pose_diffusion.geometry.person_view import rays_on_plane
from pose_diffusion.geometry.skeleton import FLIP


@dataclass(frozen=True)
class ClipBatch:
    """B clips of T frames, 17 joints, K kernels.

    mixture: (B, T, 17, K, 5) normalised screen units. pose_3d: (B, T, 17, 3) metres, camera frame, minus the pelvis. root_3d:
    (B, T, 3) the pelvis in the camera frame, metres. up: (B, 3) the world's up in the camera frame, of unit length. intrinsic:
    (B, 9), see `Camera.intrinsic`: what the network is told. time: (B, T) seconds. valid: (B, T) bool, False for padding.
    """

    mixture: Tensor
    pose_3d: Tensor
    root_3d: Tensor
    up: Tensor
    intrinsic: Tensor
    time: Tensor
    valid: Tensor

    @property
    def joints_3d(self) -> Tensor:
        """(B, T, 17, 3): the joints in the camera frame, metres."""
        return self.pose_3d + self.root_3d[:, :, None]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> ClipBatch:
        moved = {field.name: getattr(self, field.name).to(device, non_blocking=non_blocking) for field in fields(self)}
        return ClipBatch(**moved)

    def undistorted(self) -> ClipBatch:
        """The same clips through lenses without distortion: what the person-centred view sees of them is the same."""
        lens = self.intrinsic[:, None, None, None]
        weight, mean, sigma = self.mixture.split((1, 2, 2), -1)
        mean = rays_on_plane(mean, lens) * lens[..., :2] + lens[..., 2:4]
        ideal = torch.cat([self.intrinsic[:, :4], torch.zeros_like(self.intrinsic[:, 4:])], 1)
        return replace(self, mixture=torch.cat([weight, mean, sigma], -1), intrinsic=ideal)

    def where(self, chosen: Tensor, other: ClipBatch) -> ClipBatch:
        """The clips of this batch where chosen (B,) is True, else the other's."""
        pairs = {field.name: (getattr(self, field.name), getattr(other, field.name)) for field in fields(self)}
        return ClipBatch(**{name: torch.where(per_clip(chosen, a), a, b) for name, (a, b) in pairs.items()})


def per_clip(values: Tensor, like: Tensor) -> Tensor:
    """One value a clip, (B,), shaped so that it broadcasts against `like`, (B, ...)."""
    return values.reshape(-1, *[1] * (like.dim() - 1))


def mirror_clips(batch: ClipBatch, chosen: Tensor) -> ClipBatch:
    """Left and right swapped for the chosen (B,) clips: image, lens and motion reflected in the plane x = 0 of the camera."""
    flip = list(FLIP)

    def reflected(values: Tensor, *indices: int) -> Tensor:
        sign = values.new_ones(values.shape[-1])
        sign[list(indices)] = -1
        return values * sign

    mirrored = replace(
        batch,
        mixture=reflected(batch.mixture[:, :, flip], 1),
        pose_3d=reflected(batch.pose_3d[:, :, flip], 0),
        root_3d=reflected(batch.root_3d, 0),
        up=reflected(batch.up, 0),
        intrinsic=reflected(batch.intrinsic, 2, 7),  # the centre's u, and p1, which bends the image sideways
    )
    return mirrored.where(chosen, batch)
