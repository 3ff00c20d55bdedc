import pytest
import torch

from pose_diffusion.config import DiffusionConfig
from pose_diffusion.diffusion.noise import add_noise
from pose_diffusion.diffusion.sampler import ddim
from pose_diffusion.diffusion.schedule import Schedule
from pose_diffusion.errors import InputError

SCHEDULE = Schedule.from_config(DiffusionConfig(beta_end=0.05))
X_0 = torch.randn(4, 17, 5, generator=torch.Generator().manual_seed(0))


def _perfect(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    alpha_bar = SCHEDULE.alpha_bar(t)
    return (x_t - alpha_bar.sqrt() * X_0) / (1 - alpha_bar).sqrt()


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("steps", [[50], [0, 50], list(range(0, 51, 5))])
def test_a_perfect_prediction_recovers_x_0(steps: list[int], eta: float) -> None:
    x_t = add_noise(X_0, torch.randn_like(X_0), torch.full((4,), steps[-1]), SCHEDULE)
    sample, predicted = ddim(_perfect, x_t, steps, SCHEDULE, eta=eta, generator=torch.Generator())
    torch.testing.assert_close(sample, X_0, rtol=0, atol=1e-4)
    for x_0 in predicted:
        torch.testing.assert_close(x_0, X_0, rtol=0, atol=1e-3)


def test_the_last_sample_is_the_last_predicted_x_0() -> None:
    sample, predicted = ddim(lambda x_t, t: x_t.sin(), X_0, [0, 6, 12], SCHEDULE)
    assert len(predicted) == 3
    torch.testing.assert_close(sample, predicted[-1])


def test_the_network_is_asked_at_each_step_once_from_the_latest_down() -> None:
    asked = []

    def predict(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        asked.append(t.tolist())
        return x_t

    ddim(predict, X_0, [0, 6, 12], SCHEDULE)
    assert asked == [[12], [6], [0]]


def test_without_noise_predicted_and_eta_0_the_pose_is_only_rescaled() -> None:
    sample, _ = ddim(lambda x_t, t: torch.zeros_like(x_t), X_0, [0, 20], SCHEDULE)
    torch.testing.assert_close(sample, X_0 / SCHEDULE.alpha_bar(20) ** 0.5)


def _drawn(seed: int, eta: float = 1.0, scale: torch.Tensor | None = None) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return ddim(lambda x_t, t: 0.1 * x_t, X_0, [0, 6, 12], SCHEDULE, eta, scale, generator)[0]


def test_fresh_noise_repeats_by_seed_and_differs_between_seeds() -> None:
    assert torch.equal(_drawn(0), _drawn(0))
    assert not torch.equal(_drawn(0), _drawn(1))


def test_fresh_noise_has_the_scale_of_the_process() -> None:
    channels = torch.tensor([0.0, 0.0, 1.0, 1.0, 1.0])
    difference = _drawn(0, scale=channels) - _drawn(1, scale=channels)
    assert difference[..., :2].abs().max() == 0 and difference[..., 2:].abs().min() > 0


@pytest.mark.parametrize("steps", [[], [6, 0], [3, 3], [-1, 5], [0, 51]])
def test_steps_that_do_not_fit_are_refused(steps: list[int]) -> None:
    with pytest.raises(InputError, match="sampling steps"):
        ddim(_perfect, X_0, steps, SCHEDULE)


def test_a_step_where_nothing_is_left_of_the_pose_is_refused() -> None:
    jsd = Schedule.from_config(DiffusionConfig(schedule="jsd"))
    with pytest.raises(InputError, match="nothing of the pose is left at step 50"):
        ddim(_perfect, X_0, [0, 50], jsd)


@pytest.mark.parametrize("eta", [-0.1, 1.1])
def test_eta_out_of_range_is_refused(eta: float) -> None:
    with pytest.raises(InputError, match="eta"):
        ddim(_perfect, X_0, [0, 6], SCHEDULE, eta=eta, generator=torch.Generator())


def test_eta_without_a_generator_is_refused() -> None:
    with pytest.raises(InputError, match="generator"):
        ddim(_perfect, X_0, [0, 6], SCHEDULE, eta=1.0)
