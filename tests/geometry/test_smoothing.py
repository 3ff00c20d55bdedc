import numpy as np
import pytest
import torch

from pose_diffusion.geometry.smoothing import smooth


def one(frame: torch.Tensor) -> torch.Tensor:
    """All rows of one sequence."""
    return torch.zeros_like(frame)


def test_what_moves_at_one_speed_stays_where_it_is() -> None:
    """Also at both ends and beside frames that are missing."""
    frame = torch.tensor([0, 1, 2, 3, 7, 8, 12, 13, 14, 15, 16])
    values = torch.randn(17, 3) + frame[:, None, None] * torch.randn(17, 3)
    torch.testing.assert_close(smooth(values, frame, one(frame), 2.0), values, atol=1e-5, rtol=1e-5)


def test_it_is_numpys_weighted_line_at_each_frame() -> None:
    frame, values = torch.tensor([0, 1, 2, 4, 5, 6, 9, 10]), torch.randn(8, 17, 3, dtype=torch.float64)
    found = smooth(values, frame, one(frame), 1.5)
    for row, at in enumerate(frame.tolist()):
        near = (frame - at).abs() <= 4.5
        weight = torch.exp(-((frame[near] - at).double() ** 2) / (2 * 1.5**2))
        line = np.polyfit(frame[near] - at, values[near].flatten(1), 1, w=weight.sqrt())  # squares of w times the residual
        np.testing.assert_allclose(found[row].flatten(), line[1], atol=1e-12)


def test_noise_falls_as_the_window_widens() -> None:
    frame, noise = torch.arange(500), torch.randn(500, 17, 3)
    left = [smooth(noise, frame, one(frame), width)[20:-20].std().item() for width in (1.0, 2.0, 4.0)]
    # A mean with Gaussian weights keeps 1 / (2 width sqrt(pi)) of the variance.
    assert left == pytest.approx([(2 * width * np.pi**0.5) ** -0.5 for width in (1.0, 2.0, 4.0)], rel=0.05)


def test_sequences_know_nothing_of_each_other() -> None:
    frame, sequence = torch.arange(10).repeat(2), torch.arange(2).repeat_interleave(10)
    values = torch.randn(20, 17, 3)
    together = smooth(values, frame, sequence, 2.0)
    values[10:] = torch.nan
    assert torch.equal(smooth(values, frame, sequence, 2.0)[:10], together[:10])


def test_the_order_of_rows_changes_nothing() -> None:
    frame, sequence, values = torch.arange(10).repeat(2), torch.arange(2).repeat_interleave(10), torch.randn(20, 17, 3)
    order = torch.randperm(20)
    assert torch.equal(smooth(values[order], frame[order], sequence[order], 2.0), smooth(values, frame, sequence, 2.0)[order])


def test_a_pose_without_a_near_frame_stays_as_it_is() -> None:
    frame, values = torch.tensor([0, 8, 16, 300]), torch.randn(4, 17, 3)
    assert torch.equal(smooth(values, frame, one(frame), 2.0), values)
    assert torch.equal(smooth(values[:1], frame[:1], one(frame[:1]), 2.0), values[:1])
    assert smooth(values[:0], frame[:0], one(frame[:0]), 2.0).shape == (0, 17, 3)


def test_rows_of_one_frame_become_their_mean() -> None:
    frame, values = torch.tensor([5, 5]), torch.randn(2, 17, 3)
    torch.testing.assert_close(smooth(values, frame, one(frame), 2.0), values.mean(0).expand(2, 17, 3))


def test_a_root_that_is_unknown_makes_only_what_is_near_unknown() -> None:
    frame, root = torch.arange(40), torch.randn(40, 3)
    root[10] = torch.nan
    unknown = smooth(root, frame, one(frame), 1.0).isnan().all(1)
    assert unknown.nonzero().flatten().tolist() == list(range(7, 14))
