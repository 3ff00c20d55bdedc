"""What the driver of a training run and its workers tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pose_diffusion.config import Config
from pose_diffusion.data.manifest import Selection
from pose_diffusion.errors import InputError, RunError


@dataclass(frozen=True)
class WorkerSettings:
    """What each worker of a run is told.

    rows: poses to train on, over all workers. cached: whether workers keep their part of them in memory. holdout: the held-out
    rows, None where there are none. log_actor: takes lines for the person at the driver (see `cluster.log_actor`), or None.
    rate: frames a second, of the video family's clips; None for the published family.
    """

    config: Config
    rows: int
    cached: bool
    holdout: Selection | None
    log_actor: Any
    rate: float | None = None


@dataclass(frozen=True)
class WorkerOutcome:
    """How a worker ended. An error that no second try would mend is returned, as one line: Ray Train retries those raised."""

    input_error: str = ""
    run_error: str = ""

    def check(self) -> None:
        """Raises InputError or RunError for a worker that failed."""
        if self.input_error:
            raise InputError(self.input_error)
        if self.run_error:
            raise RunError(self.run_error)
