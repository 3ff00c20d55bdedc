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
        q, k, v = self.qkv(x).flatten(0, 1).unflatten(-1, (3, self.heads, -1)).unbind(2)  # (B * T, J, heads, C / heads)
        bias = self.bias.to(q.dtype)[None]
        if not torch.is_grad_enabled():
            bias = bias.detach()  # a parameter as mask would keep PyTorch from its fused kernel
        mixed = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=bias)
        return self.out(mixed.transpose(1, 2).reshape(x.shape))


class TimeAttention(nn.Module):
    """Each joint attends to itself at the other frames; queries and keys are rotated by the frames' times."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """turn: of `rotations`. mask: (B, 1, 1, T) bool, True for frames that may be attended to; None where all may.

        Joints and heads together are the heads of PyTorch's attention, (B, J * heads, T, C / heads). So tokens stay in their
        order in memory, and kernels that take four dimensions alone can be used.
        """
        q, k, v = (part.unflatten(-1, (self.heads, -1)) for part in self.qkv(x).chunk(3, -1))  # (B, T, J, heads, C / heads)
        q, k, v = (part.flatten(2, 3).transpose(1, 2) for part in (_rotate(q, turn), _rotate(k, turn), v))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out(mixed.transpose(1, 2).reshape(x.shape))


def rotations(time: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines (B, T, 1, 1, size / 2) for rotary embedding (arXiv 2104.09864) of times (B, T) in seconds.

    Scores depend on differences of times alone. size: channels of a head.
    """
    pairs = size // 2
    rates = torch.logspace(math.log(1 / _SLOWEST_S), math.log(1 / _FASTEST_S), pairs, base=math.e, device=time.device)
    angle = (2 * math.pi * time.float()[:, :, None, None, None]) * rates
    return angle.cos(), angle.sin()


def _rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    cosine, sine = (part.to(x.dtype) for part in turn)
    one, other = x.chunk(2, -1)
    return torch.cat([one * cosine - other * sine, one * sine + other * cosine], -1)


class Mlp(nn.Sequential):
    def __init__(self, width: int, ratio: int) -> None:
        super().__init__(nn.Linear(width, ratio * width), nn.GELU(), nn.Linear(ratio * width, width))
