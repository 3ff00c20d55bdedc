"""Poses of a sequence averaged over neighbouring frames: a line in time is fitted to each joint around each frame.

    x(f) = a, for the a and b with the least  sum_g exp(-u^2 / 2) |x(g) - a - b u|^2,   u = (g - f) / width, |u| <= 3

Local linear regression (Cleveland, 'Robust locally weighted regression', 1979; Fan, 'Design-adaptive nonparametric
regression', 1992): what moves at one speed stays where it is, also at a sequence's ends and beside missing frames.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_REACH = 3.0  # widths


def reach(width: float) -> int:
    """How many rows on each side of one may count for it, in a sequence whose frames ascend."""
    return math.ceil(_REACH * width)


def smooth(values: Tensor, frame: Tensor, sequence: Tensor, width: float) -> Tensor:
    """values (N, ...) averaged over the rows of their sequence that are near in frames; a row without such keeps its own.

    frame, sequence (a number): (N,) integers, rows in any order. width: in frames, above 0. NaN spreads to what is near.
    """
    order = frame.argsort()
    order = order[sequence[order].argsort(stable=True)]  # by sequence, then by frame
    weight, other = _weights(frame[order].double(), sequence[order], width)
    flat = values[order].flatten(1)
    # Each row's sum of its neighbours times their weights, without a copy of the neighbours.
    averaged = F.embedding_bag(other, flat, per_sample_weights=weight.to(flat.dtype), mode="sum")
    result = torch.empty_like(values)
    result[order] = averaged.view(values.shape)
    return result


def _weights(frame: Tensor, sequence: Tensor, width: float) -> tuple[Tensor, Tensor]:
    """Of rows by sequence and frame: what the values of which other rows weigh in each, both (N, neighbours)."""
    place = torch.arange(len(frame))[:, None]
    near_rows = reach(width)
    wanted = place + torch.arange(-near_rows, near_rows + 1)
    other = wanted.clamp(0, max(0, len(frame) - 1))
    distance = (frame[other] - frame[:, None]) / width
    near = (other == wanted) & (sequence[other] == sequence[:, None]) & (distance.abs() <= _REACH)
    g = torch.exp(-(distance**2) / 2) * near
    zeroth, first, second = ((g * distance**power).sum(1, keepdim=True) for power in range(3))
    spread = zeroth * second - first**2
    line = spread > 1e-9 * zeroth * second  # else all are of one frame
    return g * torch.where(line, (second - first * distance) / spread, 1 / zeroth), torch.where(near, other, place)
