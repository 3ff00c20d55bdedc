"""Optimisers: which parameters each takes, and that a saved one goes on as if it had not stopped."""

import pytest
import torch
from torch import nn

from pose_diffusion.config import ModelConfig, TrainConfig
from pose_diffusion.config.loading import load
from pose_diffusion.errors import InputError
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.models.video.network import VideoNetwork
from pose_diffusion.training.muon import Muon, orthogonal
from pose_diffusion.training.optimiser import build_optimiser
from pose_diffusion.training.state import TrainState

MODEL = ModelConfig(width=8, layers=2, heads=2, dropout=0.0)


def lifter(seed: int = 0) -> Lifter:
    torch.manual_seed(seed)
    return Lifter(MODEL)


def steps(network, optimiser, numbers) -> None:
    for number in numbers:
        torch.manual_seed(number)  # of the dropout
        uv = torch.randn(16, 17, 2, generator=torch.Generator().manual_seed(number))
        optimiser.zero_grad()
        (network(uv) - uv.sum(-1, keepdim=True)).square().mean().backward()
        optimiser.step()


def weights(network) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_the_default_is_the_published_adam():
    ours, theirs = lifter(), lifter()
    steps(ours, build_optimiser(ours, TrainConfig()), range(5))
    steps(theirs, torch.optim.Adam(theirs.parameters(), lr=TrainConfig().learning_rate, fused=True), range(5))
    assert torch.equal(weights(ours), weights(theirs))


@pytest.mark.parametrize("kind", [Lifter, Denoiser])
def test_muon_takes_the_matrices_of_the_blocks_and_adam_all_else_once(kind):
    network = kind(MODEL)
    optimiser = build_optimiser(network, TrainConfig(optimiser="muon"))
    taken = {
        name: [id(parameter) for group in part.param_groups for parameter in group["params"]]
        for name, part in optimiser.parts.items()
    }
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert sorted(taken["muon"] + taken["adam"]) == sorted(names)
    by_muon = {names[key] for key in taken["muon"]}
    blocks = 2 if kind is Lifter else 4
    assert len(by_muon) == 4 * blocks
    assert all("blocks." in name and name.endswith(".weight") and "norm" not in name for name in by_muon)


def test_muon_takes_all_matrices_inside_the_video_networks_layers_and_no_other():
    network = VideoNetwork(ModelConfig(family="video", width=8, layers=2, heads=2))
    optimiser = build_optimiser(network, TrainConfig(optimiser="muon"))
    by_muon = {id(parameter) for group in optimiser.parts["muon"].param_groups for parameter in group["params"]}
    inside = {id(p) for name, p in network.named_parameters() if name.startswith("layers.") and p.dim() == 2}
    assert by_muon == inside


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_muons_steps_are_torchs_with_matrices_of_many_shapes(weight_decay):
    torch.manual_seed(0)
    start = [torch.randn(shape) for shape in [(8, 8), (24, 8), (8, 8), (16, 8), (8, 16), (24, 8)]]
    ours, theirs = ([nn.Parameter(matrix.clone()) for matrix in start] for _ in range(2))
    batched = Muon(ours, 0.02, weight_decay)
    single = torch.optim.Muon(theirs, 0.02, weight_decay, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        batched.step()
        single.step()
    for one, other, before in zip(ours, theirs, start, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-4)  # bf16 in another order
        assert (one - before).norm() > 0.05


def test_an_orthogonal_update_has_singular_values_near_one():
    torch.manual_seed(0)
    for shape in [(3, 12, 8), (3, 8, 12)]:
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)).float())
        assert values.min() > 0.4
        assert values.max() < 1.6


def test_a_gradient_of_nothing_is_no_step():
    assert torch.equal(orthogonal(torch.zeros(2, 4, 3)), torch.zeros(2, 4, 3, dtype=torch.bfloat16))


def test_one_learning_rate_serves_both_parts():
    network = lifter()
    optimiser = build_optimiser(network, TrainConfig(optimiser="muon", learning_rate=0.5))
    for group in optimiser.param_groups:
        assert group["lr"] == 0.5
        group["lr"] = 0.0
    before = weights(network)
    steps(network, optimiser, range(2))
    assert torch.equal(weights(network), before)


@pytest.mark.parametrize("name", ["adam", "muon"])
def test_its_steps_learn(name):
    def error() -> float:
        uv = torch.randn(64, 17, 2, generator=torch.Generator().manual_seed(1000))
        return (network.eval()(uv) - uv.sum(-1, keepdim=True)).square().mean().item()

    network = lifter()
    before = error()
    steps(network.train(), build_optimiser(network, TrainConfig(optimiser=name, learning_rate=6e-3)), range(60))
    assert error() < before / 50


@pytest.mark.parametrize("name", ["adam", "muon"])
def test_weight_decay_takes_its_share_off_every_weight(name):
    network = lifter()
    before = weights(network)
    optimiser = build_optimiser(network, TrainConfig(optimiser=name, learning_rate=0.1, weight_decay=0.5))
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    assert torch.allclose(weights(network), 0.95 * before, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", ["adam", "muon"])
def test_a_run_goes_on_from_its_checkpoint_as_if_it_had_not_stopped(tmp_path, name):
    config = TrainConfig(optimiser=name, weight_decay=0.1)
    straight = lifter()
    steps(straight, build_optimiser(straight, config), range(6))

    network = lifter()
    optimiser = build_optimiser(network, config)
    steps(network, optimiser, range(3))
    TrainState(step=3, model=network.state_dict(), optimiser=optimiser.state_dict()).save(tmp_path)
    loaded = TrainState.load(tmp_path)
    resumed = lifter(seed=1)
    resumed.load_state_dict(loaded.model)
    optimiser = build_optimiser(resumed, config)
    optimiser.load_state_dict(loaded.optimiser)
    steps(resumed, optimiser, range(3, 6))
    assert torch.equal(weights(resumed), weights(straight))


@pytest.mark.parametrize(
    ("setting", "message"),
    [("train.optimiser=sgd", "train.optimiser"), ("train.weight_decay=-1", "train.weight_decay")],
)
def test_a_bad_setting_is_one_line_that_names_its_key(setting, message):
    with pytest.raises(InputError, match=message):
        load(overrides=[setting])
