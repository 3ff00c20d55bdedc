"""The learning rate as a function of the time in a stage.

steps    rate * decay ** floor(epoch / decay_epochs)     as published
cosine   rate * (1 + cos(pi * epoch / epochs)) / 2       (SGDR without restarts, arXiv 1608.03983)
"""

from __future__ import annotations

import torch

from pose_diffusion.config import TrainConfig


def learning_rate(config: TrainConfig, epoch: float, epochs: int) -> float:
    """The rate after `epoch` (a fraction counts) of a stage's `epochs`."""
    if config.lr_schedule == "cosine":
        return config.learning_rate * 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * min(epoch / epochs, 1.0)))))
    return config.learning_rate * config.lr_decay ** (int(epoch) // config.lr_decay_epochs)
