"""CUDA graphs: played back, functions give what they give, and training takes the steps that it takes."""

from __future__ import annotations

import copy
from typing import NamedTuple

import pytest
import torch
from torch import nn

from benchmarks import reference_loops
from pose_diffusion.config import Config, ModelConfig, TrainConfig
from pose_diffusion.inference.lifting import lift
from pose_diffusion.inference.options import SamplingOptions
from pose_diffusion.models.published import graformer, graph
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.runtime.cuda_graphs import GraphedFunction, GraphedInPlace
from pose_diffusion.training import stages
from pose_diffusion.training.batch import make_batch
from pose_diffusion.training.ema import Ema
from pose_diffusion.training.optimiser import build_optimiser
from pose_diffusion.training.step import step
from pose_diffusion.training.update import WeightUpdate

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
MODEL = ModelConfig(width=32, layers=2, heads=4)


class Pair(NamedTuple):
    twice: torch.Tensor
    added: torch.Tensor


def test_a_recorded_function_gives_what_it_gives_for_each_shape_and_keeps_its_results() -> None:
    recorded = GraphedFunction(lambda x, y: Pair(2 * x, x + y))
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
    recorded = GraphedInPlace(lambda: count.add_(1))
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
        config = TrainConfig(optimiser=optimiser, grad_clip=0.1, compiled=compiled, learning_rate=1e-2)
        updates.append(WeightUpdate(network, build_optimiser(network, config), Ema(network, 0.9), config))
    for turn in range(12):
        for number, parameters in enumerate(zip(*(network.parameters() for network in networks), strict=True)):
            gradient = torch.randn(parameters[0].shape, generator=torch.Generator().manual_seed(100 * turn + number)).cuda()
            for parameter in parameters:
                parameter.grad = gradient.clone()
        for update in updates:
            for group in update.optimiser.param_groups:
                group["lr"] = 1e-2 / (1 + turn)
            update()
            update.zero_grad()
    for plain, recorded, before in zip(*(network.parameters() for network in networks), start.parameters(), strict=True):
        torch.testing.assert_close(recorded, plain, rtol=1e-4, atol=1e-5)
        assert not torch.equal(recorded, before)
    for plain, recorded in zip(*(update.ema.state_dict().values() for update in updates), strict=True):
        torch.testing.assert_close(recorded, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bf16", [False, True])
def test_compiled_networks_lift_as_plain_ones(bf16: bool) -> None:
    config = Config().model_copy(update={"model": MODEL})
    plain, compiled = (reference_loops.networks(config, torch.device("cuda")) for _ in range(2))
    compiled.compile()
    mixture = reference_loops.poses(100)[0].cuda()
    with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
        ours, theirs = (lift(networks, mixture, SamplingOptions(batch=64)) for networks in (compiled, plain))
    tolerance = 5e-2 if bf16 else 1e-5  # on an H200 bf16 came to 2.7e-2
    torch.testing.assert_close(ours.pose_3d, theirs.pose_3d, rtol=0, atol=tolerance * theirs.pose_3d.abs().max().item())
    torch.testing.assert_close(ours.lifter_pose, theirs.lifter_pose, rtol=0, atol=tolerance * 10)


def test_compiled_training_takes_the_plain_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without dropout, which a compiled network draws otherwise; the last batch of each five is smaller."""
    monkeypatch.setattr(graformer, "ATTENTION_DROPOUT", 0.0)
    monkeypatch.setattr(graph, "CONVOLUTION_DROPOUT", 0.0)
    model = MODEL.model_copy(update={"dropout": 0.0})
    losses = []
    for compiled in (False, True):
        train = TrainConfig(optimiser="muon", compiled=compiled, denoiser_errors="lifter", loss="distance", learning_rate=2e-3)
        config = Config().model_copy(update={"model": model, "train": train})
        stage = next(stage for stage in stages.stages(config) if stage.name == "denoiser")
        torch.manual_seed(0)
        network = stage.build().cuda().train()
        start = network.project.weight.detach().clone()
        lifter = Lifter(model).cuda().eval().requires_grad_(False)
        frozen = stages.frozen_lifter(lifter, 64, train)
        computes = stages.compiled(stage, network, 64, bf16=False) if compiled else network
        update = WeightUpdate(network, build_optimiser(network, train), Ema(network, 0.9), train)
        mixture, xyz = (column.cuda() for column in reference_loops.poses(64))
        for number in range(10):
            generator = torch.Generator("cuda").manual_seed(number)
            rows = 40 if number % 5 == 4 else 64
            batch = make_batch((mixture[:rows], xyz[:rows]), train, generator).lift(frozen, 64)
            losses.append(step(stage, computes, update, batch, train, generator).item() / rows)
    plain, ours = losses[:10], losses[10:]
    assert ours == pytest.approx(plain, rel=1e-4)
    assert not torch.equal(network.project.weight, start)


def test_gradients_are_where_the_last_step_left_them_only_until_forgotten() -> None:
    network = nn.Linear(3, 3).cuda()
    config = TrainConfig(compiled=True)
    update = WeightUpdate(network, build_optimiser(network, config), Ema(network, 0.9), config)
    network(torch.randn(2, 3, device="cuda")).sum().backward()
    update()
    assert network.weight.grad is update.places[0]
    update.zero_grad()
    assert network.weight.grad is None
