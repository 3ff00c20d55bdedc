"""Heatmaps to Gaussian mixtures by expectation-maximisation, all joints of many frames at once, on a CPU or a GPU.

A heatmap is taken as a density over its pixels, w(x, y) with sum 1, and K axis-aligned kernels maximise sum w log p (Dempster,
Laird and Rubin, 1977; DiffPose, arXiv 2211.16940, fits such mixtures to a detector's heatmaps). The best of several starts is
found on the heatmap pooled to a quarter of its size (`starts`) and climbed from there (`maximisation`); some steps at a half
and at full size end the fit.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional

from pose_diffusion.data.heatmaps.expectation_maximisation import PIXEL_VARIANCE, Mixture, climb, density_of, step
from pose_diffusion.data.heatmaps.initialisation import searched

FITTED, EMPTY, FLAT, SINGLE = 0, 1, 2, 3
KINDS = {EMPTY: "empty", FLAT: "flat", SINGLE: "single_pixel"}

_LEVELS = ((4, 20), (2, 4), (1, 1))  # pooling and steps, at the coarsest at most
_LEAST_SIDE = 12  # pixels of a heatmap's shorter side that are worth steps of their own
_LIGHT = 1e-6
_CHUNK = {"cpu": 512, "cuda": 1 << 14}  # heatmaps at a time; on a CPU so few that they stay in its cache


@torch.inference_mode()
def fit(
    heatmaps: np.ndarray, kernels: int, threshold: float = 0.0, restarts: int = 6, seed: int = 0, device: str = "cpu"
) -> tuple[np.ndarray, np.ndarray]:
    """Mixtures of heatmaps (..., H, W), which are finite; what is below 0 or threshold times the largest value counts as 0.

    Returns (..., K, 5) float32, weight, mean x, mean y, sigma x, sigma y in heatmap pixels (the first one's centre is 0),
    heaviest first, and (...) int8, FITTED or what is wrong: EMPTY and FLAT heatmaps get one kernel as wide as they are.
    The same heatmap gives the same mixture, whatever it is fitted with.
    """
    *shape, height, width = heatmaps.shape
    flat = heatmaps.reshape(-1, height, width)
    mixture, kind = np.empty((len(flat), kernels, 5), np.float32), np.empty(len(flat), np.int8)
    for start in range(0, len(flat), _CHUNK[device]):
        part = slice(start, start + _CHUNK[device])
        weight = torch.tensor(flat[part], dtype=torch.float32, device=device).clamp_min_(0)
        kinds = _kinds(weight)
        if threshold:
            weight.masked_fill_(weight < threshold * weight.amax((1, 2), keepdim=True), 0)
        result = _blank(len(weight), kernels, height, width, device)
        fitted = ((kinds == FITTED) | (kinds == SINGLE)).nonzero()[:, 0]
        if len(fitted):
            chosen = weight if len(fitted) == len(weight) else weight[fitted]
            result[fitted] = _pixels(_fit(chosen, kernels, restarts, seed), height, width)
        mixture[part], kind[part] = result.cpu().numpy(), kinds.cpu().numpy()
    return mixture.reshape(*shape, kernels, 5), kind.reshape(shape)


def log_likelihood(heatmaps: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """sum w log p of mixtures (..., K, 5) in heatmap pixels over heatmaps (..., H, W): (...) float64, nats, pixel by pixel."""
    *shape, height, width = heatmaps.shape
    weight = np.maximum(heatmaps, 0, dtype=np.float64).reshape(-1, height * width)
    y, x = (place.reshape(-1, 1) for place in np.mgrid[:height, :width])
    found = np.empty(len(weight))
    for number, kernels in enumerate(mixture.reshape(len(weight), -1, 5).astype(np.float64)):
        share, mean_x, mean_y, sx, sy = kernels[kernels[:, 0] > 0].T
        square = ((x - mean_x) / sx) ** 2 + ((y - mean_y) / sy) ** 2  # (pixels, K)
        logs = np.logaddexp.reduce(np.log(share / (2 * np.pi * sx * sy)) - square / 2, axis=1)
        found[number] = weight[number] @ logs / weight[number].sum()
    return found.reshape(shape)


def _kinds(weight: torch.Tensor) -> torch.Tensor:
    least, largest = weight.amin((1, 2)), weight.amax((1, 2))
    kinds = torch.full_like(largest, FITTED, dtype=torch.int8)
    kinds[weight.sum((1, 2)) == largest] = SINGLE
    kinds[largest - least <= 1e-6 * largest] = FLAT
    kinds[largest == 0] = EMPTY
    return kinds


def _blank(n: int, kernels: int, height: int, width: int, device: str) -> torch.Tensor:
    """Mixtures (n, K, 5) of which the first kernel has the whole heatmap's moments, and the others weigh nothing."""
    blank = torch.tensor([0, (width - 1) / 2, (height - 1) / 2, width / 12**0.5, height / 12**0.5], device=device)
    result = blank.repeat(n, kernels, 1)
    result[:, 0, 0] = 1
    return result


def _fit(weight: torch.Tensor, kernels: int, restarts: int, seed: int) -> Mixture:
    """The mixtures of images (N, H, W), which become densities in place."""
    weight /= weight.sum((1, 2), keepdim=True)
    height, width = weight.shape[1:]
    levels = [(pool, steps) for pool, steps in _LEVELS if min(height, width) >= _LEAST_SIDE * pool]
    if not levels or levels[-1][0] != 1:
        levels.append((1, _LEVELS[0][1]))
    coarsest = levels[0][0]
    missing = (0, -width % coarsest, 0, -height % coarsest)
    images = {1: functional.pad(weight, missing) if any(missing) else weight}
    while max(images) < coarsest:
        images[2 * max(images)] = _halved(images[max(images)])
    image = images[coarsest]
    mixture, _ = climb(image, searched(image, kernels, restarts, seed), levels[0][1])
    for (before, _), (pool, steps) in pairwise(levels):
        ratio = before / pool
        variance = mixture.variance * ratio**2 - (ratio**2 - 1) * PIXEL_VARIANCE
        mixture = Mixture(mixture.weight, mixture.mean * ratio, variance.clamp_min_(PIXEL_VARIANCE))
        for _ in range(steps):
            mixture = step(images[pool], density_of(mixture, *images[pool].shape[1:]))
    mixture.mean[0] += (images[1].shape[2] - width) / 2  # from the middle of the image as it came
    mixture.mean[1] += (images[1].shape[1] - height) / 2
    return mixture


def _halved(image: torch.Tensor) -> torch.Tensor:
    """Sums of 2 x 2 pixels."""
    rows = image[:, ::2] + image[:, 1::2]
    return rows[..., ::2] + rows[..., 1::2]


def _pixels(mixture: Mixture, height: int, width: int) -> torch.Tensor:
    """(N, K, 5) in pixels, heaviest first; kernels that weigh next to nothing become copies of the heaviest, of weight 0."""
    weight, order = mixture.weight.sort(dim=1, descending=True, stable=True)
    mean, sigma = mixture.mean.take_along_dim(order[None], 2), mixture.variance.sqrt().take_along_dim(order[None], 2)
    values = torch.stack([weight, mean[0] + (width - 1) / 2, mean[1] + (height - 1) / 2, *sigma], -1)
    light = weight < _LIGHT
    values[..., 1:] = torch.where(light[..., None], values[:, :1, 1:], values[..., 1:])
    values[..., 0] = weight.masked_fill(light, 0)
    values[..., 0] /= values[..., 0].sum(1, keepdim=True)
    return values
