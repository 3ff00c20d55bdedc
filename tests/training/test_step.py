"""One step of training: its arithmetic is the configured one."""

from __future__ import annotations

import pytest
import torch

from pose_diffusion.config import loading
from pose_diffusion.training import stages
from pose_diffusion.training.batch import Batch
from pose_diffusion.training.ema import Ema
from pose_diffusion.training.optimiser import build_optimiser
from pose_diffusion.training.step import step
from pose_diffusion.training.update import WeightUpdate


def total_losses(kind: str, precision: str) -> list[float]:
    """Of three steps on one batch, with the same weights and draws for each precision."""
    config = loading.load(None, ["model.width=8", "model.layers=1", "model.heads=2", f"train.precision={precision}"])
    stage = next(one for one in stages.stages(config) if one.name == kind)
    torch.manual_seed(0)
    network = stage.build().train()
    xyz = torch.randn(16, 17, 3)
    batch = Batch(torch.randn(16, 17, 2), torch.full((16, 17, 2), 0.05), xyz - xyz[:, :1])
    update = WeightUpdate(network, build_optimiser(network, config.train), Ema(network, config.train.ema_decay), config.train)
    generator = torch.Generator().manual_seed(0)
    return [step(stage, network, update, batch, config.train, generator).item() for _ in range(3)]


@pytest.mark.parametrize("kind", ["lifter", "denoiser"])
def test_bf16_stays_near_float32(kind: str) -> None:
    ours, theirs = total_losses(kind, "bf16"), total_losses(kind, "float32")
    assert ours == pytest.approx(theirs, rel=0.003)
    assert ours != theirs
