"""Floating-point operations of the networks, counted from shapes: every matrix product, 2 for a multiply-add.

    (M, K) times (K, N): 2 M K N;   its backward pass: as much again for each of the two that needs a gradient

Sums, norms, softmax, activations and the optimiser are left out: they are below 2% of the arithmetic, if not of the time.
So a training step is a little less than 3 forward passes: constant matrices of the graph and the input need no gradient.

These are the model's operations, whichever way it is computed, as "model FLOPs utilisation" counts them (Chowdhery et al.,
'PaLM', 2022, appendix B): in float32 the wide convolutions do some 40% of theirs, in the graph's spectrum
(`models.graph`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pose_diffusion.config import ModelConfig
from pose_diffusion.geometry.skeleton import N_JOINTS
from pose_diffusion.models.published.graph import ORDER

_KINDS = ORDER + 1
_NODES = 2 * N_JOINTS  # of the denoiser's graph


class Product(NamedTuple):
    """A matrix product. flops: of its forward pass. gradients: how many of its two factors need one."""

    flops: int
    gradients: int


def forward(products: Iterable[Product]) -> int:
    return sum(product.flops for product in products)


def training(products: Iterable[Product]) -> int:
    """Forward and backward."""
    return sum(product.flops * (1 + product.gradients) for product in products)


def lifter(model: ModelConfig) -> list[Product]:
    """The lifter's products for one pose."""
    width = model.width
    return [
        *convolution(N_JOINTS, 2, width, of_input=True),
        *model.layers * (block(N_JOINTS, width) + pair(N_JOINTS, width)),
        *convolution(N_JOINTS, width, 3),
    ]


def denoiser(model: ModelConfig) -> list[Product]:
    """The denoiser's products for one pose with a timestep of its own, as in training."""
    return encode(model) + denoise(model) + timestep(model)


def encode(model: ModelConfig) -> list[Product]:
    """What the denoiser reads of the 2D pose: once for all the steps of a sampler."""
    embedded = [*convolution(N_JOINTS, 2, model.width, of_input=True), Product(2 * _NODES * N_JOINTS * model.width, 2)]
    return embedded + block(_NODES, model.width)


def denoise(model: ModelConfig) -> list[Product]:
    """One step of the denoiser for one pose, without the timestep's embedding, which all poses of a pass share."""
    width, layers = model.width, model.layers
    return [
        Product(2 * N_JOINTS * 2 * 3, 1),
        *convolution(_NODES, 3, width),
        *(2 * layers - 1) * block(_NODES, width),
        *(2 * layers - 1) * pair(_NODES, width),
        *convolution(_NODES, width, 3),
        Product(2 * N_JOINTS * 6 * 5, 2),
    ]


def timestep(model: ModelConfig) -> list[Product]:
    """What one timestep adds to each residual pair."""
    width, pairs = model.width, 2 * model.layers - 1
    return [
        Product(2 * width * 4 * width, 1),
        Product(2 * 4 * width * 4 * width, 2),
        Product(2 * 4 * width * pairs * width, 2),
    ]


def sampler(model: ModelConfig, steps: int, flips: bool) -> int:
    """Lifting one pose: lifter and so many denoiser steps, twice with flips."""
    once = forward(lifter(model)) + forward(encode(model)) + steps * forward(denoise(model))
    return once * (2 if flips else 1)


def convolution(nodes: int, channels: int, width: int, of_input: bool = False) -> list[Product]:
    """A Chebyshev convolution; the narrower side goes through the nodes' product, as in `models.graph` where it does all."""
    features = Product(2 * nodes * _KINDS * channels * width, 1 if of_input else 2)
    mix = Product(2 * nodes * nodes * _KINDS * min(channels, width), 0 if of_input else 1)
    return [mix, features]


def pair(nodes: int, width: int) -> list[Product]:
    return 2 * convolution(nodes, width, width)


def block(nodes: int, width: int) -> list[Product]:
    """Attention (joint projection of q, k, v; scores; values; projection) and learnable graph (C -> 2C -> C)."""
    linear = [Product(2 * nodes * width * wide, 2) for wide in (3 * width, width, 2 * width, 2 * width)]
    return [*linear, *4 * [Product(2 * nodes * nodes * width, 2)]]
