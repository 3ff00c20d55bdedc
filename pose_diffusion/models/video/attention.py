"""Attention over the joints of a frame, and of each joint over time.

Both take and give tokens (B, T, J, C). A block is pre-norm and residual:  x = x + attention(norm(x));  x = x + mlp(norm(x)).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Periods of the slowest and the fastest rotation, in seconds: a clip of 243 frames at 25 a second, and two frames at 60.
_SLOWEST_S, _FASTEST_S = 10.0, 1 / 30


class JointAttention(nn.Module):
    """Each frame's joints attend to one another, with a learned bias for each head and pair of joints."""

    def __init__(self, width: int, heads: int, joints: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros(heads, joints, joints))

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, joints, width = x.shape
        qkv = self.qkv(x).view(batch * frames, joints, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind()  # (B * T, heads, J, C / heads)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=self.bias.to(q.dtype))
        return self.out(mixed.transpose(1, 2).reshape(batch, frames, joints, width))


class TimeAttention(nn.Module):
    """Each joint attends to itself at the other frames; queries and keys are rotated by the frames' times."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """turn: of `rotations`. mask: (B, 1, 1, 1, T) bool, True for frames that exist; None where all do."""
        batch, frames, joints, width = x.shape
        qkv = self.qkv(x).view(batch, frames, joints, 3, self.heads, -1).permute(3, 0, 2, 4, 1, 5)
        q, k, v = qkv.unbind()  # (B, J, heads, T, C / heads)
        mixed = F.scaled_dot_product_attention(_rotate(q, turn), _rotate(k, turn), v, attn_mask=mask)
        return self.out(mixed.permute(0, 3, 1, 2, 4).reshape(batch, frames, joints, width))


def rotations(time: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines (B, 1, 1, T, size / 2) for rotary embedding (arXiv 2104.09864) of times (B, T) in seconds.

    Scores depend on differences of times alone. size: channels of a head.
    """
    pairs = size // 2
    rates = torch.logspace(math.log(1 / _SLOWEST_S), math.log(1 / _FASTEST_S), pairs, base=math.e, device=time.device)
    angle = (2 * math.pi * time.float()[:, None, None, :, None]) * rates
    return angle.cos(), angle.sin()


def _rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    cosine, sine = (part.to(x.dtype) for part in turn)
    one, other = x.chunk(2, -1)
    return torch.cat([one * cosine - other * sine, one * sine + other * cosine], -1)


class Mlp(nn.Sequential):
    def __init__(self, width: int, ratio: int) -> None:
        super().__init__(nn.Linear(width, ratio * width), nn.GELU(), nn.Linear(ratio * width, width))
