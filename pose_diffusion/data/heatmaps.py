"""Heatmaps to Gaussian mixtures by expectation-maximisation, all joints of many frames at once, on a CPU or a GPU.

A heatmap is taken as a density over its pixels, w(x, y) with sum 1. K axis-aligned kernels maximise sum w log p, where
p = sum_k pi_k N(x; mu_k, sx_k^2) N(y; nu_k, sy_k^2) (Dempster, Laird and Rubin, 1977; DiffPose, arXiv 2211.16940, fits
such mixtures to a detector's heatmaps). Because a kernel is a product, g_k(y) h_k(x), one step is matrix products alone:

    p = G^T H,    Q = w / p,    sum over pixels of w r_k f(x) = (G Q * H)_k . f,    sum of w r_k e(y) = (Q H^T * G^T)_k . e

where r_k = g_k h_k / p, so that each row of pixels may scale g, and each column h, by the largest of all kernels there,
which keeps float32 from underflow away from every kernel; only what is more than 9 sigma off in both, seen from different
kernels, is shared among them. A pixel is an area: kernels have at least its variance, 1/12.

Climbing ends at the nearest maximum, so starts matter more than steps. On the heatmap pooled to a quarter of its size,
several starts (k-means++, Arthur and Vassilvitskii, 2007) race, and the worse ones drop out; then each kernel of the winner
is put, on trial, where the heatmap exceeds the mixture most (as Ueda et al., SMEM, 2000, move kernels), and the best trial is
kept where it is better. Some steps at a half and at full size end the fit.
"""

from __future__ import annotations

import functools
import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

FITTED, EMPTY, FLAT, SINGLE = 0, 1, 2, 3
KINDS = {EMPTY: "empty", FLAT: "flat", SINGLE: "single_pixel"}

_LEVELS = ((4, 20), (2, 4), (1, 1))  # pooling and steps, at the coarsest at most
_LEAST_SIDE = 12  # pixels of a heatmap's shorter side that are worth steps of their own
_RACE = 4  # steps between two looks at who is behind
_TRIAL, _SETTLE = 3, 8  # steps of a moved kernel until the best is chosen, and of the best until it is judged
_PIXEL_VARIANCE = 1 / 12
_TOLERANCE = 1e-3  # nats a pixel and step, below which a fit has converged
_EVERY = 4  # steps between two looks at the likelihood
_FARTHEST = 43.0  # nats below the nearest kernel, for a row or a column: densities stay level there, still normal in float32
_LIGHT = 1e-6
_CHUNK = {"cpu": 512, "cuda": 1 << 14}  # heatmaps at a time; on a CPU so few that they stay in its cache


class Mixture(NamedTuple):
    """weight: (N, K). mean, variance: (N, K, 2), x and y in pixels of the level."""

    weight: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor

    def of(self, index: torch.Tensor) -> Mixture:
        return Mixture(*(values[index] for values in self))


class _Density(NamedTuple):
    """A mixture over an image, p = value exp(of_row + of_column). value: (N, H, W). rows: (N, K, H) and columns: (N, K, W),
    the kernels' parts, over exp(of_row) and exp(of_column). of_row: (N, H). of_column: (N, W).
    """

    value: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    of_row: torch.Tensor
    of_column: torch.Tensor


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
        fitted = torch.isin(kinds, torch.tensor([FITTED, SINGLE], device=device))
        result = _blank(len(weight), kernels, height, width, device)
        if fitted.any():
            result[fitted] = _sorted(_fit(weight[fitted], kernels, restarts, seed))
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
    least, largest = weight.flatten(1).aminmax(dim=1)
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
    weight = weight / weight.sum((1, 2), keepdim=True)
    height, width = weight.shape[1:]
    levels = [(pool, steps) for pool, steps in _LEVELS if min(height, width) >= _LEAST_SIDE * pool]
    if not levels or levels[-1][0] != 1:
        levels.append((1, _LEVELS[0][1]))
    coarsest = levels[0][0]
    images = {1: functional.pad(weight, (0, -width % coarsest, 0, -height % coarsest))}
    while max(images) < coarsest:
        images[2 * max(images)] = _halved(images[max(images)])
    image = images[coarsest]
    mixture, _ = _climb(image, _searched(image, kernels, restarts, seed), levels[0][1])
    for (before, _), (pool, steps) in pairwise(levels):
        ratio = before / pool
        variance = mixture.variance * ratio**2 - (ratio**2 - 1) * _PIXEL_VARIANCE
        mixture = Mixture(mixture.weight, (mixture.mean + 0.5) * ratio - 0.5, variance.clamp_min(_PIXEL_VARIANCE))
        for _ in range(steps):
            mixture = _step(images[pool], _density(mixture, *images[pool].shape[1:]))
    return mixture


