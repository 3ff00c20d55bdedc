"""CUDA graphs: played back, functions give what they give, and training takes the steps that it takes."""

from __future__ import annotations

import copy
from typing import NamedTuple

import pytest
import torch
from torch import nn

from pose_diffusion.bench import bare
from pose_diffusion.config import Config, ModelConfig, TrainConfig
from pose_diffusion.lifting import lift
from pose_diffusion.models.graformer import Lifter
from pose_diffusion.recording import Recorded, RecordedInPlace
from pose_diffusion.training.ema import Ema
from pose_diffusion.training.optimiser import build_optimiser
from pose_diffusion.training.update import Update

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
MODEL = ModelConfig(width=32, layers=2, heads=4)


class Pair(NamedTuple):
    twice: torch.Tensor
    added: torch.Tensor


def test_a_recorded_function_gives_what_it_gives_for_each_shape_and_keeps_its_results() -> None:
    recorded = Recorded(lambda x, y: Pair(2 * x, x + y))
    kept = []
    for size in (3, 5, 3, 3):
        x, y = torch.randn(2, size, device="cuda")
        kept.append((recorded(x, y), x, y))
    for pair, x, y in kept:
        assert isinstance(pair, Pair)
        assert torch.equal(pair.twice, 2 * x)
        assert torch.equal(pair.added, x + y)


def test_a_function_recorded_in_place_runs_once_a_call() -> None:
    count = torch.zeros((), device="cuda")
    recorded = RecordedInPlace(lambda: count.add_(1))
    for _ in range(10):
        recorded()
    assert count.item() == 10


@pytest.mark.parametrize("optimiser", ["adam", "muon"])
def test_recorded_updates_are_those_of_plain_ones(optimiser: str) -> None:
    torch.manual_seed(0)
    start = Lifter(MODEL).cuda()
    networks = [copy.deepcopy(start) for _ in range(2)]
    updates = []
    for network, compiled in zip(networks, (False, True), strict=True):
        config = TrainConfig(optimiser=optimiser, clip=0.1, compiled=compiled, learning_rate=1e-2)
        updates.append(Update(network, build_optimiser(network, config), Ema(network, 0.9), config))
    for step in range(12):
        for number, parameters in enumerate(zip(*(network.parameters() for network in networks), strict=True)):
            gradient = torch.randn(parameters[0].shape, generator=torch.Generator().manual_seed(100 * step + number)).cuda()
            for parameter in parameters:
                parameter.grad = gradient.clone()
        for update in updates:
            for group in update.optimiser.param_groups:
                group["lr"] = 1e-2 / (1 + step)
            update()
            update.forget()
    for plain, recorded, before in zip(*(network.parameters() for network in networks), start.parameters(), strict=True):
        torch.testing.assert_close(recorded, plain, rtol=1e-4, atol=1e-5)
        assert not torch.equal(recorded, before)
    for plain, recorded in zip(*(update.ema.state_dict().values() for update in updates), strict=True):
        torch.testing.assert_close(recorded, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bf16", [False, True])
def test_compiled_networks_lift_as_plain_ones(bf16: bool) -> None:
    config = Config().model_copy(update={"model": MODEL})
    plain, compiled = (bare.networks(config, torch.device("cuda")) for _ in range(2))
    compiled.compile()
    mixture = bare.poses(100)[0].cuda()
    with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
        ours, theirs = (lift(networks, mixture, rows=64) for networks in (compiled, plain))
    tolerance = 2e-2 if bf16 else 1e-5
    torch.testing.assert_close(ours.pose_3d, theirs.pose_3d, rtol=0, atol=tolerance * theirs.pose_3d.abs().max().item())
    torch.testing.assert_close(ours.lifter_pose, theirs.lifter_pose, rtol=0, atol=tolerance * 10)


def test_a_compiled_training_step_learns() -> None:
    train = TrainConfig(batch=256, optimiser="muon", compiled=True, denoiser_errors="lifter", loss="distance", precision="bf16")
    call = bare.training(Config().model_copy(update={"model": MODEL, "train": train}), torch.device("cuda"))
    assert sum(call() for _ in range(8)) == 8 * 256


def test_gradients_are_where_the_last_step_left_them_only_until_forgotten() -> None:
    network = nn.Linear(3, 3).cuda()
    config = TrainConfig(compiled=True)
    update = Update(network, build_optimiser(network, config), Ema(network, 0.9), config)
    network(torch.randn(2, 3, device="cuda")).sum().backward()
    update()
    assert network.weight.grad is update.places[0]
    update.forget()
    assert network.weight.grad is None
