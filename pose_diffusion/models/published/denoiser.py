"""The denoiser: predicts the noise on (u, v, x, y, z) of each joint, guided by the clean 2D pose (arXiv 2401.09836).

Cross-Channel Embedding: uv and xyz are two sets of 17 nodes, 3 channels each, in one graph of 34 nodes in which an edge
joins a joint's two nodes. Context Attention Guidance: the clean uv, spread over the 34 nodes, runs through attention and
graph layers of its own, and after each attention the branches exchange features:

    out = out + guide;  guide = guide + out

Before the first exchange the guide depends on uv alone, so a sampler computes it once (`encode`) for all its steps (`denoise`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pose_diffusion.config import ModelConfig
from pose_diffusion.geometry import skeleton
from pose_diffusion.models.published.graformer import AttentionBlock, ResidualPair
from pose_diffusion.models.published.graph import ChebyshevConv, mix


def timestep_embedding(t: Tensor, width: int) -> Tensor:
    """Sines, then cosines, of t at width / 2 frequencies from 1 down to 1/10000. (B,) -> (B, width) float32."""
    half = width // 2
    frequencies = torch.exp(torch.arange(half, device=t.device, dtype=torch.float32) * (-math.log(10000) / (half - 1)))
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)


class TimestepShifts(nn.Module):
    """What a timestep adds inside each residual pair, for all pairs at once: t (B,) -> (B, pairs, 1, C)."""

    def __init__(self, width: int, pairs: int) -> None:
        super().__init__()
        self.width, self.pairs = width, pairs
        self.first = nn.Linear(width, 4 * width)
        self.second = nn.Linear(4 * width, 4 * width)
        self.shifts = nn.Linear(4 * width, pairs * width)

    def forward(self, t: Tensor) -> Tensor:
        hidden = self.second(F.silu(self.first(timestep_embedding(t, self.width))))
        return self.shifts(F.silu(hidden)).view(len(t), self.pairs, 1, self.width)


class Context(NamedTuple):
    """The clean 2D pose as the denoiser's input is joined with it, and as the first layer is guided by it; (B, 34, C) each."""

    embedded: Tensor
    guide: Tensor


class Denoiser(nn.Module):
    """Noise predictor on 17 joints x (u, v, x, y, z). The last layer has no pair on the guide: nothing would read it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        layers, width = config.layers, config.width
        graph = skeleton.cross_channel_adjacency()
        nodes = len(graph)
        self.lift_uv = nn.Linear(2, 3)
        self.embed = ChebyshevConv(3, width, graph)
        self.guide_embed = ChebyshevConv(2, width, skeleton.adjacency())
        self.guide_spread = nn.Linear(skeleton.N_JOINTS, nodes)
        self.timestep = TimestepShifts(width, 2 * layers - 1)
        self.blocks = nn.ModuleList(AttentionBlock(nodes, config) for _ in range(layers))
        self.guide_blocks = nn.ModuleList(AttentionBlock(nodes, config) for _ in range(layers))
        self.pairs = nn.ModuleList(ResidualPair(width, graph) for _ in range(layers))
        self.guide_pairs = nn.ModuleList(ResidualPair(width, graph) for _ in range(layers - 1))
        self.project = ChebyshevConv(width, 3, graph)
        self.join = nn.Linear(6, 5)

    def forward(self, x_t: Tensor, uv: Tensor, t: Tensor) -> Tensor:
        """x_t (B, 17, 5), the clean uv (B, 17, 2), t (B,) or, the same for all, (1,) -> noise (B, 17, 5)."""
        return self.denoise(x_t, self.encode(uv), t)

    def encode(self, uv: Tensor) -> Context:
        """What the denoiser reads of the clean 2D pose (B, 17, 2), the same for all timesteps."""
        embedded = mix(self.guide_spread.weight, self.guide_embed(uv)) + self.guide_spread.bias[:, None]
        return Context(embedded, self.guide_blocks[0](embedded))

    def denoise(self, x_t: Tensor, context: Context, t: Tensor) -> Tensor:
        """The noise in x_t (B, 17, 5), given `encode`'s context and t (B,) or (1,). Returns (B, 17, 5)."""
        shifts = self.timestep(t).unbind(1)  # each (B or 1, 1, C)
        last = len(self.blocks) - 1
        nodes = torch.cat([self.lift_uv(x_t[..., :2]), x_t[..., 2:]], 1)  # (B, 34, 3)
        guide = context.guide
        out = self.embed(nodes) + context.embedded  # float32 under autocast, since the context is
        for layer, (block, guide_block, pair) in enumerate(zip(self.blocks, self.guide_blocks, self.pairs, strict=True)):
            if layer > 0:  # the first one is the context's
                guide = guide_block(guide)
            out = block(out) + guide
            if layer < last:
                guide = self.guide_pairs[layer](guide + out, shifts[last + 1 + layer])
            out = pair(out, shifts[layer])
        halves = self.project(out).chunk(2, 1)  # noise on the uv nodes and on the xyz nodes, (B, 17, 3) each
        return self.join(torch.cat(halves, -1))
