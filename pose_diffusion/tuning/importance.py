"""How much each searched key moved the error of the trials.

A random forest predicts the trials' errors from their settings; each tree is asked about the trials that it was not grown on,
as they are and with one key's value drawn anew from all trials (Breiman, 'Random Forests', Machine Learning 45, 2001, section
10). A key's importance is the fall of R², the share of the errors' variance that the forest explains, when the key's value is
so averaged over. It tells what mattered within the ranges searched, and nothing beyond them; keys that the search moved
together share their importance.

Trials stopped early are compared with the rest by the lowest error up to an epoch that nearly all of them reached: errors at
their ends would compare long training with short.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
    """keys: fall of R² by key, the largest first, empty where none can be told (`reason` says why); fit: R² of the forest on
    trials that its trees have not seen, None where no forest was grown; trials: how many it rests on; epoch: where their
    errors were compared, None for the last.
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
    fit, falls = _forest(np.stack([_numbers(values[key]) for key in varied], 1), errors)
    if fit < LEAST_FIT:
        reason = f"the settings do not predict the errors of these {count} trials (R² {fit:.2f}): chance, or too few trials"
        return Importance(fit=fit, trials=count, epoch=epoch, reason=reason)
    by_key = dict.fromkeys(values, 0.0) | dict(zip(varied, falls.tolist(), strict=True))
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
    """A key's values as numbers, NaN where unset; names in the order of the alphabet, which a tree can cut into any groups."""
    if all(value is None or isinstance(value, int | float) for value in values):
        return np.array([math.nan if value is None else float(value) for value in values])
    names = sorted({str(value) for value in values})
    return np.array([float(names.index(str(value))) for value in values])


def _forest(settings: np.ndarray, errors: np.ndarray) -> tuple[float, np.ndarray]:
    """R² on unseen trials and its fall by key. (trials, keys), (trials,) -> scalar, (keys,)."""
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(_TREES, min_samples_leaf=2, random_state=0).fit(settings, errors)
    random = np.random.default_rng(0)
    count, keys = settings.shape
    # Sums over the trees that have not seen a trial, of its settings as they are (row 0) and with each key drawn anew.
    predicted, asked = np.zeros((1 + keys, count)), np.zeros(count)
    for tree, seen in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        unseen = np.setdiff1d(np.arange(count), seen)
        variants = np.tile(settings[unseen], (1 + keys, 1, 1))  # (1 + keys, unseen, keys)
        for key in range(keys):
            variants[1 + key, :, key] = random.choice(settings[:, key], len(unseen))
        predicted[:, unseen] += tree.predict(variants.reshape(-1, keys)).reshape(1 + keys, -1)
        asked[unseen] += 1
    known = asked > 0
    missed = np.mean((predicted[:, known] / asked[known] - errors[known]) ** 2, 1) / np.var(errors[known])
    return float(1 - missed[0]), missed[1:] - missed[0]
