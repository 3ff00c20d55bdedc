"""Heatmaps to Gaussian mixtures by expectation-maximisation, all joints of many frames at once, on a CPU or a GPU.

A heatmap is taken as a density over its pixels, w(x, y) with sum 1. K axis-aligned kernels maximise sum w log p, where
p = sum_k pi_k N(x; mu_k, sx_k^2) N(y; nu_k, sy_k^2) (Dempster, Laird and Rubin, 1977; DiffPose, arXiv 2211.16940, fits
such mixtures to a detector's heatmaps). Because a kernel is a product, g_k(y) h_k(x), one step is matrix products alone:

    p = G^T H,    Q = w / p,    sum over pixels of w r_k f(x) e(y) = (g_k e)^T Q (h_k f),    r_k = g_k h_k / p

A pixel is an area: kernels have at least its variance, 1/12 px^2. Steps are taken on a heatmap pooled to a quarter of its
size from several starts (k-means++, Arthur and Vassilvitskii, 2007), and the best is refined at a half and at full size.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

FITTED, EMPTY, FLAT, SINGLE = 0, 1, 2, 3
KINDS = {EMPTY: "empty", FLAT: "flat", SINGLE: "single_pixel"}

_LEVELS = ((4, 60), (2, 4), (1, 1))  # pooling and most steps
_LEAST_SIDE = 12  # pixels of a heatmap's shorter side that are worth steps of their own
_PIXEL_VARIANCE = 1 / 12
_TOLERANCE = 1e-3  # nats a pixel and step, below which a fit has converged
_EVERY = 4  # steps between two looks at the likelihood
_FARTHEST = 34.0  # nats a side: beyond 8 sigma densities stay level, so that no pixel loses its weight to underflow
_LIGHT = 1e-6
_CHUNK = {"cpu": 512, "cuda": 1 << 14}


class Mixture(NamedTuple):
    """weight: (N, K). mean, variance: (N, K, 2), x and y in pixels of the level."""

    weight: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor

    def of(self, index: torch.Tensor) -> Mixture:
        return Mixture(*(values[index] for values in self))


class _Density(NamedTuple):
    """A mixture over an image. value: (N, H, W). rows: (N, K, H), weight and density along y; columns: (N, K, W) along x;
    dy, dx: distances to the means.
    """

    value: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    dy: torch.Tensor
    dx: torch.Tensor


def fit(
    heatmaps: np.ndarray, kernels: int, threshold: float = 0.0, restarts: int = 3, seed: int = 0, device: str = "cpu"
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
        fitted = torch.isin(kinds, torch.tensor([FITTED, SINGLE], device=device))
        result = _blank(len(weight), kernels, height, width, device)
        if fitted.any():
            result[fitted] = _sorted(_fit(weight[fitted], kernels, restarts, seed))
        mixture[part], kind[part] = result.cpu().numpy(), kinds.cpu().numpy()
    return mixture.reshape(*shape, kernels, 5), kind.reshape(shape)


def log_likelihood(heatmaps: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """sum w log p of mixtures (..., K, 5) in heatmap pixels over heatmaps (..., H, W): (...) float64, nats."""
    *shape, height, width = heatmaps.shape
    weight = torch.from_numpy(np.maximum(heatmaps, 0)).double().reshape(-1, height, width)
    values = torch.from_numpy(mixture).double().reshape(len(weight), -1, 5)
    density = _density(Mixture(values[..., 0], values[..., 1:3], values[..., 3:] ** 2), height, width)
    return ((weight * density.value.log()).sum((1, 2)) / weight.sum((1, 2))).reshape(shape).numpy()


def _kinds(weight: torch.Tensor) -> torch.Tensor:
    largest, least = weight.amax((1, 2)), weight.amin((1, 2))
    kinds = torch.full_like(largest, FITTED, dtype=torch.int8)
    kinds[(weight > 0).sum((1, 2)) == 1] = SINGLE
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
    weight = weight / weight.sum((1, 2), keepdim=True)
    height, width = weight.shape[1:]
    levels = [(pool, steps) for pool, steps in _LEVELS if min(height, width) >= _LEAST_SIDE * pool]
    if not levels or levels[-1][0] != 1:
        levels.append((1, _LEVELS[0][1]))
    coarsest = levels[0][0]
    images = {1: functional.pad(weight, (0, -width % coarsest, 0, -height % coarsest))}
    while max(images) < coarsest:
        images[2 * max(images)] = _halved(images[max(images)])
    mixture, before = None, 1
    for pool, steps in levels:
        image = images[pool]
        if mixture is None:
            mixture = _best_start(image, kernels, restarts, seed, steps)
        else:
            ratio = before / pool
            variance = mixture.variance * ratio**2 - (ratio**2 - 1) * _PIXEL_VARIANCE
            finer = Mixture(mixture.weight, (mixture.mean + 0.5) * ratio - 0.5, variance.clamp_min(_PIXEL_VARIANCE))
            mixture, _ = _climb(image, finer, steps)
        before = pool
    assert mixture is not None
    return mixture


def _halved(image: torch.Tensor) -> torch.Tensor:
    """Sums of 2 x 2 pixels."""
    rows = image[:, ::2] + image[:, 1::2]
    return rows[..., ::2] + rows[..., 1::2]


def _best_start(image: torch.Tensor, kernels: int, restarts: int, seed: int, steps: int) -> Mixture:
    n = len(image)
    starts = [_start(image, kernels, number, seed) for number in range(restarts)]
    joined = Mixture(*(torch.cat(values) for values in zip(*starts, strict=True)))
    mixtures, likelihood = _climb(image.repeat(restarts, 1, 1), joined, steps)
    best = likelihood.view(restarts, n).argmax(0) * n + torch.arange(n, device=image.device)
    return mixtures.of(best)


def _start(image: torch.Tensor, kernels: int, number: int, seed: int) -> Mixture:
    """Means at pixels chosen one by one, by their weight times their squared distance to those chosen before: the largest
    in start 0, drawn in the others, by numbers that depend on the seed alone and not on what else is in the batch.
    """
    n, height, width = image.shape
    draws = torch.rand(kernels, generator=torch.Generator().manual_seed(1000 * seed + number)).tolist()
    flat = image.reshape(n, -1)
    x = torch.arange(width, device=image.device, dtype=image.dtype).repeat(height)
    y = torch.arange(height, device=image.device, dtype=image.dtype).repeat_interleave(width)
    distance = torch.full_like(flat, math.inf)
    score, means = flat, []
    for draw in draws:
        if number == 0:
            chosen = score.argmax(1)
        else:
            cumulative = score.cumsum(1)
            chosen = torch.searchsorted(cumulative, cumulative[:, -1:] * draw, right=True)[:, 0].clamp_max(len(x) - 1)
        means.append(torch.stack([x[chosen], y[chosen]], -1))
        distance = torch.minimum(distance, (x - x[chosen, None]) ** 2 + (y - y[chosen, None]) ** 2)
        score = flat * distance
    variance = score.sum(1) / 2 + _PIXEL_VARIANCE
    weight = torch.full((n, kernels), 1 / kernels, device=image.device)
    return Mixture(weight, torch.stack(means, 1), variance[:, None, None].repeat(1, kernels, 2))


def _climb(image: torch.Tensor, mixture: Mixture, steps: int) -> tuple[Mixture, torch.Tensor]:
    """The mixtures after at most so many steps each, and their log-likelihood (N,) before the last one."""
    result = Mixture(*(torch.empty_like(values) for values in mixture))
    likelihood = torch.full_like(image[:, 0, 0], -math.inf)
    active = torch.arange(len(image), device=image.device)
    for step in range(1, steps + 1):
        density = _density(mixture, *image.shape[1:])
        mixture = _step(image, density, mixture)
        if step % _EVERY and step < steps:
            continue
        found = (image * density.value.log()).sum((1, 2))
        done = found - likelihood[active] < _EVERY * _TOLERANCE if step < steps else torch.ones_like(found, dtype=torch.bool)
        likelihood[active] = found
        for values, ended in zip(result, mixture.of(done), strict=True):
            values[active[done]] = ended
        active, image, mixture = active[~done], image[~done], mixture.of(~done)
        if not len(active):
            break
    return result, likelihood


def _density(mixture: Mixture, height: int, width: int) -> _Density:
    mean, variance = mixture.mean, mixture.variance
    dx = torch.arange(width, device=mean.device, dtype=mean.dtype) - mean[..., :1]  # (N, K, W)
    dy = torch.arange(height, device=mean.device, dtype=mean.dtype) - mean[..., 1:]  # (N, K, H)
    columns = (dx * dx * (-0.5 / variance[..., :1])).clamp_min(-_FARTHEST).exp()
    peak = mixture.weight / (2 * math.pi * variance.prod(-1).sqrt())
    rows = (dy * dy * (-0.5 / variance[..., 1:])).clamp_min(-_FARTHEST).exp() * peak[..., None]
    return _Density(rows.transpose(1, 2) @ columns, rows, columns, dy, dx)


def _step(image: torch.Tensor, density: _Density, mixture: Mixture) -> Mixture:
    """One step of expectation and maximisation."""
    _, rows, columns, dy, dx = density
    n, kernels, height = rows.shape
    shifted = columns * dx
    moments = torch.cat([columns, shifted, shifted * dx], 1) @ (image / density.value).transpose(1, 2)
    along_x = (moments.view(n, 3, kernels, height) * rows[:, None]).sum(-1)  # (N, 3, K): sums of w r, w r dx, w r dx^2
    upright = moments[:, :kernels] * rows * dy
    along_y = torch.stack([upright.sum(-1), (upright * dy).sum(-1)], 1)  # (N, 2, K)
    mass = along_x[:, 0].clamp_min(1e-12)
    offset = torch.stack([along_x[:, 1], along_y[:, 0]], -1) / mass[..., None]
    square = torch.stack([along_x[:, 2], along_y[:, 1]], -1) / mass[..., None]
    variance = (square - offset**2).clamp_min(0) + _PIXEL_VARIANCE
    return Mixture(mass / mass.sum(1, keepdim=True), mixture.mean + offset, variance)


def _sorted(mixture: Mixture) -> torch.Tensor:
    """(N, K, 5), heaviest first; kernels that weigh next to nothing become copies of the heaviest, of weight 0."""
    weight, order = mixture.weight.sort(dim=1, descending=True, stable=True)
    values = torch.cat([weight[..., None], mixture.mean.take_along_dim(order[..., None], 1),
                        mixture.variance.sqrt().take_along_dim(order[..., None], 1)], -1)  # fmt: skip
    light = weight < _LIGHT
    values[..., 1:] = torch.where(light[..., None], values[:, :1, 1:], values[..., 1:])
    values[..., 0] = weight.masked_fill(light, 0)
    values[..., 0] /= values[..., 0].sum(1, keepdim=True)
    return values
