"""Chebyshev graph convolution on a fixed graph of N nodes.

    y = sum_k T_k(L) x W_k + b,  k = 0..K,   T_0 = I, T_1 = L, T_k = 2 L T_{k-1} - T_{k-2},   L = I - D^-1/2 A D^-1/2

with A the row-normalised adjacency with self-loops and D its row sums (Defferrard et al., arXiv 1606.09375; as GraFormer,
arXiv 2109.08364, uses it with K = 2). The graph never changes, so the T_k are one constant matrix, and the K + 1 terms
cost one matrix product over the features and one over the nodes, with no copy between them.

In the basis of L's eigenvectors U the nodes do not mix, and the terms of each node's eigenvalue l are one matrix:

    y = U z + b,   z_n = (U^-1 x)_n (sum_k T_k(l_n) W_k)

That is two products over the nodes and one over the features with a weight for each node: 42% of the operations for 34 nodes
and 96 channels. It is the faster way in float32 (docs/experiments/cpu-speed.md).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pose_diffusion.models.published.dropout import Dropout

ORDER = 2
CONVOLUTION_DROPOUT = 0.1


def laplacian(adjacency: np.ndarray) -> Tensor:
    """L of a row-normalised adjacency with self-loops. (N, N) -> (N, N) float64."""
    a = torch.as_tensor(adjacency, dtype=torch.float64)
    scale = a.sum(1).rsqrt()
    return torch.eye(len(a), dtype=torch.float64) - scale[:, None] * a * scale


def chebyshev_terms(adjacency: np.ndarray, order: int = ORDER) -> Tensor:
    """T_0 .. T_order of the graph's Laplacian. (N, N) -> (order + 1, N, N) float32."""
    return _terms(laplacian(adjacency), order).float()


class Spectrum(NamedTuple):
    """L = inverse diag(l) forward, both (N, N), and T_k(l) for each eigenvalue l, (N, order + 1). All float32."""

    forward: Tensor
    inverse: Tensor
    responses: Tensor


def spectrum(adjacency: np.ndarray, order: int = ORDER) -> Spectrum:
    """The eigenvectors of the Laplacian of a row-normalised adjacency (N, N) that is symmetric but for its rows' scale."""
    # With self-loops of weight one, a row's own entry is its scale; without the scales the Laplacian is symmetric.
    root = torch.as_tensor(adjacency, dtype=torch.float64).diagonal().rsqrt()
    symmetric = root[:, None] * laplacian(adjacency) / root
    values, vectors = torch.linalg.eigh((symmetric + symmetric.T) / 2)
    responses = _terms(values.diag(), order).diagonal(dim1=1, dim2=2).T
    return Spectrum(*(part.float().contiguous() for part in (vectors.T * root, vectors / root[:, None], responses)))


def _terms(laplacian: Tensor, order: int) -> Tensor:
    """(N, N) -> (order + 1, N, N)."""
    terms = [torch.eye(len(laplacian), dtype=laplacian.dtype), laplacian]
    while len(terms) <= order:
        terms.append(2 * laplacian @ terms[-1] - terms[-2])
    return torch.stack(terms[: order + 1])


def _autocast(device: str) -> bool:
    """Whether products on a kind of device are rounded to bf16; kinds without autocast, as 'meta' is, may not be asked."""
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def mix(matrix: Tensor, x: Tensor) -> Tensor:
    """Combines nodes: (M, N) times (B, N, C) -> (B, M, C), without the transposed copies that matmul's folding makes."""
    return torch.bmm(matrix.expand(len(x), *matrix.shape), x)


class ChebyshevConv(nn.Module):
    """(B, N, in_channels) -> (B, N, out_channels). The weight is kept as (in, K + 1, out): what the product reads."""

    terms: Tensor
    to_spectrum: Tensor
    from_spectrum: Tensor
    responses: Tensor

    def __init__(self, in_channels: int, out_channels: int, adjacency: np.ndarray) -> None:
        super().__init__()
        terms = chebyshev_terms(adjacency)
        kinds, nodes, _ = terms.shape
        self.weight = nn.Parameter(torch.empty(in_channels, kinds, out_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        # Whichever side is narrower goes through the nodes' product.
        self.nodes_first = in_channels < out_channels
        if self.nodes_first:
            matrix = terms.transpose(0, 1).reshape(nodes * kinds, nodes)  # row n K' + k: T_k[n]
        else:
            matrix = terms.permute(1, 2, 0).reshape(nodes, nodes * kinds)  # column m K' + k: T_k[:, m]
        self.register_buffer("terms", matrix.contiguous(), persistent=False)
        if in_channels == out_channels:  # else a product with few channels is cheaper than a weight for each eigenvalue
            for name, matrix in zip(("to_spectrum", "from_spectrum", "responses"), spectrum(adjacency), strict=True):
                self.register_buffer(name, matrix, persistent=False)
        # Xavier's normal as the published code applies it, to a weight laid out (K + 1, 1, in, out).
        nn.init.normal_(self.weight, std=math.sqrt(2 / (in_channels * out_channels * (kinds + 1))))

    def forward(self, x: Tensor) -> Tensor:
        batch, nodes, _ = x.shape
        channels, kinds, width = self.weight.shape
        if self.nodes_first:
            mixed = mix(self.terms, x).view(batch, nodes, kinds * channels)
            return F.linear(mixed, self.weight.permute(2, 1, 0).reshape(width, kinds * channels), self.bias)
        if channels == width and not _autocast(x.device.type):  # in bf16 it gains nothing
            return self._in_spectrum(x)
        features = torch.matmul(x, self.weight.view(channels, kinds * width))  # (B, N, (K + 1) out)
        return mix(self.terms, features.view(batch, nodes * kinds, width)).add_(self.bias)

    def _in_spectrum(self, x: Tensor) -> Tensor:
        channels, kinds, width = self.weight.shape
        weights = torch.mm(self.responses, self.weight.transpose(0, 1).reshape(kinds, channels * width))
        waves = mix(self.to_spectrum, x).transpose(0, 1)  # (N, B, in)
        waves = torch.bmm(waves, weights.view(-1, channels, width))  # (N, B, out)
        return mix(self.from_spectrum, waves.transpose(0, 1)).add_(self.bias)


class GraphConv(nn.Module):
    """Chebyshev convolution, ReLU, dropout. (A ReLU after the dropout, as published, would change nothing.)"""

    def __init__(self, width: int, adjacency: np.ndarray) -> None:
        super().__init__()
        self.conv = ChebyshevConv(width, width, adjacency)
        self.dropout = Dropout(CONVOLUTION_DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.conv(x), inplace=True).relu_()


class LearnableGraph(nn.Module):
    """Two linear layers over a graph that is itself learnt, C -> 2C -> C (GraFormer's replacement of the feed-forward).

    The matrix A is normalised by its column sums c, A_ij / sqrt((c_i + 1e-5) (c_j + 1e-5)), and not symmetrised.
    """

    def __init__(self, nodes: int, width: int) -> None:
        super().__init__()
        self.adjacency = nn.Parameter(torch.eye(nodes))
        self.widen = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        scale = (self.adjacency.sum(0) + 1e-5).rsqrt()
        graph = scale[:, None] * self.adjacency * scale
        # Flat, since autograd copies a view that is changed in place.
        hidden = self.widen(mix(graph, x).flatten(0, 1)).relu_()  # (B N, 2C)
        # Features first: the nodes' product then runs over C channels instead of 2C.
        return mix(graph, F.linear(hidden, self.narrow.weight).view_as(x)).add_(self.narrow.bias)
