from __future__ import annotations

import numpy as np
import pytest
from searches import SPACE, search, table, trial

from pose_diffusion.tuning.importance import common_epoch, importance, of_trials


def settings(count: int) -> dict[str, list]:
    random = np.random.default_rng(0)
    return {
        "train.lr": (10 ** random.uniform(-4, -2, count)).tolist(),
        "diffusion.schedule": random.choice(["cosine", "linear", "quad"], count).tolist(),
        "model.dropout": random.uniform(0, 0.5, count).tolist(),
        "lift.flips": (random.random(count) > 0.5).tolist(),
    }


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, count)


def test_a_number_that_matters_comes_first() -> None:
    values = settings(40)
    found = importance(values, 60 + 5 * np.log10(values["train.lr"]) + noise(40))
    assert next(iter(found.keys)) == "train.lr"
    assert found.keys["train.lr"] > 0.5 > 0.1 > max(fall for key, fall in found.keys.items() if key != "train.lr")


def test_a_name_that_matters_comes_first() -> None:
    values = settings(40)
    found = importance(values, 60 + 6.0 * (np.array(values["diffusion.schedule"]) == "linear") + noise(40))
    assert next(iter(found.keys)) == "diffusion.schedule"


def test_errors_by_chance_have_no_importance() -> None:
    found = importance(settings(40), noise(40))
    assert found.keys == {}
    assert "do not predict" in found.reason


def test_few_trials_have_no_importance() -> None:
    values = settings(9)
    found = importance(values, np.log10(values["train.lr"]))
    assert found.keys == {}
    assert found.reason == "too few trials: 9 with an error, at least 10 are needed"


def test_more_keys_need_more_trials() -> None:
    values = {f"model.key{i}": list(range(12)) for i in range(8)}
    assert "at least 16" in importance(values, noise(12)).reason


def test_equal_settings_have_no_importance() -> None:
    assert importance({"model.width": [32] * 20}, noise(20)).reason == "no key took more than one value"


def test_no_trials_have_no_importance() -> None:
    assert importance({"model.width": []}, noise(0)).reason.startswith("too few trials: 0 ")


def test_equal_errors_have_no_importance() -> None:
    assert importance(settings(20), np.full(20, 60.0)).reason == "all trials have the same error"


def test_a_key_that_never_varied_has_none() -> None:
    values = settings(40)
    found = importance({**values, "model.width": [32] * 40}, 60 + 5 * np.log10(values["train.lr"]))
    assert found.keys["model.width"] == 0


def test_unset_values_count_as_one_of_their_own() -> None:
    values = [None if i % 2 else 0.5 for i in range(40)]
    assert (
        importance({"diffusion.eta": values}, np.array([5.0 * (v is None) for v in values]) + noise(40)).keys["diffusion.eta"]
        > 0.5
    )


def test_pruned_trials_are_compared_at_an_epoch_that_most_reached() -> None:
    found = of_trials(table(search(40)), list(SPACE))
    assert (found.epoch, found.trials) == (4, 40)
    assert next(iter(found.keys)) == "diffusion.beta_end"


def test_epochs_that_were_not_evaluated_do_not_count() -> None:
    rows = search(40)
    for row in rows:
        row["curve"] = [point | {"mpjpe": None if point["epoch"] % 3 else point["mpjpe"]} for point in row["curve"]]
    found = of_trials(table(rows), list(SPACE))
    assert (found.epoch, found.trials) == (3, 40)


def test_trials_without_an_error_are_left_out() -> None:
    rows = [*search(30), *(trial(f"x{i}", status="failed", mpjpe=None, curve=[]) for i in range(5))]
    assert of_trials(table(rows), list(SPACE)).trials == 30


@pytest.mark.parametrize(("lengths", "epoch"), [([], None), ([0], None), ([3], 3), ([4, 4, 8, 15], 4), ([15, 15, 15, 4], 15)])
def test_the_common_epoch_is_the_last_that_three_quarters_reached(lengths: list[int], epoch: int | None) -> None:
    assert common_epoch([[(e, 60.0) for e in range(1, length + 1)] for length in lengths]) == epoch
