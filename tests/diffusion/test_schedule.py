import itertools

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from pose_diffusion.config import DiffusionConfig
from pose_diffusion.diffusion.schedule import Schedule, sampling_steps
from pose_diffusion.errors import InputError

KINDS = ["linear", "quad", "const", "jsd", "sigmoid", "cosine"]


@pytest.mark.parametrize("kind", ["linear", "quad", "const", "jsd", "sigmoid"])
def test_betas_equal_the_published_ones(expected: dict, kind: str) -> None:
    betas = Schedule.from_config(DiffusionConfig(schedule=kind)).betas
    np.testing.assert_allclose(betas, expected[f"beta_{kind}"], rtol=0, atol=1e-12)


def test_cosine_alpha_bar_is_the_squared_cosine_up_to_the_clipped_end() -> None:
    schedule = Schedule.from_config(DiffusionConfig(schedule="cosine", steps=100))
    t = np.arange(99)
    phase = (np.append(-1, t) + 1) / 100
    curve = np.cos((phase + 0.008) / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(schedule.alpha_bar(torch.from_numpy(t)), (curve / curve[0])[1:], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_signal_to_noise_falls_with_t(kind: str) -> None:
    alpha_bar = Schedule.from_config(DiffusionConfig(schedule=kind)).alpha_bar(torch.arange(51)).double()
    assert all(s > t for s, t in itertools.pairwise(alpha_bar / (1 - alpha_bar)))


@pytest.mark.parametrize("kind", KINDS)
def test_almost_nothing_is_lost_at_the_first_step(kind: str) -> None:
    assert 0.975 < Schedule.from_config(DiffusionConfig(schedule=kind)).alpha_bar(0) < 1


def test_the_step_before_the_first_is_the_clean_pose() -> None:
    schedule = Schedule((0.5, 0.5))
    assert schedule.alpha_bar(-1) == 1
    assert [schedule.alpha_bar(t) for t in range(2)] == [0.5, 0.25]
    assert schedule.alpha_bar(torch.tensor([1, -1, 0])).tolist() == [0.25, 1, 0.5]


def test_equal_settings_are_equal_schedules() -> None:
    assert Schedule.from_config(DiffusionConfig()) == Schedule.from_config(DiffusionConfig(window=24))
    assert Schedule.from_config(DiffusionConfig()) != Schedule.from_config(DiffusionConfig(beta_end=2e-3))


@pytest.mark.parametrize("t", [-2, 51])
def test_a_step_outside_the_schedule_is_refused(t: int) -> None:
    with pytest.raises(InputError, match=f"step {t} is outside"):
        Schedule.from_config(DiffusionConfig()).alpha_bar(t)


@pytest.mark.parametrize("betas", [(), (0.0, 0.1), (0.1, 1.5), (0.1, -0.1), (float("nan"),)])
def test_betas_that_are_no_schedule_are_refused(betas: tuple) -> None:
    with pytest.raises(InputError, match="noise schedule"):
        Schedule(betas)


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({}, [0, 6]),
        ({"window": 24, "count": 6}, [0, 4, 8, 12, 16, 20]),
        ({"window": 10, "count": 1}, [0]),
        ({"sampling": "quad", "window": 24, "count": 5}, [0, 1, 4, 10, 19]),
        ({"sampling": "quad", "window": 5, "count": 5}, [0, 1, 2, 4]),
        ({"sampling": "list", "step_list": [1, 9, 50]}, [1, 9, 50]),
    ],
)
def test_sampling_steps_follow_the_settings(settings: dict, steps: list[int]) -> None:
    assert sampling_steps(DiffusionConfig(**settings)) == steps


@pytest.mark.parametrize(
    "settings",
    [
        {"window": 52},
        {"window": 4, "count": 5},
        {"sampling": "list", "step_list": [6, 0]},
        {"sampling": "list", "step_list": [0, 51]},
        {"sampling": "list", "step_list": []},
        {"beta_start": 1e-2},
        {"beta_end": 1.5},
        {"steps": 1},
        {"eta": 1.1},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict) -> None:
    with pytest.raises(ValidationError):
        DiffusionConfig(**settings)
