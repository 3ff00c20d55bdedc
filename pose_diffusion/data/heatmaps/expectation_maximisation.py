"""Expectation-maximisation for mixtures of axis-aligned kernels on images, many at once.

p = sum_k pi_k N(x; mu_k, sx_k^2) N(y; nu_k, sy_k^2) climbs to a maximum of sum w log p over the pixels of an image w with sum 1
(Dempster, Laird and Rubin, 1977). Because a kernel is a product, g_k(y) h_k(x), one step is matrix products alone:

    p = G^T H,    Q = w / p,    sum over pixels of w r_k f(x) = (G Q * H)_k . f,    sum of w r_k e(y) = (Q H^T * G^T)_k . e

where r_k = g_k h_k / p, so that each row of pixels may scale g, and each column h, by the largest of all kernels there,
which keeps float32 from underflow away from every kernel; only what is more than 9 sigma off in both, seen from different
kernels, is shared among them. A pixel is an area: kernels have at least its variance, 1/12.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch

PIXEL_VARIANCE = 1 / 12
_TOLERANCE = 1e-3  # nats a pixel and step, below which a fit has converged
_EVERY = 4  # steps between two looks at the likelihood
_FARTHEST = 43.0  # nats below the nearest kernel, for a row or a column: densities stay level there, still normal in float32


class Mixture(NamedTuple):
    """weight: (N, K). mean, variance: (2, N, K), x then y in pixels of the level, from the middle of the image."""

    weight: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor

    def of(self, index: torch.Tensor) -> Mixture:
        return Mixture(self.weight[index], self.mean[:, index], self.variance[:, index])

    def put(self, index: torch.Tensor, other: Mixture) -> None:
        """Overwrites those at the index by all of the other."""
        self.weight[index] = other.weight
        self.mean[:, index], self.variance[:, index] = other.mean, other.variance


class Density(NamedTuple):
    """A mixture over an image, p = value exp(of_row + of_column). value: (N, H, W). rows: (N, K, H) and columns: (N, K, W),
    the kernels' parts, over exp(of_row) and exp(of_column). of_row: (N, H). of_column: (N, W).
    """

    value: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    of_row: torch.Tensor
    of_column: torch.Tensor


def climb(image: torch.Tensor, mixture: Mixture, steps: int) -> tuple[Mixture, torch.Tensor]:
    """The mixtures after at most so many steps each, and their log-likelihood (N,) before the last one."""
    result = Mixture(*(torch.empty_like(values) for values in mixture))
    likelihood = torch.full_like(image[:, 0, 0], -math.inf)
    active = torch.arange(len(image), device=image.device)
    for number in range(1, steps + 1):
        density = density_of(mixture, *image.shape[1:])
        looked = number % _EVERY == 0 or number == steps
        found = _likelihood(image, density) if looked else None
        mixture = step(image, density)
        if found is None:
            continue
        done = found - likelihood[active] < _EVERY * _TOLERANCE if number < steps else torch.ones_like(found, dtype=torch.bool)
        likelihood[active] = found
        ended, going = done.nonzero()[:, 0], (~done).nonzero()[:, 0]
        result.put(active[ended], mixture.of(ended))
        if not len(going):
            break
        if len(ended):
            active, image, mixture = active[going], image[going], mixture.of(going)
    return result, likelihood


def _likelihood(image: torch.Tensor, density: Density) -> torch.Tensor:
    """sum w log p: (N,) nats."""
    of_rows = torch.linalg.vecdot(image.sum(2), density.of_row)
    of_columns = torch.linalg.vecdot(image.sum(1), density.of_column)
    return torch.linalg.vecdot(image.flatten(1), density.value.log().flatten(1)) + of_rows + of_columns


@functools.lru_cache(maxsize=64)
def _powers(height: int, width: int, device: torch.device) -> torch.Tensor:
    """1, c and c^2 of the pixels along x and y, from the middle: (2, 3, L), where the shorter side goes on to L, the longer."""
    place = torch.arange(max(height, width), device=device, dtype=torch.float32)
    centred = place - torch.tensor([[(width - 1) / 2], [(height - 1) / 2]], device=device)
    return torch.stack([torch.ones_like(centred), centred, centred * centred], 1)


def density_of(mixture: Mixture, height: int, width: int) -> Density:
    """The mixtures over images of this size."""
    weight, mean, variance = mixture
    slope = mean / variance
    constant = mean * slope * -0.5
    constant[1] += (weight / (2 * math.pi)).log_() - 0.5 * variance.log().sum(0)
    factors = torch.stack([constant, slope, -0.5 / variance], -1).flatten(1, 2)
    logs = (factors @ _powers(height, width, mean.device)).unflatten(1, weight.shape)  # (2, N, K, L)
    most = logs.amax(2, keepdim=True)
    columns, rows = logs.sub_(most).clamp_min_(-_FARTHEST).exp_()
    of_column, of_row = most[:, :, 0]
    columns, rows = columns[..., :width], rows[..., :height]
    return Density(rows.transpose(1, 2) @ columns, rows, columns, of_row[:, :height], of_column[:, :width])


def step(image: torch.Tensor, density: Density) -> Mixture:
    """One step of expectation and maximisation. The density's value is overwritten: it is as large as the image."""
    value, rows, columns, _, _ = density
    height, width = image.shape[1:]
    quotient = torch.div(image, value, out=value)
    of_x, of_y = _powers(height, width, image.device).transpose(1, 2)
    along_x = (rows @ quotient).mul_(columns) @ of_x[:width]  # (N, K, 3): sums of w r, w r x, w r x^2
    along_y = (columns @ quotient.transpose(1, 2)).mul_(rows) @ of_y[:height]
    mass = along_x[..., 0].clamp_min(1e-12)
    mean, square = (torch.stack([along_x[..., 1:], along_y[..., 1:]]) / mass[..., None]).unbind(-1)
    variance = torch.addcmul(square, mean, mean, value=-1).clamp_min_(0).add_(PIXEL_VARIANCE)
    return Mixture(mass / mass.sum(1, keepdim=True), mean, variance)
