"""CUDA graphs: what a GPU does in a call, recorded once and played back, without hundreds of launches from Python.

A launch takes some 10 us of a processor, and most kernels of these networks no longer than that on a GPU: unrecorded, it waits.
A record repeats the arithmetic (autocast, TF32) and the memory of the call that it was made in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_BESIDE = "thread_local"  # other threads may use the GPU while one records
_WARM_UPS = 3  # calls before a record: they compile, and make what is made once


class GraphedFunction:
    """A function of tensors on a GPU, without gradients: one record for each shape of its inputs.

    It returns a tensor or a named tuple of tensors; a call's are its own, copied from what the record wrote.
    """

    def __init__(self, function: Callable[..., Any]):
        self.function = function
        self._records: dict[tuple[torch.Size, ...], tuple[tuple[Tensor, ...], torch.cuda.CUDAGraph, Any]] = {}

    @torch.no_grad()
    def __call__(self, *inputs: Tensor) -> Any:
        shapes = tuple(tensor.shape for tensor in inputs)
        if shapes not in self._records:
            self._records[shapes] = self._record(inputs)
        places, graph, outputs = self._records[shapes]
        for place, tensor in zip(places, inputs, strict=True):
            place.copy_(tensor)
        graph.replay()
        return outputs.clone() if isinstance(outputs, Tensor) else type(outputs)(*(output.clone() for output in outputs))

    def _record(self, inputs: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], torch.cuda.CUDAGraph, Any]:
        places = tuple(tensor.clone() for tensor in inputs)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                self.function(*places)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode=_BESIDE):
            outputs = self.function(*places)
        return places, graph, outputs


class GraphedInPlace:
    """A function without arguments, of tensors on a GPU that stay where they are: its first calls run as they are.

    What it returns is written anew by the next call.
    """

    def __init__(self, function: Callable[[], Any]):
        self.function = function
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._outputs: Any = None

    def __call__(self) -> Any:
        self._calls += 1
        if self._calls <= _WARM_UPS:
            return self.function()
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, capture_error_mode=_BESIDE):  # nothing runs yet
                self._outputs = self.function()
        self._graph.replay()
        return self._outputs
