"""Errors of 3D poses, one value a pose, in millimetres.

With predicted joints p_j and true joints g_j of one pose (both minus the pelvis, see `centre`):

    MPJPE    mean_j |p_j - g_j|
    N-MPJPE  mean_j |s p_j - g_j|,  s = sum_j <p_j, g_j> / sum_j <p_j, p_j>
    P-MPJPE  mean_j |s R p_j + t - g_j|, the similarity with the least squared error, R a rotation, never a reflection
    MPJVE    mean_j |(p_j - p'_j) - (g_j - g'_j)|, p' and g' the frame before
    PCK      share of 14 joints with |p_j - g_j| < 150 mm
    AUC      mean of PCK over the thresholds 0, 5, ..., 150 mm

as VideoPose3D evaluates them (arXiv 1811.11742); PCK and AUC as MPI-INF-3DHP does (arXiv 1611.09813). The best
similarity is that of Umeyama (1991). Functions take any batch shape; aggregates are sums over counts of these values.
"""

from __future__ import annotations

import torch

from pose_diffusion.geometry.skeleton import PCK_JOINTS, ROOT

PCK_THRESHOLD_MM = 150.0
AUC_THRESHOLDS_MM = tuple(range(0, 151, 5))
_MM = 1000.0


def centre(pose: torch.Tensor) -> torch.Tensor:
    """The pose minus its pelvis. (..., 17, 3) -> (..., 17, 3)."""
    return pose - pose[..., ROOT : ROOT + 1, :]


def joint_errors(pose: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Distance of each joint from the true one. Two (..., 17, 3) in metres -> (..., 17) in mm."""
    return torch.linalg.vector_norm(pose - truth, dim=-1) * _MM


def mpjpe(pose: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean joint error (P1). Two (..., 17, 3) in metres -> (...) in mm."""
    return joint_errors(pose, truth).mean(-1)


def n_mpjpe(pose: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean joint error after the best scale of each pose. Two (..., 17, 3) in metres -> (...) in mm."""
    squares = pose.square().sum((-2, -1))
    scale = (pose * truth).sum((-2, -1)) / squares.clamp_min(torch.finfo(pose.dtype).tiny)
    return mpjpe(scale[..., None, None] * pose, truth)


def p_mpjpe(pose: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean joint error after `align` (P2). Two (..., 17, 3) in metres -> (...) in mm."""
    return mpjpe(align(pose, truth), truth.double()).to(pose.dtype)


def align(pose: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The pose moved, turned and scaled onto the truth, each pose by itself, without reflection.

    Two (..., 17, 3) -> (..., 17, 3) float64: the singular values of nearly flat poses lose too many digits in float32.
    """
    pose, truth = pose.double(), truth.double()
    middle = truth.mean(-2, keepdim=True)
    p, g = pose - pose.mean(-2, keepdim=True), truth - middle
    u, singular, v_t = torch.linalg.svd(p.mT @ g)  # (..., 3, 3), (..., 3)
    # Where the best orthogonal matrix is a reflection, the least singular direction is turned back.
    sign = torch.ones_like(singular)
    sign[..., -1] = torch.linalg.det(u @ v_t).sign()
    rotation = (u * sign.unsqueeze(-2)) @ v_t
    scale = (singular * sign).sum(-1) / p.square().sum((-2, -1)).clamp_min(torch.finfo(p.dtype).tiny)
    return scale[..., None, None] * (p @ rotation) + middle


def mpjve(pose: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean error of the joints' velocity between neighbours of one sequence, in its order.

    Two (..., T, 17, 3) in metres -> (..., T - 1) in mm a frame.
    """
    return mpjpe(pose.diff(dim=-3), truth.diff(dim=-3))


def pck(pose: torch.Tensor, truth: torch.Tensor, threshold_mm: float = PCK_THRESHOLD_MM) -> torch.Tensor:
    """Share of the PCK joints nearer than the threshold. Two (..., 17, 3) in metres -> (...) between 0 and 1."""
    return (joint_errors(pose, truth)[..., PCK_JOINTS] < threshold_mm).to(pose.dtype).mean(-1)


def auc(pose: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean of PCK over 0, 5, ..., 150 mm. Two (..., 17, 3) in metres -> (...) between 0 and 1."""
    thresholds = torch.tensor(AUC_THRESHOLDS_MM, dtype=pose.dtype, device=pose.device)
    errors = joint_errors(pose, truth)[..., PCK_JOINTS]
    return (errors.unsqueeze(-1) < thresholds).to(pose.dtype).mean((-2, -1))
