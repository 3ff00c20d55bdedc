from __future__ import annotations

import numpy as np
import pytest

from pose_diffusion.report.velocity import VelocityErrors, velocity_errors


def errors(rows: int, seed: int = 0) -> np.ndarray:
    """(rows, 1 method, 17, 3) metres."""
    return np.random.default_rng(seed).normal(0, 0.05, (rows, 1, 17, 3))


def speed(error: np.ndarray, before: int, after: int) -> float:
    return float(1000 * np.linalg.norm(error[after, 0] - error[before, 0], axis=-1).mean())


def track(error: np.ndarray, frame: list[int]) -> VelocityErrors:
    return velocity_errors(error, np.array(frame), np.zeros(len(frame), int))[0]


def test_a_gap_in_a_sequence_is_left_out() -> None:
    error = errors(5)
    count, total = track(error, [0, 1, 2, 10, 11]).total()
    assert count == 3
    assert total == pytest.approx(sum(speed(error, i, i + 1) for i in (0, 1, 3)))


def test_a_sequence_of_every_fourth_frame_has_a_stride_of_four() -> None:
    error = errors(4)
    count, total = track(error, [0, 4, 8, 12]).total()
    assert count == 3
    assert total == pytest.approx(sum(speed(error, i, i + 1) for i in range(3)))


def test_frames_that_go_back_do_not_make_a_step() -> None:
    count, _ = track(errors(4), [5, 6, 0, 1]).total()
    assert count == 2


def test_stretches_in_several_files_join_in_the_order_of_their_frames() -> None:
    error = errors(6)
    joined = VelocityErrors()
    for rows in ([4, 5], [0, 1], [2, 3]):
        joined.merge(track(error[rows], rows))
    count, total = joined.total()
    assert count == 5
    assert total == pytest.approx(sum(speed(error, i, i + 1) for i in range(5)))


def test_one_frame_has_no_velocity() -> None:
    assert track(errors(1), [3]).total() is None


def test_sequences_side_by_side_are_not_compared() -> None:
    error = errors(4)
    found = velocity_errors(error, np.array([0, 1, 2, 3]), np.array([0, 0, 1, 1]))
    assert found[0].total()[1] == pytest.approx(speed(error, 0, 1))
    assert found[1].total()[1] == pytest.approx(speed(error, 2, 3))


def test_total_can_be_asked_twice() -> None:
    joined = VelocityErrors()
    joined.merge(track(errors(2), [0, 1]))
    joined.merge(track(errors(2, 1), [2, 3]))
    assert joined.total() == pytest.approx(joined.total())
