"""What a checkpoint holds: everything that lets a run go on as if it had not stopped.

One file, `state.pt`, of tensors and plain values (loaded with weights_only). There is no generator state in it: the draws
of a step are a function of (seed, stage, epoch, step, rank), so where the data and the noise stood is `epoch` and `step`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pose_diffusion.errors import InputError

NAME = "state.pt"


@dataclass
class TrainState:
    """Where a run stands, and what it trains.

    stage: index into the stages. epoch, step: the next to run. steps_done: of all stages. model, ema, optimiser: state dicts of
    the stage under way, empty at its start. best: epoch, mpjpe (mm) and weights of this stage's best epoch so far. lifter:
    weights of the finished lifter. history: an entry an epoch.
    """

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

    def next_stage(self, name: str) -> TrainState:
        """The state at the start of the stage after `name`; what that one found best is kept for it and for the bundle."""
        return TrainState(
            stage=self.stage + 1,
            steps_done=self.steps_done,
            lifter=self.best["weights"] if name == "lifter" else self.lifter,
            best={} if name == "lifter" else self.best,
            history=self.history,
        )

    def save(self, folder: str | Path) -> None:
        torch.save(vars(self), Path(folder) / NAME)

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


def cpu_weights(module: nn.Module) -> dict[str, Tensor]:
    """A network's parameters and buffers, copied to the CPU."""
    return {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
