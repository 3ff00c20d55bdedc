"""Gaussian mixtures of 2D joints: K kernels a joint, each (weight, mean u, mean v, sigma u, sigma v), heaviest first.

The layout is that of DiffPose's mixture files (arXiv 2211.16940): axis-aligned Gaussians, sigma a standard deviation.
Functions on whole batches: numpy where shards are made, torch where they are consumed on a device.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

WEIGHT, MEAN, SIGMA = slice(0, 1), slice(1, 3), slice(3, 5)
Pose2D = Literal["heaviest", "mean"]


def normalise(mixture: np.ndarray, in_place: bool = False) -> np.ndarray:
    """Weights clipped at 0 and divided by their sum, kernels sorted heaviest first (stable).

    mixture: (..., K, 5). A joint whose weights are all 0 gets equal ones. Returns a new float32 array, or, in_place, may
    return the given one, overwritten.
    """
    mixture = np.array(mixture, dtype=np.float32, copy=None if in_place else True)
    weight = np.maximum(np.ascontiguousarray(np.moveaxis(mixture[..., 0], -1, 0)), 0)  # (K, ...): 3 times as fast
    total = weight.sum(0)
    weight = np.where(total > 0, weight / np.where(total > 0, total, 1), np.float32(1 / mixture.shape[-2]))
    mixture[..., 0] = np.moveaxis(weight, 0, -1)
    if (weight[:-1] >= weight[1:]).all():
        return mixture  # as most files have it: sorting would take half the time of reading
    order = np.argsort(-mixture[..., 0], axis=-1, kind="stable")
    return np.take_along_axis(mixture, order[..., None], axis=-2)


def from_points(points: np.ndarray, sigma: np.ndarray | float) -> np.ndarray:
    """One kernel a point. points: (..., 2); sigma: broadcastable to (..., 2). Returns (..., 1, 5) float32."""
    points = np.asarray(points, dtype=np.float32)
    mixture = np.empty((*points.shape[:-1], 1, 5), np.float32)
    mixture[..., 0, WEIGHT] = 1
    mixture[..., 0, MEAN] = points
    mixture[..., 0, SIGMA] = sigma
    return mixture


def mean_of_joints(mixture: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mixtures of weighted means of joints that are independent of each other, such as a hip between two hips.

    mixture: (..., J, K, 5). weights: (R, J). A mean of n joints has K^n kernels, of which the heaviest K are kept, after
    each joint. Returns (..., R, K, 5) float32.
    """
    results = []
    for row in weights:
        first, *others = np.flatnonzero(row)
        total = _scaled(mixture[..., first, :, :], row[first])
        for joint in others:
            other = _scaled(mixture[..., joint, :, :], row[joint])
            pairs = total[..., :, None, :] + other[..., None, :, :]  # (..., K, K, 5)
            pairs[..., 0] = total[..., :, None, 0] * other[..., None, :, 0]
            pairs = pairs.reshape(*pairs.shape[:-3], -1, 5)
            heaviest_first = np.argsort(-pairs[..., 0], axis=-1, kind="stable")[..., : mixture.shape[-2], None]
            total = np.take_along_axis(pairs, heaviest_first, axis=-2)
        total[..., SIGMA] **= 0.5
        results.append(total)
    return normalise(np.stack(results, axis=-3))


def _scaled(mixture: np.ndarray, factor: float) -> np.ndarray:
    """Kernels (..., 5) of factor times the joint, with variances in the place of sigmas."""
    scaled = np.array(mixture, np.float32)
    scaled[..., MEAN] *= factor
    scaled[..., SIGMA] = (scaled[..., SIGMA] * factor) ** 2
    return scaled


def pixels_to_screen(mixture: np.ndarray, width: int, height: int, sigma_in_pixels: bool = True) -> np.ndarray:
    """Means (and sigmas) from pixels to normalised screen units: u = 2 px / width - 1, v = 2 py / width - height / width.

    mixture: (..., K, 5). Returns a new float32 array.
    """
    mean, sigma = 2 / width, 2 / width if sigma_in_pixels else 1
    scale, shift = np.array([[1, mean, mean, sigma, sigma], [0, -1, -height / width, 0, 0]], np.float32)
    # One pass over rows of many numbers: a tenth of the time that passes over columns of 2 take.
    repeats = np.shape(mixture)[-2]
    rows = np.asarray(mixture, np.float32).reshape(*np.shape(mixture)[:-2], -1) * np.tile(scale, repeats)
    rows += np.tile(shift, repeats)
    return rows.reshape(np.shape(mixture))


def heaviest(mixture: torch.Tensor) -> torch.Tensor:
    """Mean and sigma of each joint's first kernel. (..., K, 5) -> (..., 4)."""
    return mixture[..., 0, 1:]


def overall(mixture: torch.Tensor) -> torch.Tensor:
    """Mean and sigma of each joint's whole mixture. (..., K, 5) -> (..., 4)."""
    weight, mean, sigma = mixture.split((1, 2, 2), -1)
    weight = weight / weight.sum(-2, keepdim=True)  # rounding may leave them off 1
    centre = (weight * mean).sum(-2, keepdim=True)
    variance = (weight * (sigma.square() + (mean - centre).square())).sum(-2)
    return torch.cat([centre.squeeze(-2), variance.sqrt()], -1)


def single(mixture: torch.Tensor, which: Pose2D) -> torch.Tensor:
    """One Gaussian a joint, its mean and sigma: the heaviest kernel's, or those of the whole. (..., K, 5) -> (..., 4)."""
    return heaviest(mixture) if which == "heaviest" else overall(mixture)


def draw_kernel(
    mixture: torch.Tensor, generator: torch.Generator | None = None, draw: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean and sigma of one kernel a joint, drawn by weight. (..., K, 5) -> (..., 4).

    draw: (...,) numbers in [0, 1) to choose by, instead of the generator's.
    """
    if mixture.shape[-2] == 1:
        return heaviest(mixture)
    cumulative = mixture[..., 0].cumsum(-1)  # (..., K)
    if draw is None:
        draw = torch.rand(mixture.shape[:-2], generator=generator, device=mixture.device)
    # Rounding may leave the last cumulative weight below 1, so the draw is scaled to it and the last bound is left out.
    draw = draw.unsqueeze(-1) * cumulative[..., -1:]
    chosen = (draw >= cumulative[..., :-1]).sum(-1)  # (...,)
    index = chosen[..., None, None].expand(*mixture.shape[:-2], 1, 4)
    return mixture[..., 1:].gather(-2, index).squeeze(-2)
