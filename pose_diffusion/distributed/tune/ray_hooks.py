"""Ray Tune's three hooks, each a thin one over `tuning.search.Search`: what to try, when to stop, how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray.cloudpickle
import ray.tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from pose_diffusion.config import loading
from pose_diffusion.distributed.cluster.causes import reason
from pose_diffusion.errors import InputError
from pose_diffusion.tuning.search import Search
from pose_diffusion.tuning.trials import Point


class Suggest(Searcher):
    """Gives Tune the search's next trial, under the search's own name for it."""

    def __init__(self, search: Search):
        super().__init__()
        self.search = search

    def suggest(self, trial_id: str) -> Any:
        while (trial := self.search.next()) is not None:
            try:
                return {"trial": trial.id, "config": loading.dump(self.search.config_of(trial))}
            except InputError as error:
                self.search.fail(trial.id, str(error))
        return Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass  # the journal is the state

    def restore(self, checkpoint_path: str) -> None:
        pass


@dataclass(frozen=True)
class _Named:
    """As much of a trial as ASHA looks at."""

    trial_id: str


class Prune(FIFOScheduler):
    """Asynchronous successive halving (ASHA, arXiv 1810.05934) over the curves in the journal, those of before included."""

    def __init__(self, search: Search):
        super().__init__()
        self.search, tune = search, search.config.tune
        self._asha: Any = None
        if tune.prune and tune.mode == "training" and search.epochs > tune.grace:
            # No rung at the last epoch: there is nothing left to save.
            self._asha = ASHAScheduler(
                time_attr="epoch",
                metric="mpjpe",
                mode="min",
                grace_period=tune.grace,
                max_t=search.epochs - 1,
                reduction_factor=tune.reduction,
                stop_last_trials=False,
            )
        for trial in search.journal:
            self._judge(trial.id, trial.curve)

    def on_trial_result(self, tune_controller: Any, trial: ray.tune.experiment.Trial, result: dict) -> str:
        id = trial.config["trial"]
        if self.search.config.tune.mode == "sampling":
            self.search.measured(id, result["mpjpe"], result["seconds"])
        elif self._judge(id, self.search.hear(id)) == TrialScheduler.STOP:
            self.search.prune(id)
            return TrialScheduler.STOP
        return TrialScheduler.CONTINUE

    def _judge(self, id: str, points: Sequence[Point]) -> str:
        decision = TrialScheduler.CONTINUE
        if self._asha is not None:
            self._asha.on_trial_add(None, _Named(id))
            for point in points:
                if point.mpjpe is not None and point.epoch < self.search.epochs:
                    result = {"epoch": point.epoch, "mpjpe": point.mpjpe}
                    decision = self._asha.on_trial_result(None, _Named(id), result)
        return decision


class Record(ray.tune.Callback):
    """Writes down how trials end."""

    def __init__(self, search: Search):
        self.search = search

    def on_trial_complete(self, iteration: int, trials: list, trial: ray.tune.experiment.Trial, **info: Any) -> None:
        self.search.finish(trial.config["trial"])

    def on_trial_error(self, iteration: int, trials: list, trial: ray.tune.experiment.Trial, **info: Any) -> None:
        # Tune's own get_pickled_error looks where it copies the file later.
        path, error = trial.pickled_error_file, None
        if path:
            with open(path, "rb") as file:
                error = ray.cloudpickle.load(file)
        self.search.fail(trial.config["trial"], reason(error))
