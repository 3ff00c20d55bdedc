"""GraFormer: attention and graph convolution in turn, here the lifter from 2D to 3D (arXiv 2109.08364).

block:  x = x + dropout(attention(norm(x)));   x = x + dropout(learnable_graph(norm(x)))
pair:   x = x + conv(conv(x) + shift)          (the shift, a timestep's, only in the denoiser)
norm:   a (x - mean) / (std + 1e-6) + b, std unbiased
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pose_diffusion.config import ModelConfig
from pose_diffusion.geometry import skeleton
from pose_diffusion.models.published.dropout import Dropout
from pose_diffusion.models.published.graph import ChebyshevConv, GraphConv, LearnableGraph

ATTENTION_DROPOUT = 0.1


class LayerNorm(nn.Module):
    """Over the last axis, by the unbiased standard deviation plus epsilon (torch's own adds epsilon to the variance)."""

    def __init__(self, width: int, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        # torch's fused norm divides by the root of the biased variance; the rest is a factor for each node. That factor's own
        # gradient, a share of epsilon / std, is left out.
        n = x.shape[-1]
        normed, _, inverse = torch.native_layer_norm(x, (n,), self.weight, None, 1e-30)
        ratio = math.sqrt((n - 1) / n)
        return torch.addcmul(self.bias, normed, ratio / (1 + self.epsilon * ratio * inverse.detach()))


class Attention(nn.Module):
    """Multi-head self-attention over the nodes, (B, N, C) -> (B, N, C)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.dropout = Dropout(ATTENTION_DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        batch, nodes, width = x.shape
        qkv = self.qkv(x).view(batch, nodes, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # (3, B, heads, N, d)
        if x.device.type == "cpu":
            # For this few nodes the plain products take half the time of the fused CPU kernel, which also has no dropout.
            q, k, v = qkv.contiguous().unbind()
            # q is scaled, not the scores: torch.compile would know those and put its own, slow, fused attention here.
            scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))  # (B, heads, N, N)
            attended = torch.matmul(self.dropout(scores.softmax(-1)), v)
        else:
            q, k, v = qkv.unbind()
            attended = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout.p if self.training else 0.0)
        return self.out(attended.transpose(1, 2).reshape(batch, nodes, width))


class AttentionBlock(nn.Module):
    """Pre-norm attention and learnable graph, each with its residual. (B, N, C) -> (B, N, C)."""

    def __init__(self, nodes: int, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = LayerNorm(config.width)
        self.attention = Attention(config.width, config.heads)
        self.graph_norm = LayerNorm(config.width)
        self.graph = LearnableGraph(nodes, config.width)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout.added(x, self.attention(self.attention_norm(x)))
        return self.dropout.added(x, self.graph(self.graph_norm(x)))


class ResidualPair(nn.Module):
    """Two graph convolutions and a residual; `shift` (B or 1, 1, C) is added between them. (B, N, C) -> (B, N, C)."""

    def __init__(self, width: int, adjacency: np.ndarray) -> None:
        super().__init__()
        self.first = GraphConv(width, adjacency)
        self.second = GraphConv(width, adjacency)

    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        hidden = self.first(x)
        return x + self.second(hidden if shift is None else hidden + shift)


class Lifter(nn.Module):
    """uv (B, 17, 2) in normalised screen units -> xyz (B, 17, 3) in metres, camera frame, as the network gives it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        adjacency = skeleton.adjacency()
        self.embed = ChebyshevConv(2, config.width, adjacency)
        self.blocks = nn.ModuleList(AttentionBlock(len(adjacency), config) for _ in range(config.layers))
        self.pairs = nn.ModuleList(ResidualPair(config.width, adjacency) for _ in range(config.layers))
        self.project = ChebyshevConv(config.width, 3, adjacency)

    def forward(self, uv: Tensor) -> Tensor:
        x = self.embed(uv).float()  # under autocast the residual stream stays float32
        for block, pair in zip(self.blocks, self.pairs, strict=True):
            x = pair(block(x))
        return self.project(x)
