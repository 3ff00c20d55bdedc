"""The video network: what its poses may and may not depend on."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pose_diffusion.config import ModelConfig
from pose_diffusion.geometry.person_view import CONTEXT
from pose_diffusion.models.video.network import VideoNetwork

TINY = ModelConfig(family="video", width=32, layers=2, heads=4, dropout=0)
SMALL = ModelConfig(family="video", width=128, layers=2, heads=4)
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


@pytest.mark.parametrize("shift", [-3.0, 0.5, 3600.0])
def test_a_clip_may_begin_at_any_time(network: VideoNetwork, shift: float) -> None:
    kernels, context, time = clip(2, 9)
    shifted = network(kernels, context, time.double() + shift)
    torch.testing.assert_close(shifted, network(kernels, context, time), atol=1e-5, rtol=0)


def test_the_order_of_frames_does_not_matter_where_their_times_go_with_them(network: VideoNetwork) -> None:
    kernels, context, time = clip(2, 9)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    moved = network(kernels[:, order], context[:, order], time[:, order])
    torch.testing.assert_close(moved, network(kernels, context, time)[:, order], atol=1e-5, rtol=0)


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


def test_attention_reaches_across_joints_and_not_across_clips(network: VideoNetwork) -> None:
    kernels, context, time = clip(2, 1)
    before = network(kernels, context, time)
    kernels = kernels.clone()
    kernels[0, 0, 16, :, 1:3] += 1
    changed = (network(kernels, context, time) - before).abs().amax((1, 3))
    assert changed[0, 3] > 1e-5
    assert (changed[1] == 0).all()


def test_a_clip_of_padding_alone_gives_finite_poses_and_gradients(network: VideoNetwork) -> None:
    kernels, context, time = clip(2, 4)
    valid = torch.tensor([[True] * 4, [False] * 4])
    kernels.requires_grad_()
    pose = network(kernels, context, time, valid)
    pose[0].sum().backward()
    assert bool(pose.isfinite().all())
    assert kernels.grad is not None and bool(kernels.grad.isfinite().all())


def test_a_mask_of_frames_that_all_exist_changes_nothing(network: VideoNetwork) -> None:
    kernels, context, time = clip(2, 9)
    masked = network(kernels, context, time, torch.ones(2, 9, dtype=torch.bool))
    torch.testing.assert_close(masked, network(kernels, context, time), atol=1e-5, rtol=0)


def test_poses_are_the_same_with_and_without_gradients(network: VideoNetwork) -> None:
    """PyTorch takes other attention kernels without them."""
    inputs = clip(2, 9)
    with torch.no_grad():
        without = network(*inputs)
    torch.testing.assert_close(without, network(*inputs), atol=1e-5, rtol=0)


def test_bfloat16_under_autocast_is_near_float32(network: VideoNetwork) -> None:
    inputs = clip(2, 9)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(*inputs)
    expected = network(*inputs)
    assert rounded.dtype == torch.float32
    assert (rounded - expected).norm() < 0.03 * expected.norm()


def test_joints_are_told_apart(network: VideoNetwork) -> None:
    kernels, context, time = clip(1, 3)
    same = kernels[:, :, :1].expand_as(kernels)
    assert network(same, context, time).std(2).max() > 1e-3


def test_every_weight_is_learned(network: VideoNetwork) -> None:
    network.zero_grad()
    network(*clip(2, 5)).square().sum().backward()
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in network.parameters())


@pytest.mark.parametrize("frames", [1, 27, 81])
@pytest.mark.parametrize(("size", "most"), [(SMALL, 25e6), (BASE, 90e6)])
def test_sizes_are_within_their_arithmetic(size: ModelConfig, most: float, frames: int) -> None:
    assert flops_per_frame(size, frames) < most


def test_attention_over_time_is_counted() -> None:
    """FlopCounterMode knows nothing of the fused kernel for CPUs; by matrix products it counts what longer clips cost."""
    extra = flops_per_frame(SMALL, 81) - flops_per_frame(SMALL, 27)
    assert extra == SMALL.layers * 2 * 2 * 17 * SMALL.width * (81 - 27)


def flops_per_frame(size: ModelConfig, frames: int) -> float:
    """Two for each multiplication and addition, of one forward pass with one kernel a joint."""
    network = VideoNetwork(size)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        network(*clip(1, frames, kernels=1))
    return counter.get_total_flops() / frames


def test_a_width_that_the_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="width 28 is not a multiple of twice the heads 4"):
        ModelConfig(family="video", width=28, heads=4)