def _halved(image: torch.Tensor) -> torch.Tensor:
    """Sums of 2 x 2 pixels."""
    rows = image[:, ::2] + image[:, 1::2]
    return rows[..., ::2] + rows[..., 1::2]


def _searched(image: torch.Tensor, kernels: int, restarts: int, seed: int) -> Mixture:
    """The best of several starts, with a kernel moved where that is better."""
    mixtures = _starts(image, kernels, restarts, seed)
    while (count := len(mixtures.weight) // len(image)) > 1:  # the better half goes on, of each image other ones
        mixtures = _best(image, mixtures, _RACE, count // 2)
    mixture, likelihood = _climb(image, mixtures, _SETTLE)
    trial, reached = _climb(image, _best(image, _moved(image, mixture), _TRIAL, 1), _SETTLE)
    return Mixture(*(_where(reached > likelihood, new, old) for new, old in zip(trial, mixture, strict=True)))


def _best(image: torch.Tensor, mixtures: Mixture, steps: int, count: int) -> Mixture:
    """Of several mixtures of each image (M N, ...), the most likely after so many steps: (count N, ...)."""
    several = len(mixtures.weight) // len(image)
    climbed, likelihood = _climb(image.repeat(several, 1, 1), mixtures, steps)
    best = likelihood.view(several, -1).topk(count, dim=0).indices  # (count, N)
    return climbed.of((best * len(image) + torch.arange(len(image), device=image.device)).flatten())


def _moved(image: torch.Tensor, mixture: Mixture) -> Mixture:
    """Each kernel in turn put where the image exceeds the mixture most, as narrow as a pixel: (K N, ...)."""
    density = _density(mixture, *image.shape[1:])
    excess = image - density.value * (density.of_row[:, :, None] + density.of_column[:, None]).exp()
    place, width = excess.flatten(1).argmax(1), image.shape[2]
    mean = torch.stack([place % width, place // width], -1).to(image.dtype)
    kernels = mixture.weight.shape[1]
    moved = torch.eye(kernels, dtype=torch.bool, device=image.device)[:, None]  # (K, 1, K), of each trial the kernel
    weight = torch.where(moved, 1 / kernels, mixture.weight)
    trials = (
        weight / weight.sum(2, keepdim=True),
        torch.where(moved[..., None], mean[:, None], mixture.mean),
        torch.where(moved[..., None], 1.0, mixture.variance),
    )
    return Mixture(*(values.flatten(0, 1) for values in trials))


def _where(chosen: torch.Tensor, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Rows of one where chosen (N,), else of the other."""
    return torch.where(chosen.view(-1, *[1] * (one.ndim - 1)), one, other)


def _starts(image: torch.Tensor, kernels: int, restarts: int, seed: int) -> Mixture:
    """Several starts of each image (restarts N, ...): means at pixels chosen one by one, by their weight times their squared
    distance to those chosen before: the largest in the first start, drawn in the others, by numbers that depend on the seed
    alone and not on what else is in the batch.
    """
    n, height, width = image.shape
    drawn = [torch.rand(kernels, generator=torch.Generator().manual_seed(1000 * seed + number)) for number in range(restarts)]
    flat = image.reshape(n, -1)
    score, distance = flat.expand(restarts, n, -1), None
    along_x, along_y = (torch.arange(length, device=image.device, dtype=image.dtype) for length in (width, height))
    means = []
    for draw in torch.stack(drawn, 1).to(image.device)[:, :, None, None]:
        cumulative = score.cumsum(2)
        chosen = torch.searchsorted(cumulative, cumulative[..., -1:] * draw, right=True)[..., 0].clamp_max(height * width - 1)
        chosen[0] = score[0].argmax(1)
        x, y = along_x[chosen % width], along_y[chosen // width]  # (restarts, N)
        means.append(torch.stack([x, y], -1))
        dx, dy = (along_x - x[..., None]).square_(), (along_y - y[..., None]).square_()
        new = (dx[:, :, None] + dy[..., None]).flatten(2)
        distance = new if distance is None else torch.minimum(distance, new, out=distance)
        score = flat * distance
    variance = score.sum(2).flatten() / 2 + _PIXEL_VARIANCE
    weight = torch.full((restarts * n, kernels), 1 / kernels, device=image.device)
    return Mixture(weight, torch.stack(means, 2).flatten(0, 1), variance[:, None, None].repeat(1, kernels, 2))


def _climb(image: torch.Tensor, mixture: Mixture, steps: int) -> tuple[Mixture, torch.Tensor]:
    """The mixtures after at most so many steps each, and their log-likelihood (N,) before the last one."""
    result = Mixture(*(torch.empty_like(values) for values in mixture))
    likelihood = torch.full_like(image[:, 0, 0], -math.inf)
    active = torch.arange(len(image), device=image.device)
    for step in range(1, steps + 1):
        density = _density(mixture, *image.shape[1:])
        mixture = _step(image, density)
        if step % _EVERY and step < steps:
            continue
        found = _likelihood(image, density)
        done = found - likelihood[active] < _EVERY * _TOLERANCE if step < steps else torch.ones_like(found, dtype=torch.bool)
        likelihood[active] = found
        for values, ended in zip(result, mixture.of(done), strict=True):
            values[active[done]] = ended
        active, image, mixture = active[~done], image[~done], mixture.of(~done)
        if not len(active):
            break
    return result, likelihood


def _likelihood(image: torch.Tensor, density: _Density) -> torch.Tensor:
    """sum w log p: (N,) nats."""
    of_rows = torch.linalg.vecdot(image.sum(2), density.of_row)
    return (image * density.value.log()).sum((1, 2)) + of_rows + torch.linalg.vecdot(image.sum(1), density.of_column)


@functools.lru_cache(maxsize=64)
def _powers(length: int, device: torch.device) -> torch.Tensor:
    """1, c and c^2 of the pixels along an axis, from its middle: (3, length)."""
    centred = torch.arange(length, device=device, dtype=torch.float32) - (length - 1) / 2
    return torch.stack([torch.ones_like(centred), centred, centred * centred])


def _density(mixture: Mixture, height: int, width: int) -> _Density:
    peak = (mixture.weight / (2 * math.pi * (mixture.variance[..., 0] * mixture.variance[..., 1]).sqrt())).log()
    parts = []
    for axis, length in enumerate((width, height)):
        mean, variance = mixture.mean[..., axis] - (length - 1) / 2, mixture.variance[..., axis]
        slope = mean / variance
        constant = -0.5 * mean * slope + (peak if axis else 0)
        logs = torch.stack([constant, slope, -0.5 / variance], -1) @ _powers(length, mean.device)  # (N, K, length)
        most = logs.amax(1, keepdim=True)
        parts += [logs.sub_(most).clamp_min_(-_FARTHEST).exp_(), most[:, 0]]
    columns, of_column, rows, of_row = parts
    return _Density(rows.transpose(1, 2) @ columns, rows, columns, of_row, of_column)


def _step(image: torch.Tensor, density: _Density) -> Mixture:
    """One step of expectation and maximisation."""
    value, rows, columns, _, _ = density
    height, width = image.shape[1:]
    quotient = image / value
    along_x = (rows @ quotient) * columns @ _powers(width, image.device).T  # (N, K, 3): sums of w r, w r x, w r x^2
    along_y = (columns @ quotient.transpose(1, 2)) * rows @ _powers(height, image.device).T
    mass = along_x[..., 0].clamp_min(1e-12)
    mean = torch.stack([along_x[..., 1], along_y[..., 1]], -1) / mass[..., None]
    square = torch.stack([along_x[..., 2], along_y[..., 2]], -1) / mass[..., None]
    variance = (square - mean * mean).clamp_min_(0) + _PIXEL_VARIANCE
    mean[..., 0] += (width - 1) / 2
    mean[..., 1] += (height - 1) / 2
    return Mixture(mass / mass.sum(1, keepdim=True), mean, variance)


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
