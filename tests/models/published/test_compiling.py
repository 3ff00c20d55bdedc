"""Compiled training: the same outputs and gradients as plain training, by the network's own parameters."""

from __future__ import annotations

from functools import partialmethod

import pytest
import torch
from torch import nn

from pose_diffusion.config import Config, ModelConfig
from pose_diffusion.errors import InputError
from pose_diffusion.models.published import graformer, graph
from pose_diffusion.models.published.compiling import CompiledTraining, compile_blocks
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.training import stages

MODEL = ModelConfig(width=8, layers=2, heads=2, dropout=0.0)
ROWS = 6


@pytest.fixture(autouse=True)
def no_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled, a network draws its dropout otherwise."""
    monkeypatch.setattr(graformer, "ATTENTION_DROPOUT", 0.0)
    monkeypatch.setattr(graph, "CONVOLUTION_DROPOUT", 0.0)


def made(kind: str) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """A network in training and a batch for it."""
    torch.manual_seed(0)
    x_t, uv, t = torch.randn(ROWS, 17, 5), torch.randn(ROWS, 17, 2), torch.arange(ROWS)
    return (Lifter(MODEL).train(), (uv,)) if kind == "lifter" else (Denoiser(MODEL).train(), (x_t, uv, t))


def gradients(network: nn.Module) -> list[torch.Tensor]:
    found = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    return found


# Traced and differentiated as for training, but run as it is: a compiler of C++ would take half a minute.
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["lifter", "denoiser"])
def test_outputs_and_gradients_are_those_of_the_plain_network(monkeypatch: pytest.MonkeyPatch, kind: str, backend: str) -> None:
    monkeypatch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend=backend))
    network, inputs = made(kind)
    compiled = CompiledTraining(network, inputs, bf16=False)
    for count in (ROWS, ROWS - 2):  # of the size that is compiled, and another
        part = tuple(column[:count] for column in inputs)
        output = compiled(*part)
        output.square().sum().backward()
        ours = gradients(network)
        expected = network(*part)
        expected.square().sum().backward()
        torch.testing.assert_close(output, expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(ours, gradients(network), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["lifter", "denoiser"])
def test_the_parameters_are_the_networks_own_and_count_once(kind: str) -> None:
    config = Config().model_copy(update={"model": MODEL})
    stage = next(one for one in stages.stages(config) if one.name == kind)
    network = stage.build()
    compiled = stages.compiled(stage, network, ROWS, bf16=False)
    assert list(map(id, compiled.parameters())) == list(map(id, network.parameters()))
    assert list(map(id, compiled._twin[0].parameters())) == list(map(id, network.parameters()))
    assert all(isinstance(parameter, nn.Parameter) for parameter in compiled.parameters())


def test_the_network_itself_stays_uncompiled() -> None:
    network, inputs = made("lifter")
    CompiledTraining(network, inputs, bf16=False)
    assert all(module._compiled_call_impl is None for module in network.modules())


@pytest.mark.parametrize(("device", "language"), [("cpu", r"C\+\+"), ("cuda", "C")])
def test_a_machine_without_a_compiler_is_told(monkeypatch: pytest.MonkeyPatch, device: str, language: str) -> None:
    monkeypatch.setenv("PATH", "")
    for variable in ("CC", "CXX"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(InputError, match=f"need a {language} compiler"):
        compile_blocks(Lifter(MODEL), torch.device(device))
