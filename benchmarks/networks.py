"""The networks alone: forward pass and training step in each precision, plain and compiled, against the matmul peak."""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from benchmarks import flops, reference_loops
from benchmarks.config import BenchmarkConfig
from benchmarks.results import Entry
from benchmarks.timing import matmul_peak, seconds_a_call, tf32
from pose_diffusion.geometry.metrics import centre
from pose_diffusion.models.published import compiling
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.models.published.networks import Networks
from pose_diffusion.runtime.cuda_graphs import GraphedFunction

log = logging.getLogger(__name__)
# Whether compiled, whether as a CUDA graph.
_WAYS = {
    (False, False): "eager",
    (False, True): "CUDA graph",
    (True, False): "compiled",
    (True, True): "compiled, CUDA graph",
}
KINDS: dict[str, type[Lifter] | type[Denoiser]] = {"lifter": Lifter, "denoiser": Denoiser}


def measure(config: BenchmarkConfig, device: torch.device) -> Iterator[Entry]:
    """An entry for each peak and each network, pass, precision, way of running and number of rows."""
    bench = config.bench
    for precision in bench.precisions:
        peak = matmul_peak(precision, bench.seconds, device)
        where = f"{bench.threads} threads" if device.type == "cpu" else "GPU"
        yield Entry("network", f"matmul peak, {precision}", peak, "GFLOP/s", peak, note=where)
        for rows, compiled in itertools.product(bench.batches, (False, True) if bench.compiled else (False,)):
            for name in KINDS:
                if "forward" in bench.passes:
                    yield _forward(config, name, precision, compiled, rows, peak, device)
                if "training" in bench.passes:
                    yield _training(config, name, precision, compiled, rows, peak, device)
            if "sampler" in bench.passes:
                yield _sampler(config, precision, compiled, rows, peak, device)
                if device.type == "cuda" and not compiled:
                    yield _sampler(config, precision, compiled, rows, peak, device, graph=True)


def _forward(
    config: BenchmarkConfig, name: str, precision: str, compiled: bool, rows: int, peak: float, device: torch.device
) -> Entry:
    networks = reference_loops.networks(config, device)
    inputs = _inputs(name, rows, device, shared_t=True)
    start = _begin(device)
    if compiled:
        networks.compile()
    call: Callable = getattr(networks, name)
    work = rows * flops.forward(name, config.model)
    with torch.no_grad(), arithmetic(precision, device):
        way = _WAYS[compiled, compiled and device.type == "cuda"]
        return _entry(f"{name} forward", precision, way, rows, work, peak, lambda: call(*inputs), config, device, start)


def _training(
    config: BenchmarkConfig, name: str, precision: str, compiled: bool, rows: int, peak: float, device: torch.device
) -> Entry:
    """Forward and backward of one pass; clipping, optimiser and average, once a batch, are in the scaling part.

    Compiled is what train.compiled makes of it, on a GPU a CUDA graph too.
    """
    network = KINDS[name](config.model).to(device).train()
    inputs = _inputs(name, rows, device, shared_t=False)
    start = _begin(device)
    call: Callable = network
    if compiled:
        with arithmetic(precision, device):
            call = compiling.CompiledTraining(network, inputs, precision == "bf16")

    def one() -> None:
        network.zero_grad(set_to_none=True)
        with tf32(precision == "tf32"):
            with arithmetic(precision, device):
                loss = call(*inputs).float().square().sum()
            loss.backward()

    work = rows * flops.training(name, config.model)
    way = _WAYS[compiled, compiled and device.type == "cuda"]
    return _entry(f"{name} training", precision, way, rows, work, peak, one, config, device, start)


def _sampler(
    config: BenchmarkConfig, precision: str, compiled: bool, rows: int, peak: float, device: torch.device, graph: bool = False
) -> Entry:
    """Lifter and all DDIM steps for `rows` poses and as many mirror images, at one fixed shape.

    Compiled is what infer.compiled makes of it, on a GPU CUDA graphs too. graph: the plain sampler as one CUDA graph.
    """
    networks = reference_loops.networks(config, device)
    uv = torch.randn(2 * rows, 17, 2, device=device)
    work = rows * flops.sampler(config.model, config.diffusion, flips=True)
    start = _begin(device)
    with torch.no_grad(), arithmetic(precision, device):
        if compiled:
            networks.compile()
        call = partial(sample, networks)
        way = _WAYS[compiled, graph or (compiled and device.type == "cuda")]
        run = partial(GraphedFunction(call) if graph else call, uv)
        return _entry("sampler with flips", precision, way, rows, work, peak, run, config, device, start)


def sample(networks: Networks, uv: Tensor) -> Tensor:
    """What inference computes for a pass of poses and their mirror images. (rows, 17, 2) -> (rows, 17, 5)."""
    xyz = centre(networks.lifter(uv).float())
    return networks.sample(torch.cat([uv, xyz], -1), uv, eta=0.0)[0]


@contextlib.contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    with tf32(precision == "tf32"), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        yield


def _inputs(name: str, rows: int, device: torch.device, shared_t: bool) -> tuple[Tensor, ...]:
    uv = torch.randn(rows, 17, 2, device=device)
    if name == "lifter":
        return (uv,)
    return torch.randn(rows, 17, 5, device=device), uv, torch.randint(0, 51, (1 if shared_t else rows,), device=device)


def _begin(device: torch.device) -> float:
    """The performance counter, from when memory is counted too."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    return time.perf_counter()


def _entry(
    name: str,
    precision: str,
    way: str,
    rows: int,
    work: float,
    peak: float,
    call: Callable[[], object],
    config: BenchmarkConfig,
    device: torch.device,
    start: float,
) -> Entry:
    """start: of `_begin`, before the call was made ready."""
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    first = time.perf_counter() - start
    took = seconds_a_call(call, config.bench.seconds, device)
    torch.compiler.reset()  # the next network is compiled for itself
    memory = torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None
    note = f"first call {first:.0f} s" if way != "eager" else ""
    gflops = work / took / 1e9
    entry = Entry(
        "network",
        f"{name}, {precision}, {way}, {rows} rows",
        rows / took,
        "poses/s" if name.startswith("sampler") else "samples/s",
        gflops,
        gflops / peak,
        f"matmul peak, {precision}",
        memory,
        note,
    )
    log.info("bench: %s: %.0f/s, %.1f%% of the peak", entry.name, entry.value, 100 * gflops / peak)
    return entry
