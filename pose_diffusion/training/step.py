"""One step of training: gradients of the batch in passes that fit a cache, and the update that they make."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor, nn

from pose_diffusion.config import TrainConfig
from pose_diffusion.inference.lifting import suitable_rows
from pose_diffusion.training.batch import Batch
from pose_diffusion.training.stages import Stage
from pose_diffusion.training.update import WeightUpdate
from pose_diffusion.training.video.batch import ViewBatch


def micro_batch(stage: Stage, config: TrainConfig, device: torch.device, batch: int) -> int:
    """Poses of one pass: on a CPU as many as its cache likes, on a GPU the whole batch, unless the config says."""
    suitable = (stage.cpu_poses or suitable_rows(device)) if device.type == "cpu" else batch
    return min(batch, config.micro_batch or suitable)


def step(
    stage: Stage,
    network: Any,
    update: WeightUpdate,
    batch: Batch | ViewBatch,
    config: TrainConfig,
    generator: torch.Generator,
) -> Tensor:
    """Trains on a batch and returns the sum of its poses' losses, on their device: nothing here waits for a GPU.

    network: what computes, the network itself, its compiled twin or its DistributedDataParallel.
    """
    device = batch.device
    total = torch.zeros((), device=device)
    update.zero_grad()
    parts = batch.split(micro_batch(stage, config, device, len(batch)))
    for number, part in enumerate(parts):
        # Gradients of the parts add up to the batch's; workers exchange them once, with the last.
        alone = isinstance(network, nn.parallel.DistributedDataParallel) and number + 1 < len(parts)
        with network.no_sync() if alone else contextlib.nullcontext():
            with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
                loss = stage.loss(network, part, generator).sum()
            (loss / len(batch)).backward()
        total += loss.detach()
    update()
    return total
