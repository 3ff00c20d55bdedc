"""What a checkpoint holds: everything that lets a run go on as if it had not stopped.

One file, `state.pt`, of tensors and plain values (loaded with weights_only). There is no generator state in it: the draws
of a step are a function of (seed, stage, epoch, step, rank), so where the data and the noise stood is `epoch` and `step`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pose_diffusion.errors import InputError

NAME = "state.pt"


@dataclass
class TrainState:
    """stage: index into the stages. epoch, step: the next to run. best: of this stage so far. lifter: weights of stage 1."""

    stage: int = 0
    epoch: int = 0
    step: int = 0
    steps_done: int = 0
    model: dict[str, Tensor] = field(default_factory=dict)
    ema: dict[str, Tensor] = field(default_factory=dict)
    optimiser: dict[str, Any] = field(default_factory=dict)
    best: dict[str, Any] = field(default_factory=dict)
    lifter: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    def save(self, folder: str | Path) -> None:
        torch.save(dataclasses.asdict(self), Path(folder) / NAME)

    @classmethod
    def load(cls, folder: str | Path) -> TrainState:
        """Raises InputError for a file that is not such a state."""
        path = Path(folder) / NAME
        try:
            values = torch.load(path, map_location="cpu", weights_only=True)
            return cls(**values)
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(f"{path}: not a training checkpoint: {reason}") from None


def cpu_weights(module: torch.nn.Module) -> dict[str, Tensor]:
    """A network's parameters and buffers, copied to the CPU."""
    return {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
