import pytest
import torch

from pose_diffusion.config import ModelConfig
from pose_diffusion.inference.bundle import Bundle
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Attention, AttentionBlock, LayerNorm, Lifter


@pytest.mark.parametrize("layers", [1, 3])
def test_every_parameter_gets_a_gradient(layers: int) -> None:
    config = ModelConfig(width=8, layers=layers, heads=2)
    lifter, denoiser = Lifter(config), Denoiser(config)
    uv = torch.randn(4, 17, 2)
    lifter(uv).square().sum().backward()
    denoiser(torch.randn(4, 17, 5), uv, torch.arange(4)).square().sum().backward()
    without = [name for net in (lifter, denoiser) for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_networks_hold_no_buffer_in_their_state(tiny: Bundle) -> None:
    for network in (tiny.lifter, tiny.denoiser):
        assert set(network.state_dict()) == {name for name, _ in network.named_parameters()}


def test_layer_norm_divides_by_unbiased_std_plus_epsilon() -> None:
    norm = LayerNorm(8)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = torch.randn(5, 8) * torch.tensor([1e-6, 1e-3, 1, 10, 0])[:, None]  # epsilon decides the first
    plain = norm.weight * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6) + norm.bias
    torch.testing.assert_close(norm(x), plain, rtol=1e-4, atol=1e-5)


def test_layer_norm_of_equal_channels_has_a_finite_gradient() -> None:
    x = torch.ones(2, 8, requires_grad=True)
    LayerNorm(8)(x).sum().backward()
    assert x.grad.isfinite().all()


def test_attention_equals_scaled_dot_product_attention() -> None:
    attention = Attention(8, 2).eval()
    x = torch.randn(3, 17, 8)
    q, k, v = (part.view(3, 17, 2, 4).transpose(1, 2) for part in attention.qkv(x).chunk(3, -1))
    fused = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(3, 17, 8)
    torch.testing.assert_close(attention(x), attention.out(fused), rtol=1e-5, atol=1e-5)


def test_config_dropout_acts_in_the_blocks_and_leaves_the_published_ones() -> None:
    block = AttentionBlock(17, ModelConfig(dropout=0.4))
    assert (block.dropout.p, block.attention.dropout.p) == (0.4, 0.1)
    lifter = Lifter(ModelConfig(dropout=0.4))
    assert {pair.first.dropout.p for pair in lifter.pairs} == {0.1}


def test_denoiser_with_a_context_computed_once_is_the_whole_denoiser(tiny: Bundle) -> None:
    denoiser = tiny.denoiser.eval()
    x_t, uv, t = torch.randn(4, 17, 5), torch.randn(4, 17, 2), torch.tensor([0, 3, 7, 50])
    assert torch.equal(denoiser.denoise(x_t, denoiser.encode(uv), t), denoiser(x_t, uv, t))


def test_one_timestep_for_all_is_that_timestep_for_each(tiny: Bundle) -> None:
    denoiser = tiny.denoiser.eval()
    x_t, uv = torch.randn(4, 17, 5), torch.randn(4, 17, 2)
    torch.testing.assert_close(denoiser(x_t, uv, torch.tensor([6])), denoiser(x_t, uv, torch.full((4,), 6)))


def test_poses_of_a_batch_do_not_see_each_other(tiny: Bundle) -> None:
    denoiser = tiny.denoiser.eval()
    x_t, uv, t = torch.randn(4, 17, 5), torch.randn(4, 17, 2), torch.tensor([0, 3, 7, 50])
    torch.testing.assert_close(denoiser(x_t, uv, t)[2:3], denoiser(x_t[2:3], uv[2:3], t[2:3]))


def test_bf16_autocast_trains_and_stays_near_float32(tiny: Bundle) -> None:
    denoiser = tiny.denoiser.eval()
    x_t, uv, t = torch.randn(4, 17, 5), torch.randn(4, 17, 2), torch.arange(4)
    with torch.autocast("cpu", torch.bfloat16):
        coarse = denoiser(x_t, uv, t)
    coarse.float().square().sum().backward()
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in denoiser.parameters())
    torch.testing.assert_close(coarse.float(), denoiser(x_t, uv, t), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("training", [False, True])
def test_networks_compile_into_one_graph(tiny: Bundle, training: bool) -> None:
    arguments = torch.randn(4, 17, 5), torch.randn(4, 17, 2), torch.arange(4)
    denoiser = tiny.denoiser.train(training)
    output = torch.compile(denoiser, fullgraph=True, backend="eager")(*arguments)
    output.square().sum().backward()
    assert all(p.grad is not None for p in denoiser.parameters())
    if not training:  # in training each draws its own dropout
        torch.testing.assert_close(output, denoiser(*arguments))


def test_the_branch_of_other_devices_gives_the_same_shapes(tiny: Bundle) -> None:
    denoiser = tiny.denoiser.to("meta")
    arguments = torch.empty(4, 17, 5), torch.empty(4, 17, 2), torch.arange(4)
    assert denoiser(*(argument.to("meta") for argument in arguments)).shape == (4, 17, 5)
