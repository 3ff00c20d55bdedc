"""The training loss of the video network: how far a clip of poses is from the truth, one number a clip.

For poses P and truth Y, relative to the pelvis, over the frames that exist:

    joint     mean |P_j - Y_j|
    scaled    the same after the best scale of each pose (N-MPJPE, arXiv 1811.11742)
    velocity  mean |dP_j/dt - dY_j/dt| / 30 over pairs of neighbouring frames: metres per frame of 30 frames a second
    bones     mean ||P_j - P_parent| - |Y_j - Y_parent||
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pose_diffusion.geometry.skeleton import EDGES

_FRAMES_PER_SECOND = 30.0


@dataclass(frozen=True)
class LossWeights:
    """What each term is multiplied by; 0 leaves it out."""

    joint: float = 1.0
    scaled: float = 0.5
    velocity: float = 1.0
    bones: float = 0.2


def clip_loss(predicted: Tensor, target: Tensor, valid: Tensor, time: Tensor, weights: LossWeights) -> Tensor:
    """(B,) metres. predicted, target: (B, T, 17, 3) metres in one frame of reference, the pelvis at 0. valid: (B, T) bool.

    time: (B, T) seconds. A clip without a valid frame has loss 0.
    """
    there = valid[..., None, None]
    predicted, target = torch.where(there, predicted, 0), torch.where(there, target, 0)
    loss = predicted.new_zeros(len(predicted))
    if weights.joint:
        loss = loss + weights.joint * _mean((predicted - target).norm(dim=-1), valid)
    if weights.scaled:
        loss = loss + weights.scaled * _mean((_best_scale(predicted, target) * predicted - target).norm(dim=-1), valid)
    if weights.velocity and time.shape[1] > 1:
        loss = loss + weights.velocity * _velocity(predicted - target, valid, time)
    if weights.bones:
        loss = loss + weights.bones * _mean((_bone_lengths(predicted) - _bone_lengths(target)).abs(), valid)
    return loss


def _mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of (B, T, n) over the valid (B, T) frames of each clip. Returns (B,)."""
    total = torch.where(valid, values.mean(-1), 0).sum(1)
    return total / valid.sum(1).clamp_min(1)


def _best_scale(predicted: Tensor, target: Tensor) -> Tensor:
    """(B, T, 1, 1): what each pose is multiplied by to be nearest to the truth by least squares."""
    squares = predicted.square().sum((-2, -1), keepdim=True)
    return (predicted * target).sum((-2, -1), keepdim=True) / squares.clamp_min(1e-6)


def _velocity(difference: Tensor, valid: Tensor, time: Tensor) -> Tensor:
    gap = time.diff(dim=1).abs() * _FRAMES_PER_SECOND  # (B, T - 1) frames
    linked = valid[:, 1:] & valid[:, :-1] & (gap > 1e-4)
    speed = difference.diff(dim=1).norm(dim=-1) / torch.where(linked, gap, 1)[..., None]
    return _mean(speed, linked)


def _bone_lengths(pose: Tensor) -> Tensor:
    """(B, T, 16) metres."""
    parents, joints = zip(*EDGES, strict=True)
    return (pose[..., list(joints), :] - pose[..., list(parents), :]).norm(dim=-1)
