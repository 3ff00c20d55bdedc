"""The operations that the networks are said to do, against counts by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks import flops
from pose_diffusion.config import DiffusionConfig, ModelConfig
from pose_diffusion.geometry import skeleton
from pose_diffusion.models.published.graph import ChebyshevConv

MODEL = ModelConfig(width=12, layers=2, heads=2)


def test_a_linear_layer_by_hand():
    layer, x = nn.Linear(3, 5), torch.randn(7, 3)
    assert flops.count(lambda: layer(x)) == 2 * 7 * 3 * 5


def test_a_convolution_by_hand():
    # 17 nodes, 4 channels to 6, three terms: 4 channels through the nodes (17 x 3 x 17), then 3 x 4 features to 6.
    network, x = ChebyshevConv(4, 6, skeleton.adjacency()), torch.randn(1, 17, 4)
    assert flops.count(lambda: network(x)) == 2 * 4 * 51 * 17 + 2 * 17 * 12 * 6


@pytest.mark.parametrize("name", ["lifter", "denoiser"])
def test_training_is_a_little_less_than_three_forward_passes(name):
    # The graph's constant matrices and the input need no gradient.
    assert 2.3 * flops.forward(name, MODEL) < flops.training(name, MODEL) < 3 * flops.forward(name, MODEL)


def test_a_sampler_does_twice_as_much_with_flips():
    once = flops.sampler(MODEL, DiffusionConfig(), flips=False)
    assert flops.sampler(MODEL, DiffusionConfig(), flips=True) == 2 * once


def test_a_sampler_adds_up_from_the_lifter_and_its_steps():
    # The 2D pose is encoded once for all steps, and the timestep's embedding shared: less than the sum of whole passes.
    lifter, denoiser = flops.forward("lifter", MODEL), flops.forward("denoiser", MODEL)
    one = flops.sampler(MODEL, DiffusionConfig(sampling="list", step_list=[0]), flips=False)
    two = flops.sampler(MODEL, DiffusionConfig(sampling="list", step_list=[0, 6]), flips=False)
    assert lifter + 0.5 * denoiser < one <= lifter + denoiser
    assert one + 0.5 * denoiser < two < one + denoiser


def test_the_published_size_does_as_much_as_the_docs_say():
    model = ModelConfig()
    assert flops.forward("denoiser", model) == pytest.approx(104e6, rel=0.03)
    assert flops.forward("lifter", model) == pytest.approx(24.8e6, rel=0.01)


def test_a_video_network_does_as_much_as_the_docs_say():
    model = ModelConfig(family="video", width=128, layers=2, heads=4)
    assert flops.clip(model, 27) == pytest.approx(19.2e6, rel=0.01)
    assert flops.clip(model, 81) == pytest.approx(20.1e6, rel=0.01)


@pytest.mark.parametrize("flips", [False, True])
def test_windows_that_overlap_by_half_do_nearly_everything_twice(flips):
    model = ModelConfig(family="video", width=8, layers=1, heads=2, frames=9)
    once = flops.clip(model, 9) * (2 if flips else 1)
    assert flops.clips(model, 9, flips) == once
    assert 1.9 * once < flops.clips(model, 900, flips) < 2.3 * once  # a stride of 4 for 9 frames
