"""Floating-point operations of the networks for one pose, by torch's FlopCounterMode: 2 for a multiply-add of a product.

They are the model's operations, whichever way it is computed, as "model FLOPs utilisation" counts them (Chowdhery et al.,
'PaLM', 2022, appendix B). So they are counted in bf16: in float32 the wide convolutions do some 40% of theirs, in the graph's
spectrum (`models.published.graph`). What all poses of a pass share, the embedding of a timestep, is divided among 64.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pose_diffusion.config import DiffusionConfig, ModelConfig
from pose_diffusion.data.clips import ClipIndex
from pose_diffusion.geometry.metrics import centre
from pose_diffusion.geometry.person_view import CONTEXT
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.models.published.networks import Networks
from pose_diffusion.models.video.network import VideoNetwork

_ROWS = 64


def count(call: Callable[[], object]) -> int:
    """The operations of a call on the CPU, as a network of the published family would do them in bf16."""
    with FlopCounterMode(display=False) as counter, torch.autocast("cpu", torch.bfloat16):
        call()
    return counter.get_total_flops()


def forward(name: str, model: ModelConfig) -> float:
    """A pass of the 'lifter' or the 'denoiser', for one pose."""
    network = _network(name, model).eval()
    with torch.no_grad():
        return count(lambda: network(*_inputs(name))) / _ROWS


def training(name: str, model: ModelConfig) -> float:
    """A pass of the 'lifter' or the 'denoiser' and the pass back, for one pose with a timestep of its own."""
    network = _network(name, model)
    return count(lambda: network(*_inputs(name)).sum().backward()) / _ROWS


def sampler(model: ModelConfig, diffusion: DiffusionConfig, flips: bool) -> float:
    """Lifting one pose: lifter and all DDIM steps, twice with flips."""
    networks = Networks(model, diffusion, Lifter(model).eval(), Denoiser(model).eval())
    (uv,) = _inputs("lifter")

    def sample() -> None:
        xyz = centre(networks.lifter(uv).float())
        networks.sample(torch.cat([uv, xyz], -1), uv, eta=0.0)

    with torch.no_grad():
        return count(sample) / _ROWS * (2 if flips else 1)


def clip(model: ModelConfig, frames: int, mixture: int = 1) -> float:
    """A pass of the video network, for one frame of a clip of so many. mixture: kernels of a joint."""
    network = VideoNetwork(model).eval()
    kernels, context = torch.rand(1, frames, 17, mixture, 5), torch.zeros(1, frames, CONTEXT)
    time = torch.arange(frames)[None] / 30
    # Only the plain products of attention are counted, not PyTorch's fused ones on a CPU.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        return count(lambda: network(kernels, context, time)) / frames


def clips(model: ModelConfig, rows: int, flips: bool, mixture: int = 1) -> float:
    """Lifting one frame of a sequence of so many by windows of model.frames that overlap, twice with flips."""
    windows, _ = ClipIndex(torch.zeros(rows), torch.arange(rows), 30.0).windows(model.frames)
    length = windows.valid.shape[1]
    return clip(model, length, mixture) * int(windows.valid.sum()) / rows * (2 if flips else 1)


def _network(name: str, model: ModelConfig) -> Lifter | Denoiser:
    return Lifter(model) if name == "lifter" else Denoiser(model)


def _inputs(name: str) -> tuple[torch.Tensor, ...]:
    uv = torch.randn(_ROWS, 17, 2)
    return (uv,) if name == "lifter" else (torch.randn(_ROWS, 17, 5), uv, torch.arange(_ROWS) % 51)
