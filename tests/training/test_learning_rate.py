"""The learning rate over a stage."""

import pytest

from pose_diffusion.config import TrainConfig
from pose_diffusion.training.learning_rate import learning_rate


def test_the_published_learning_rate_falls_in_steps():
    config = TrainConfig(lr_decay=0.9, lr_decay_epochs=60, learning_rate=1e-3)
    rates = [learning_rate(config, epoch, 800) for epoch in (0, 59.9, 60, 120)]
    assert rates == pytest.approx([1e-3, 1e-3, 9e-4, 8.1e-4])


def test_the_annealed_learning_rate_ends_at_zero():
    config = TrainConfig(lr_schedule="cosine", learning_rate=1e-3)
    rates = [learning_rate(config, epoch, 10) for epoch in (0, 5, 10)]
    assert rates == pytest.approx([1e-3, 5e-4, 0], abs=1e-9)
