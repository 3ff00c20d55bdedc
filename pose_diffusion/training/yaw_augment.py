"""Poses turned about the vertical, as the same camera would see them had the person turned.

A detector's error, what a detection is away from the joint's projection, goes with the joint.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pose_diffusion.geometry.camera import project

_NEAREST = 0.5  # metres from the camera's plane: nearer joints leave the image, and the projection its sense


def turn(uv: Tensor, xyz: Tensor, view: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """The poses turned about the vertical through their pelvis, and their detections moved as their joints' projections are.

    uv: (B, 17, 2) normalised screen. xyz: (B, 17, 3) metres, camera frame, minus the pelvis. view: (B, 15), of `data.views`.
    angle: (B,) radians. A pose with a joint that would come too near to the camera stays as it is. Returns uv and xyz.
    """
    root, up, intrinsic = (part[:, None] for part in view.split([3, 3, 9], 1))
    sine, cosine = angle.sin()[:, None, None], angle.cos()[:, None, None]
    # Rodrigues: the part across the axis turns, the part along it stays.
    along = (xyz * up).sum(-1, keepdim=True) * up
    turned = along + cosine * (xyz - along) + sine * torch.linalg.cross(up.expand_as(xyz), xyz)
    moved = uv + project(turned + root, intrinsic) - project(xyz + root, intrinsic)
    near = ((turned + root)[..., 2].amin(1) < _NEAREST)[:, None, None]
    return torch.where(near, uv, moved), torch.where(near, xyz, turned)
