"""Where a body stands, and how well a pose explains the image, from the reprojection into a known camera.

A pose P_j is relative to its pelvis; with the pelvis at r, joint j is seen at x_j = (P_j + r)_xy / (P_j + r)_z on the ideal
screen of a pinhole (distortion undone). The root r minimises sum_j w_j rho(|x_j(r) - y_j|^2) over the observed y_j: first
the linear problem (P_j + r)_xy - y_j (P_j + r)_z = 0, then Gauss-Newton steps on the reprojection error itself, reweighted
by Cauchy's function, so that swapped or lost joints do not pull the body away. 1 / w_j is the variance of the detection
plus that of the pose. Everything is batched: a 3 x 3 system a pose.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pose_diffusion.geometry.camera import project, undistort

_STEPS = 4
_NEAREST_M = 0.1  # no joint is nearer to the camera
_POSE_ERROR = 0.01  # of a joint on the ideal screen: 5 cm at 5 m
_CAUCHY = 2.0  # residuals of this many times the pose's median count half


def fit_root(pose: Tensor, uv: Tensor, intrinsic: Tensor, sigma: Tensor) -> Tensor:
    """The pelvis in the camera frame, metres.

    pose: (..., 17, 3) metres minus the pelvis. uv, sigma: (..., 17, 2) observed joints and their standard deviation,
    normalised screen. intrinsic: (..., 9), see `Camera.intrinsic`. Returns (..., 3) of the pose's type.
    """
    pose64, uv, intrinsic, sigma = (tensor.double() for tensor in (pose, uv, intrinsic, sigma))
    focal, middle = intrinsic[..., None, :2], intrinsic[..., None, 2:4]
    seen = (undistort(uv, intrinsic[..., None, :]) - middle) / focal  # (..., 17, 2)
    weight = 1 / ((sigma / focal).square() + _POSE_ERROR**2)
    xy, z = pose64[..., :2], pose64[..., 2:]
    # With ones in place of depths the residual is the linear problem's.
    root = _solve(torch.ones_like(z).expand_as(xy), -seen, seen * z - xy, weight)
    for _ in range(_STEPS):
        depth = (z + root[..., None, 2:]).clamp_min(_NEAREST_M)
        projected = (xy + root[..., None, :2]) / depth
        error = seen - projected
        squared = error.square().sum(-1, keepdim=True)  # (..., 17, 1)
        usual = squared.median(-2, keepdim=True).values.clamp_min(1e-12)
        robust = weight / (1 + squared / (_CAUCHY**2 * usual))
        root = root + _solve(1 / depth.expand_as(xy), -projected / depth, error, robust)
    return root.to(pose.dtype)


def joint_log_likelihood(pose: Tensor, root: Tensor, mixture: Tensor, intrinsic: Tensor) -> Tensor:
    """Logarithm of the mixture's density at each reprojected joint.

    pose: (..., 17, 3), root: (..., 3), mixture: (..., 17, K, 5), intrinsic: (..., 9). Returns (..., 17).
    """
    uv = project(pose + root[..., None, :], intrinsic[..., None, :])[..., None, :]  # (..., 17, 1, 2)
    weight, mean, sigma = mixture[..., 0], mixture[..., 1:3], mixture[..., 3:].clamp_min(1e-6)
    distance = ((uv - mean) / sigma).square().sum(-1) / 2  # (..., 17, K)
    return torch.logsumexp(weight.clamp_min(1e-30).log() - distance - sigma.log().sum(-1), -1) - math.log(2 * math.pi)


def _solve(along: Tensor, depth: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """r of least sum w (along r_xy + depth r_z - target)^2 over joints and both axes. Each (..., 17, 2); returns (..., 3)."""
    aa, ad, at = ((weight * along * other).sum(-2) for other in (along, depth, target))  # each (..., 2)
    dd, dt = ((weight * depth * other).sum((-2, -1)) for other in (depth, target))  # each (...,)
    # The normal equations are diagonal in r_xy: eliminating it leaves one equation for r_z.
    r_z = (dt - (ad * at / aa).sum(-1)) / (dd - (ad.square() / aa).sum(-1))
    r_xy = (at - ad * r_z[..., None]) / aa
    return torch.cat([r_xy, r_z[..., None]], -1)
