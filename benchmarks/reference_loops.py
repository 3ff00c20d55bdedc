"""The bare loops that jobs are held against: training step and sampler, over and over, with the data in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.memory import memory_mib
from benchmarks.timing import matmul_peak
from pose_diffusion.config import Config, ModelConfig
from pose_diffusion.data import mixture as mixtures
from pose_diffusion.geometry.person_view import assumed_intrinsic
from pose_diffusion.inference.clip_lifting import lift_clips
from pose_diffusion.inference.lifting import lift
from pose_diffusion.inference.options import SamplingOptions
from pose_diffusion.models.published.denoiser import Denoiser
from pose_diffusion.models.published.graformer import Lifter
from pose_diffusion.models.published.networks import Networks
from pose_diffusion.models.video.network import VideoNetwork
from pose_diffusion.training.state import TrainState, cpu_weights
from pose_diffusion.training.trainer import Trainer

KERNELS = 5


@dataclass(frozen=True)
class Rate:
    """a_second: poses (or GFLOP) a second of one process. memory_mib: the most it held in its own memory."""

    a_second: float
    memory_mib: float


def poses(rows: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Random mixtures (rows, 17, 5, 5) and poses (rows, 17, 3), minus the pelvis."""
    generator = torch.Generator().manual_seed(seed)
    kernels = torch.rand(rows, 17, KERNELS, 5, generator=generator)
    pose = 0.3 * torch.randn(rows, 17, 3, generator=generator)
    return torch.from_numpy(mixtures.normalise(kernels.numpy())), pose - pose[:, :1]


def training(config: Config, device: torch.device) -> Callable[[], int]:
    """A call that trains the denoiser on one batch of a worker and returns its size."""
    size = max(1, config.train.batch // config.train.worker_range[1])
    alone = {"lifter": "", "lifter_epochs": 1, "denoiser_epochs": 1, "batch": size, "yaw_augment": 0.0}
    trainer = Trainer(config.model_copy(update={"train": config.train.model_copy(update=alone)}), device)
    torch.manual_seed(0)
    lifter = cpu_weights(Lifter(config.model))
    trainer.load_state_dict(vars(TrainState(stage=1, lifter=lifter)))  # where the denoiser begins
    columns = [column.to(device) for column in poses(size)]

    def call() -> int:
        trainer.train_step(columns)
        return size

    return call


def networks(config: Config, device: torch.device) -> Networks:
    """Networks of the config's size with random weights, ready to lift."""
    torch.manual_seed(0)
    lifter, denoiser = Lifter(config.model), Denoiser(config.model)
    for network in (lifter, denoiser):
        network.to(device).eval().requires_grad_(False)
    return Networks(config.model, config.diffusion, lifter, denoiser)


def lifting(config: Config, device: torch.device) -> Callable[[], int]:
    """A call that lifts as many poses as the inference job does between two looks at its progress, and returns their number."""
    both = networks(config, device)
    rows = 64 if device.type == "cpu" else 4096
    mixture = poses(rows)[0].to(device)
    keys = torch.arange(rows)
    infer, options = config.infer, SamplingOptions.from_config(config.infer)
    if infer.compiled:
        both.compile()

    def call() -> int:
        with torch.autocast(device.type, torch.bfloat16, enabled=infer.precision == "bf16"):
            lift(both, mixture, options, keys=keys)
        return rows

    return call


def lifting_clips(config: Config, device: torch.device) -> Callable[[], int]:
    """A call that lifts a sequence by a video network of the config's size with random weights, and returns its frames."""
    torch.manual_seed(0)
    network = VideoNetwork(config.model).to(device).eval().requires_grad_(False)
    rows = video_rows(config.model, device)
    mixture = poses(rows)[0].to(device)
    intrinsic = torch.from_numpy(assumed_intrinsic(1920, 1080)).to(device).expand(rows, 9)
    sequence, frame = torch.zeros(rows, dtype=torch.int64), torch.arange(rows)
    infer = config.infer

    def call() -> int:
        with torch.autocast(device.type, torch.bfloat16, enabled=infer.precision == "bf16"):
            lift_clips(
                network, mixture, intrinsic, sequence, frame, 30.0, config.model.frames, infer.flips, infer.batch or None
            )
        return rows

    return call


def video_rows(model: ModelConfig, device: torch.device) -> int:
    """Frames of the sequence that `lifting_clips` lifts: many windows, as a shard has."""
    return (8 if device.type == "cpu" else 256) * model.frames


def run(kind: str, config: Config, device: torch.device, seconds: float) -> Rate:
    """The rate of a bare loop ('training', 'lifting' or 'peak': the matmul peak in GFLOP/s) in this process."""
    if kind == "peak":
        return Rate(matmul_peak(config.train.precision, seconds, device), memory_mib())
    loops = {"training": training, "lifting": lifting_clips if config.model.family == "video" else lifting}
    call = loops[kind](config, device)
    # A GPU is waited for now and then: jobs let its work queue too, and it records what repeats in its first calls.
    at_once = 8 if device.type == "cuda" else 1

    def calls() -> int:
        done = sum(call() for _ in range(at_once))
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return done

    calls()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        count += calls()
    return Rate(count / (time.perf_counter() - start), memory_mib())
