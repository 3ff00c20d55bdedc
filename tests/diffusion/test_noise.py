import pytest
import torch

from pose_diffusion.config import DiffusionConfig
from pose_diffusion.diffusion.loss import noise_error
from pose_diffusion.diffusion.noise import add_noise, antithetic_steps, gaussian, noise_between, noise_scale
from pose_diffusion.diffusion.schedule import Schedule

SCHEDULE = Schedule.from_config(DiffusionConfig())


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_steps_come_in_pairs_that_mirror_each_other() -> None:
    t = antithetic_steps(64, 51, _generator(), torch.device("cpu"))
    assert torch.equal(t[33:], 50 - t[:31])


def test_steps_reach_every_step_and_no_other() -> None:
    t = antithetic_steps(5001, 51, _generator(), torch.device("cpu"))
    assert len(t) == 5001 and t.unique().tolist() == list(range(51))


def test_noised_poses_keep_the_share_that_the_schedule_says() -> None:
    x_0, noise = torch.randn(1, 17, 5), torch.randn(1, 17, 5)
    alpha_bar = SCHEDULE.alpha_bar(30)
    x_t = add_noise(x_0, noise, torch.tensor([30]), SCHEDULE)
    torch.testing.assert_close(x_t, alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * noise)


def test_published_noise_is_a_tenth_on_the_screen() -> None:
    assert noise_scale(torch.zeros(2, 17, 5)).tolist() == torch.tensor([0.1, 0.1, 1, 1, 1]).tolist()


def test_mixture_noise_is_the_kernels_sigma_on_the_screen() -> None:
    sigma = torch.rand(2, 17, 2)
    scale = noise_scale(torch.zeros(2, 17, 5), sigma)
    assert torch.equal(scale[..., :2], sigma) and torch.equal(scale[..., 2:], torch.ones(2, 17, 3))


def test_noise_repeats_by_seed_alone() -> None:
    like = torch.zeros(3, 17, 5)
    torch.manual_seed(1)
    first = gaussian(like, _generator(5))
    torch.manual_seed(2)
    assert torch.equal(first, gaussian(like, _generator(5)))


def test_a_perfect_prediction_has_no_error() -> None:
    x_0, noise = torch.randn(8, 17, 5), torch.randn(8, 17, 5)

    def perfect(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        alpha_bar = SCHEDULE.alpha_bar(t)[:, None, None]
        return (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()

    assert noise_error(perfect, x_0, noise, SCHEDULE, _generator()).abs().max() < 1e-3


def test_error_of_predicting_zero_is_the_noise() -> None:
    x_0, noise = torch.randn(8, 17, 5), torch.randn(8, 17, 5)
    assert torch.equal(noise_error(lambda x_t, t: torch.zeros_like(x_t), x_0, noise, SCHEDULE, _generator()), noise)


@pytest.mark.parametrize(("last", "latest"), [(None, len(SCHEDULE) - 1), (6, 6), (0, 0)])
def test_steps_go_up_to_the_last(last: int | None, latest: int) -> None:
    seen: list[int] = []

    def predict(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        seen.extend(t.tolist())
        return x_t

    x_0 = torch.randn(2000, 17, 5)
    noise_error(predict, x_0, x_0, SCHEDULE, _generator(), last)
    assert (min(seen), max(seen)) == (0, latest)


def test_the_noise_between_two_poses_makes_the_one_of_the_other() -> None:
    x_t, x_0 = torch.randn(8, 17, 5), torch.randn(8, 17, 5)
    noise = noise_between(x_t, x_0, 6, SCHEDULE)
    torch.testing.assert_close(add_noise(x_0, noise, torch.full((8,), 6), SCHEDULE), x_t, rtol=1e-5, atol=1e-5)


def test_error_is_float32_under_bf16() -> None:
    x_0 = torch.randn(4, 17, 5)
    error = noise_error(lambda x_t, t: x_t.bfloat16(), x_0, x_0, SCHEDULE, _generator())
    assert error.dtype == torch.float32
