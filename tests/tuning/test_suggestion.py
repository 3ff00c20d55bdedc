"""Which settings come next: a function of space, seed and past trials, so that a search that was killed goes on the same."""

from __future__ import annotations

import dataclasses

import pytest

from pose_diffusion.config import loading
from pose_diffusion.tuning import space as spaces
from pose_diffusion.tuning.space import Space
from pose_diffusion.tuning.suggestion import draw
from pose_diffusion.tuning.trials import Point, Trial

MIXED = {
    "diffusion.beta_end": {"loguniform": [1e-3, 1e-1]},
    "diffusion.steps": {"randint": [20, 30]},
    "diffusion.step_list": {"choice": [[6], [0, 6]]},
    "model.dropout": {"uniform": [0, 0.5]},
    "diffusion.schedule": {"grid": ["linear", "quad"]},
}
ALGORITHMS = pytest.mark.parametrize("algorithm", ["tpe", "random"])


def space(values: dict) -> Space:
    return spaces.parse(loading.from_dict({"tune": {"space": values}}))


def run(values: dict, algorithm: str, trials: int, error=lambda settings: 60.0, seed: int = 0) -> list[Trial]:
    """A search whose trials end at once with the error that a function gives, or fail where it gives none."""
    searched, past = space(values), []
    while len(past) < trials and (settings := draw(searched, algorithm, seed, 4, past)) is not None:
        trial = Trial(f"{len(past) + 1:04d}", settings)
        mpjpe = error(settings)
        if mpjpe is None:
            past.append(dataclasses.replace(trial, status="failed", reason="no"))
        else:
            past.append(dataclasses.replace(trial.with_curve([Point(1, mpjpe, 1.0, 1.0)]), status="finished"))
    return past


@ALGORITHMS
def test_draws_lie_within_the_space(algorithm):
    for trial in run(MIXED, algorithm, 12):
        drawn = trial.settings
        assert 1e-3 <= drawn["diffusion.beta_end"] <= 1e-1 and 0 <= drawn["model.dropout"] <= 0.5
        assert isinstance(drawn["diffusion.steps"], int) and 20 <= drawn["diffusion.steps"] <= 30
        assert drawn["diffusion.step_list"] in ([6], [0, 6])


@ALGORITHMS
def test_the_same_past_gives_the_same_draw(algorithm):
    assert run(MIXED, algorithm, 8) == run(MIXED, algorithm, 8)
    assert run(MIXED, algorithm, 8) != run(MIXED, algorithm, 8, seed=1)


@ALGORITHMS
def test_each_combination_of_grids_has_as_many_trials(algorithm):
    drawn = [trial.settings["diffusion.schedule"] for trial in run(MIXED, algorithm, 8)]
    assert sorted(drawn) == ["linear"] * 4 + ["quad"] * 4


@ALGORITHMS
def test_a_finite_space_is_tried_whole_without_a_repetition(algorithm):
    past = run(
        {"model.layers": {"randint": [1, 3]}, "model.heads": {"grid": [1, 2]}, "train.flip": {"choice": [True, False]}},
        algorithm,
        99,
    )
    assert len(past) == 12
    assert len({str(trial.settings) for trial in past}) == 12


def test_tpe_draws_more_from_where_errors_are_low():
    past = run({"model.dropout": {"uniform": [0, 0.9]}}, "tpe", 30, lambda drawn: 60 + 100 * abs(drawn["model.dropout"] - 0.7))
    late = [abs(trial.settings["model.dropout"] - 0.7) for trial in past[15:]]
    assert sum(late) / len(late) < 0.12  # at random: 0.27


def test_failed_pruned_and_running_trials_are_learned_from_without_an_error():
    searched, past = space(MIXED), []
    for number, status in enumerate(["failed", "pruned", "running", "finished"] * 3):
        trial = Trial(str(number), draw(searched, "tpe", 0, 2, past), status=status)
        past.append(trial if status == "failed" else trial.with_curve([Point(1, 60.0 + number, 1.0, 1.0)]))
    assert draw(searched, "tpe", 0, 2, past) is not None
