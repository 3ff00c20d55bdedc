"""How much each searched key moved the error of the trials.

Optuna's fANOVA (Hutter, Hoos, Leyton-Brown, 'An efficient approach for assessing hyperparameter importance', ICML 2014): of
the variance that a random forest finds in the errors over the space, the share that a key explains by itself. The forest is
trusted only where it predicts errors of trials that its trees have not seen (R² of the samples out of the bag). It tells what
mattered within the ranges searched, and nothing beyond them.

Trials stopped early are compared with the rest by the lowest error up to an epoch that nearly all of them reached: errors at
their ends would compare long training with short.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

# Below these a forest finds patterns in chance.
LEAST_TRIALS, LEAST_TRIALS_A_KEY = 10, 2
LEAST_FIT = 0.1
_REACHED = 0.75
_TREES = 200

Curve = Sequence[tuple[int, float]]  # (epoch, error), in order


@dataclass(frozen=True)
class Importance:
    """keys: share of the explained variance by key, the largest first, empty where none can be told (`reason` says why).

    fit: R² of a forest on trials that its trees have not seen, None where none was grown. trials: how many it rests on.
    epoch: where their errors were compared, None for the last.
    """

    keys: dict[str, float] = field(default_factory=dict)
    fit: float | None = None
    trials: int = 0
    epoch: int | None = None
    reason: str = ""


def of_trials(trials: pa.Table, keys: Sequence[str]) -> Importance:
    """Importance of the searched keys of a table of trials."""
    rows = trials.to_pylist()
    curves = [[(p["epoch"], p["mpjpe"]) for p in row["curve"] or [] if finite(p["mpjpe"])] for row in rows]
    epoch = common_epoch(curves)
    errors = [row["mpjpe"] if epoch is None else _lowest(curve, epoch) for row, curve in zip(rows, curves, strict=True)]
    known = [number for number, error in enumerate(errors) if finite(error)]
    values = {key: [rows[number][key] for number in known] for key in keys}
    return importance(values, np.array([errors[number] for number in known], float), epoch)


def importance(values: Mapping[str, Sequence], errors: np.ndarray, epoch: int | None = None) -> Importance:
    """Importance of keys for errors. values: by key, one a trial: numbers, strings, booleans or None; errors: (trials,)."""
    count = len(errors)
    varied = [key for key in values if len(set(values[key])) > 1]
    least = max(LEAST_TRIALS, LEAST_TRIALS_A_KEY * len(varied))
    if count < least:
        return Importance(
            trials=count, epoch=epoch, reason=f"too few trials: {count} with an error, at least {least} are needed"
        )
    if not varied:
        return Importance(trials=count, epoch=epoch, reason="no key took more than one value")
    if np.ptp(errors) == 0:
        return Importance(trials=count, epoch=epoch, reason="all trials have the same error")
    fit = _fit(np.stack([_numbers(values[key]) for key in varied], 1), errors)
    if fit < LEAST_FIT:
        reason = f"the settings do not predict the errors of these {count} trials (R² {fit:.2f}): chance, or too few trials"
        return Importance(fit=fit, trials=count, epoch=epoch, reason=reason)
    by_key = dict.fromkeys(values, 0.0) | _shares({key: values[key] for key in varied}, errors)
    return Importance(dict(sorted(by_key.items(), key=lambda item: -item[1])), fit, count, epoch)


def common_epoch(curves: Sequence[Curve]) -> int | None:
    """The last epoch that three quarters of the curves reached; None where there is none."""
    reached = sorted((curve[-1][0] for curve in curves if curve), reverse=True)
    return reached[math.ceil(_REACHED * len(reached)) - 1] if reached else None


def finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _lowest(curve: Curve, epoch: int) -> float | None:
    """The lowest error up to an epoch; None for a curve that ends before it."""
    return min(error for at, error in curve if at <= epoch) if curve and curve[-1][0] >= epoch else None


def _numbers(values: Sequence) -> np.ndarray:
    """A key's values as numbers; names, and values of which some are unset, by their place among those that came."""
    if all(isinstance(value, int | float) for value in values):
        return np.array([float(value) for value in values])
    names = sorted({str(value) for value in values})
    return np.array([float(names.index(str(value))) for value in values])


def _fit(settings: np.ndarray, errors: np.ndarray) -> float:
    """R² on trials that the trees of a forest have not seen. (trials, keys), (trials,) -> scalar."""
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(_TREES, min_samples_leaf=2, oob_score=True, random_state=0)
    return float(forest.fit(settings, errors).oob_score_)


def _shares(values: Mapping[str, Sequence], errors: np.ndarray) -> dict[str, float]:
    """Each key's share of the variance that fANOVA explains."""
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    columns = {key: _numbers(column).tolist() for key, column in values.items()}
    kinds = {key: _distribution(values[key], column) for key, column in columns.items()}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    for number, error in enumerate(errors.tolist()):
        params = {key: column[number] for key, column in columns.items()}
        study.add_trial(optuna.trial.create_trial(value=error, params=params, distributions=kinds))
    return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))


def _distribution(values: Sequence, numbers: Sequence[float]) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return FloatDistribution(min(numbers), max(numbers))
    return CategoricalDistribution(sorted(set(numbers)))
