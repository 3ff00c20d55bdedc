"""Which settings to try next, as a function of the space, a seed and the trials so far: there is no other state to lose.

TPE: Bergstra et al., 'Algorithms for Hyper-Parameter Optimization' (NIPS 2011), as Optuna has it. Running trials count as
bad ones ('constant liar'), so that trials side by side do not crowd.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from pose_diffusion.runtime.keyed_random import name_key
from pose_diffusion.tuning.space import Domain, Space
from pose_diffusion.tuning.trials import Trial

_STATES = {
    "finished": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "running": TrialState.RUNNING,
}
_ATTEMPTS = 64


def draw(space: Space, algorithm: str, seed: int, startup: int, past: Sequence[Trial]) -> dict[str, Any] | None:
    """Settings that none of the past trials had, or None where none are left. startup: trials at random before TPE."""
    if len(past) >= space.size:
        return None
    distributions = {key: _distribution(domain) for key, domain in space.domains.items()}
    grid = space.grids[len(past) % len(space.grids)]  # as many trials of each combination
    tried = [dict(trial.settings) for trial in past]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for attempt in range(_ATTEMPTS):
        random = algorithm == "random" or attempt >= _ATTEMPTS // 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(sampler=_sampler(random, name_key(seed, len(past), attempt) % 2**32, startup))
            study.add_trials([_frozen(trial, space, distributions) for trial in past])
            study.enqueue_trial({key: space.domains[key].values.index(value) for key, value in grid.items()})
            drawn = study.ask(distributions).params
        settings = {key: _value(domain, drawn[key]) for key, domain in space.domains.items()}
        if settings not in tried:
            return settings
    return None


def _sampler(random: bool, seed: int, startup: int) -> optuna.samplers.BaseSampler:
    if random:
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup, constant_liar=True)


def _distribution(domain: Domain) -> BaseDistribution:
    if domain.kind in ("choice", "grid"):
        return CategoricalDistribution(tuple(range(len(domain.values))))  # by number: a value may be a list
    low, high = domain.values
    if domain.kind == "randint":
        return IntDistribution(low, high)
    return FloatDistribution(low, high, log=domain.kind == "loguniform")


def _value(domain: Domain, drawn: Any) -> Any:
    return domain.values[drawn] if domain.kind in ("choice", "grid") else drawn


def _frozen(trial: Trial, space: Space, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    """A trial as Optuna knows one."""
    return create_trial(
        state=_STATES[trial.status],
        value=trial.mpjpe if trial.status == "finished" else None,
        params={
            key: domain.values.index(trial.settings[key]) if domain.kind in ("choice", "grid") else trial.settings[key]
            for key, domain in space.domains.items()
        },
        distributions=distributions,
        intermediate_values={point.epoch: point.mpjpe for point in trial.curve if point.mpjpe is not None},
    )
