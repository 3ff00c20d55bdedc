"""torch.compile and CUDA graphs for passes of one shape: faster, after a start of half a minute or more.

For inference on a CPU whole networks are compiled. Elsewhere the blocks that they repeat are, all of a kind at once: a fifth of
the time to start, for passes that are up to a fifth slower (docs/experiments/gpu-speed.md).
"""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pose_diffusion.errors import InputError
from pose_diffusion.models.published.graformer import AttentionBlock, ResidualPair
from pose_diffusion.runtime.cuda_graphs import GraphedFunction

Network = TypeVar("Network", bound=nn.Module)


def compiled(function: Callable, device: torch.device) -> Callable:
    """The function, compiled at its first call with each shape. Without gradients on a CPU, weights become constants.

    Raises InputError where there is no compiler for C++ (on a GPU, for C).
    """
    _check_compiler(device)
    options: dict[str, Any] | None = {"freezing": True} if device.type == "cpu" else None
    return torch.compile(function, dynamic=False, options=options)


def compile_blocks(network: nn.Module, device: torch.device) -> None:
    """Compiles a network's repeated blocks, in place, at their first call with each shape.

    Raises InputError where there is no compiler for C++ (on a GPU, for C).
    """
    _check_compiler(device)
    for module in network.modules():
        if isinstance(module, AttentionBlock | ResidualPair):
            module.compile(dynamic=False)


class CompiledTraining(nn.Module):
    """A network in training whose batches of one size run compiled, on a GPU as recorded CUDA graphs; others run as ever.

    inputs: a batch of that size, of the network's own inputs. What is compiled is a twin that has the network's parameters.
    Raises InputError where there is no compiler for C++ (on a GPU, for C).
    """

    def __init__(self, network: nn.Module, inputs: tuple[Tensor, ...], bf16: bool):
        super().__init__()
        self.network, self.rows = network, len(inputs[0])
        device = inputs[0].device
        twin: Any = _twin(network).train()
        compile_blocks(twin, device)
        if device.type == "cuda":
            # It is recorded on a stream of its own, which autograd would warn of at the first step.
            torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
            with torch.autocast("cuda", torch.bfloat16, enabled=bf16, cache_enabled=False):  # a cast must be in the record
                twin = torch.cuda.make_graphed_callables(twin, inputs)
        self._twin = [twin]  # in a list, so that the parameters count once

    def forward(self, *inputs: Tensor) -> Tensor:
        return self._twin[0](*inputs) if len(inputs[0]) == self.rows else self.network(*inputs)


def compiled_lifting(network: nn.Module, rows: int, device: torch.device) -> Callable[..., Tensor]:
    """A frozen network whose batches of so many rows run compiled, on a GPU as a CUDA graph; others run as ever.

    Raises InputError where there is no compiler for C++ (on a GPU, for C).
    """
    twin = _twin(network)
    compile_blocks(twin, device)
    fast = GraphedFunction(twin) if device.type == "cuda" else twin
    return lambda *inputs: (fast if len(inputs[0]) == rows else network)(*inputs)


def _twin(network: Network) -> Network:
    """A copy that has the same parameters and buffers, not copies of them."""
    own = [*network.parameters(), *network.buffers()]
    return copy.deepcopy(network, {id(tensor): tensor for tensor in own})


def _check_compiler(device: torch.device) -> None:
    # Triton, which makes a GPU's kernels, builds what launches them in C.
    language, variable, usual, other = (
        ("C", "CC", "gcc", "clang") if device.type == "cuda" else ("C++", "CXX", "g++", "clang++")
    )
    if not any(map(shutil.which, (os.environ.get(variable, usual), other))):
        raise InputError(f"compiled networks need a {language} compiler: there is no {usual} (or {variable} names none)")
