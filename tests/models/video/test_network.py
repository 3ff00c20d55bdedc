"""The video network: what its poses may and may not depend on."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from pose_diffusion.config import ModelConfig
from pose_diffusion.geometry.person_view import CONTEXT
from pose_diffusion.models.video.network import VideoNetwork

TINY = ModelConfig(family="video", width=32, layers=2, heads=4, dropout=0)
SMALL = ModelConfig(family="video", width=96, layers=4, heads=4)
BASE = ModelConfig(family="video", width=192, layers=4, heads=6)


@pytest.fixture(scope="module")
def network() -> VideoNetwork:
    torch.manual_seed(0)
    network = VideoNetwork(TINY).eval()
    with torch.no_grad():
        for parameter in network.parameters():  # nothing is to be zero by initialisation, or it would not be tested
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def clip(batch: int, frames: int, kernels: int = 2, rate: float = 25.0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(batch * 1000 + frames)
    described = torch.rand(batch, frames, 17, kernels, 5, generator=generator) + 0.05
    described[..., 0] /= described[..., 0].sum(-1, keepdim=True)
    context = torch.randn(batch, frames, CONTEXT, generator=generator)
    return described, context, (torch.arange(frames) / rate).expand(batch, frames)


@pytest.mark.parametrize("rate", [25.0, 60.0])
@pytest.mark.parametrize("frames", [1, 9, 27, 81])
def test_one_set_of_weights_takes_clips_of_any_length_and_rate(network: VideoNetwork, frames: int, rate: float) -> None:
    pose = network(*clip(2, frames, rate=rate))
    assert pose.shape == (2, frames, 17, 3)
    assert bool(pose.isfinite().all())
    assert (pose[..., 0, :] == 0).all()


def test_the_rate_is_seen(network: VideoNetwork) -> None:
    slow, fast = network(*clip(1, 9, rate=25.0)), network(*clip(1, 9, rate=60.0))
    assert (slow - fast).abs().max() > 1e-4


def test_kernels_in_another_order_and_kernels_without_weight_change_nothing(network: VideoNetwork) -> None:
    kernels, context, time = clip(2, 5, kernels=3)
    expected = network(kernels, context, time)
    torch.testing.assert_close(network(kernels[..., [2, 0, 1], :], context, time), expected, atol=1e-5, rtol=0)
    weightless = torch.rand(2, 5, 17, 2, 5)
    weightless[..., 0] = 0
    torch.testing.assert_close(network(torch.cat([kernels, weightless], -2), context, time), expected, atol=1e-5, rtol=0)


def test_a_clip_may_begin_at_any_time(network: VideoNetwork) -> None:
    kernels, context, time = clip(2, 9)
    torch.testing.assert_close(
        network(kernels, context, time.double() + 3600), network(kernels, context, time), atol=1e-5, rtol=0
    )


def test_padding_changes_nothing(network: VideoNetwork) -> None:
    kernels, context, time = clip(2, 9)
    valid = torch.arange(9) < torch.tensor([[9], [4]])
    kernels[1, 4:], context[1, 4:] = torch.rand(5, 17, 2, 5), 100.0
    padded = network(kernels, context, time, valid)
    torch.testing.assert_close(padded[0], network(kernels[:1], context[:1], time[:1])[0], atol=1e-5, rtol=0)
    alone = network(kernels[1:, :4], context[1:, :4], time[1:, :4])
    torch.testing.assert_close(padded[1, :4], alone[0], atol=1e-5, rtol=0)


def test_a_clip_does_not_depend_on_its_batch(network: VideoNetwork) -> None:
    kernels, context, time = clip(6, 9)
    together = network(kernels, context, time)
    alone = torch.cat([network(kernels[i : i + 1], context[i : i + 1], time[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_frames_are_seen_by_one_another(network: VideoNetwork) -> None:
    kernels, context, time = clip(1, 9)
    before = network(kernels, context, time)
    kernels = kernels.clone()
    kernels[:, 8, :, :, 1:3] += 1
    assert (network(kernels, context, time) - before)[:, 0].abs().max() > 1e-5


@pytest.mark.parametrize(("size", "most"), [(SMALL, 25e6), (BASE, 90e6)])
def test_sizes_are_within_their_arithmetic(size: ModelConfig, most: float) -> None:
    network = VideoNetwork(size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(*clip(1, 27, kernels=1))
    assert counter.get_total_flops() / 27 < most


def test_a_width_that_the_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="width 28 is not a multiple of twice the heads 4"):
        ModelConfig(family="video", width=28, heads=4)
