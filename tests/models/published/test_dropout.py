"""Dropout's own draws on a CPU, and that its shorter ways compute what dropout means."""

import pytest
import torch

from pose_diffusion.models.published.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.25])
def test_dropout_drops_a_share_p_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(0)
    y = Dropout(p).train()(torch.ones(1_000_001))
    kept = (y > 0).double().mean().item()
    assert abs(kept - (1 - p)) < 0.002
    torch.testing.assert_close(y[y > 0], torch.full_like(y[y > 0], 1 / (1 - p)))


def test_dropout_draws_anew_each_time_and_repeats_by_seed() -> None:
    dropout, x = Dropout(0.5).train(), torch.ones(999)
    torch.manual_seed(3)
    first, second = dropout(x), dropout(x)
    torch.manual_seed(3)
    assert torch.equal(first, dropout(x))
    assert not torch.equal(first, second)


def test_dropout_is_the_identity_in_evaluation() -> None:
    x = torch.randn(10)
    assert torch.equal(Dropout(0.5).eval()(x), x)


def test_in_place_and_added_drop_the_same_elements_with_the_same_gradients() -> None:
    x, change = torch.randn(2, 50, 33, requires_grad=True).unbind()
    dropout, ways = Dropout(0.25).train(), []
    for way in (
        lambda: x + dropout(change),
        lambda: x + dropout(change * 1, inplace=True),
        lambda: dropout.added(x, change),
    ):
        torch.manual_seed(1)
        y = way()
        ways.append([y, *torch.autograd.grad(y.square().sum(), (x, change))])
    for way in ways[1:]:
        for got, expected in zip(way, ways[0], strict=True):
            torch.testing.assert_close(got, expected)


def test_added_changes_the_sum_in_training_alone() -> None:
    x, dropout = torch.ones(99), Dropout(0.5)
    assert torch.equal(dropout.eval().added(x, x), x + x)
    assert set(dropout.train().added(x, x).tolist()) == {1.0, 3.0}


def test_bf16_is_dropped_in_its_own_type() -> None:
    y = Dropout(0.5).train()(torch.ones(100, dtype=torch.bfloat16))
    assert y.dtype == torch.bfloat16
    assert set(y.tolist()) == {0.0, 2.0}
