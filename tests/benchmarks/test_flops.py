"""Floating-point operations counted from shapes are those that the networks do."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import flops, reference_loops
from benchmarks.networks import sample
from pose_diffusion.config import Config, ModelConfig
from pose_diffusion.geometry import skeleton
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.models.published.graph import ChebyshevConv

MODELS = [ModelConfig(width=8, layers=1, heads=2), ModelConfig(width=12, layers=3, heads=2), ModelConfig()]
ROWS = 5


def counted(call) -> int:
    """In bf16, where no convolution saves operations by the graph's spectrum."""
    with FlopCounterMode(display=False) as counter, torch.autocast("cpu", torch.bfloat16):
        call()
    return counter.get_total_flops()


def inputs(*names: str) -> tuple[torch.Tensor, ...]:
    made = {"x_t": torch.randn(ROWS, 17, 5), "uv": torch.randn(ROWS, 17, 2), "t": torch.arange(ROWS)}
    return tuple(made[name] for name in names)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: f"width {m.width}")
def test_a_lifter_does_as_much_as_counted(model):
    network = Lifter(model)
    assert counted(lambda: network(*inputs("uv"))) == ROWS * flops.forward(flops.lifter(model))
    assert counted(lambda: network(*inputs("uv")).sum().backward()) == ROWS * flops.training(flops.lifter(model))


@pytest.mark.parametrize("model", MODELS, ids=lambda m: f"width {m.width}")
def test_a_denoiser_does_as_much_as_counted(model):
    network = Denoiser(model)
    assert counted(lambda: network(*inputs("x_t", "uv", "t"))) == ROWS * flops.forward(flops.denoiser(model))
    assert counted(lambda: network(*inputs("x_t", "uv", "t")).sum().backward()) == ROWS * flops.training(flops.denoiser(model))


def test_a_sampler_does_as_much_as_counted_and_the_timesteps_of_each_pass():
    config = Config(model=MODELS[1])
    networks = reference_loops.networks(config, torch.device("cpu"))
    once = len(networks.steps) * flops.forward(flops.timestep(config.model))
    expected = ROWS * flops.sampler(config.model, len(networks.steps), flips=False) + once
    assert counted(lambda: sample(networks, *inputs("uv"))) == expected


def test_a_convolution_in_the_graphs_spectrum_does_fewer_than_counted():
    network = ChebyshevConv(96, 96, skeleton.cross_channel_adjacency())
    x = torch.randn(ROWS, 34, 96)
    with FlopCounterMode(display=False) as counter:
        network(x)
    weights = 2 * 34 * 3 * 96 * 96  # once for all rows
    assert counter.get_total_flops() - weights == ROWS * (2 * 2 * 34 * 34 * 96 + 2 * 34 * 96 * 96)
    assert counter.get_total_flops() - weights < 0.43 * ROWS * flops.forward(flops.convolution(34, 96, 96))


def test_a_convolution_by_hand():
    # 17 nodes, 4 channels to 6, three terms: 4 channels through the nodes (17 x 3 x 17), then 3 x 4 features to 6.
    assert flops.forward(flops.convolution(17, 4, 6)) == 2 * 4 * 51 * 17 + 2 * 17 * 12 * 6
