"""Where the climb begins: it ends at the nearest maximum, so starts matter more than steps.

Several starts (k-means++, Arthur and Vassilvitskii, 2007) race, and the worse ones drop out; then each kernel of the winner is
put, on trial, where the image exceeds the mixture most (as Ueda et al., SMEM, 2000, move kernels), and the best trial is kept
where it is better.
"""

from __future__ import annotations

import math

import torch

from pose_diffusion.data.heatmaps.expectation_maximisation import PIXEL_VARIANCE, Mixture, climb, density_of

_RACE = 4  # steps between two looks at who is behind
_TRIAL, _SETTLE = 3, 8  # steps of a moved kernel until the best is chosen, and of the best until it is judged


def searched(image: torch.Tensor, kernels: int, restarts: int, seed: int) -> Mixture:
    """The best of several starts, with a kernel moved where that is better."""
    mixtures = _starts(image, kernels, restarts, seed)
    while (count := len(mixtures.weight) // len(image)) > 1:  # the better half goes on, of each image other ones
        mixtures = _best(image, mixtures, _RACE, count // 2)
    mixture, likelihood = climb(image, mixtures, _SETTLE)
    trial, reached = climb(image, _best(image, _moved(image, mixture), _TRIAL, 1), _SETTLE)
    better = (reached > likelihood)[:, None]
    return Mixture(*(torch.where(better, new, old) for new, old in zip(trial, mixture, strict=True)))


def _best(image: torch.Tensor, mixtures: Mixture, steps: int, count: int) -> Mixture:
    """Of several mixtures of each image (M N, ...), the most likely after so many steps: (count N, ...)."""
    several = len(mixtures.weight) // len(image)
    climbed, likelihood = climb(image.repeat(several, 1, 1), mixtures, steps)
    best = likelihood.view(several, -1).topk(count, dim=0).indices  # (count, N)
    return climbed.of((best * len(image) + torch.arange(len(image), device=image.device)).flatten())


def _moved(image: torch.Tensor, mixture: Mixture) -> Mixture:
    """Each kernel in turn put where the image exceeds the mixture most, as narrow as a pixel: (K N, ...)."""
    height, width = image.shape[1:]
    density = density_of(mixture, height, width)
    excess = image - density.value * (density.of_row[:, :, None] + density.of_column[:, None]).exp()
    place = excess.flatten(1).argmax(1)
    mean = torch.stack([place % width - (width - 1) / 2, place // width - (height - 1) / 2]).to(image.dtype)  # (2, N)
    kernels = mixture.weight.shape[1]
    moved = torch.eye(kernels, dtype=torch.bool, device=image.device)[:, None]  # (K, 1, K), of each trial the kernel
    weight = torch.where(moved, 1 / kernels, mixture.weight)
    return Mixture(
        (weight / weight.sum(2, keepdim=True)).flatten(0, 1),
        torch.where(moved, mean[:, None, :, None], mixture.mean[:, None]).flatten(1, 2),
        torch.where(moved, 1.0, mixture.variance[:, None]).flatten(1, 2),
    )


def _starts(image: torch.Tensor, kernels: int, restarts: int, seed: int) -> Mixture:
    """Several starts of each image (restarts N, ...): means at pixels chosen one by one, by their weight times their squared
    distance to those chosen before: the largest in the first start, drawn in the others, by numbers that depend on the seed
    alone and not on what else is in the batch.
    """
    n, height, width = image.shape
    drawn = [torch.rand(kernels, generator=torch.Generator().manual_seed(1000 * seed + number)) for number in range(restarts)]
    along_x, along_y = (torch.arange(length, device=image.device) - (length - 1) / 2 for length in (width, height))
    score = image.repeat(restarts, 1, 1)  # (restarts N, H, W)
    distance, new = torch.full_like(score, math.inf), torch.empty_like(score)
    means = []
    for draw in torch.stack(drawn, 1).to(image.device)[:, :, None]:
        row, column = _drawn(score, draw.expand(restarts, n).reshape(-1, 1))
        largest = score[:n].flatten(1).argmax(1)
        row[:n], column[:n] = largest // width, largest % width
        x, y = along_x[column], along_y[row]
        means.append(torch.stack([x, y]))
        dx, dy = (along_x - x[:, None]).square_(), (along_y - y[:, None]).square_()
        torch.minimum(distance, torch.add(dx[:, None], dy[..., None], out=new), out=distance)
        torch.mul(image, distance.view(restarts, n, height, width), out=score.view(restarts, n, height, width))
    variance = score.sum((1, 2)) / 2 + PIXEL_VARIANCE
    weight = torch.full((restarts * n, kernels), 1 / kernels, device=image.device)
    return Mixture(weight, torch.stack(means, -1), variance[:, None].repeat(2, 1, kernels))


def _drawn(score: torch.Tensor, draw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Row and column (N,) of a pixel of each image (N, H, W), by its share in the whole. draw: (N, 1), from 0 to 1."""
    height, width = score.shape[1:]
    rows = score.sum(2).cumsum(1)
    left = rows[:, -1:] * draw
    row = torch.searchsorted(rows, left, right=True).clamp_max_(height - 1)
    line = score.take_along_dim(row[..., None], 1)[:, 0].cumsum(1)
    left -= torch.where(row > 0, rows.take_along_dim((row - 1).clamp_min_(0), 1), 0)
    column = torch.searchsorted(line, left, right=True).clamp_max_(width - 1)
    return row[:, 0], column[:, 0]
