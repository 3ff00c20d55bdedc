from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pose_diffusion.report.jitter import JitterErrors, JitterSums, jitter_errors


def errors(rows: int, seed: int = 0) -> np.ndarray:
    """(rows, 1 method, 17, 3) metres."""
    return np.random.default_rng(seed).normal(0, 0.05, (rows, 1, 17, 3))


def speed(error: np.ndarray, before: int, after: int) -> float:
    return float(1000 * np.linalg.norm(error[after, 0] - error[before, 0], axis=-1).mean())


def bend(error: np.ndarray, *rows: int) -> float:
    first, middle, last = (error[row, 0] for row in rows)
    return float(1000 * np.linalg.norm(last - 2 * middle + first, axis=-1).mean())


def track(error: np.ndarray, frame: Sequence[int]) -> JitterErrors:
    return jitter_errors(error, np.array(frame), np.zeros(len(frame), int))[0]


def total(found: JitterErrors) -> JitterSums:
    sums = found.total()
    assert sums is not None
    return sums


def test_a_gap_in_a_sequence_is_left_out() -> None:
    error = errors(5)
    sums = total(track(error, [0, 1, 2, 10, 11]))
    assert sums.velocity == pytest.approx([3, sum(speed(error, i, i + 1) for i in (0, 1, 3))])
    assert sums.acceleration == pytest.approx([1, bend(error, 0, 1, 2)])


def test_a_sequence_of_every_fourth_frame_has_a_stride_of_four() -> None:
    error = errors(4)
    sums = total(track(error, [0, 4, 8, 12]))
    assert sums.stride == 4
    assert sums.velocity == pytest.approx([3, sum(speed(error, i, i + 1) for i in range(3))])
    assert sums.acceleration == pytest.approx([2, bend(error, 0, 1, 2) + bend(error, 1, 2, 3)])


def test_frames_that_go_back_do_not_make_a_step() -> None:
    sums = total(track(errors(4), [5, 6, 0, 1]))
    assert sums.velocity[0] == 2
    assert sums.acceleration.tolist() == [0, 0]


@pytest.mark.parametrize("parts", [[[4, 5], [0, 1], [2, 3]], [[3], [1], [2], [5], [0], [4]], [[5], [0, 1, 2, 3], [4]]])
def test_segments_in_several_files_join_in_the_order_of_their_frames(parts: list[list[int]]) -> None:
    error = errors(6)
    joined = JitterErrors()
    for rows in parts:
        joined.merge(track(error[rows], rows))
    sums, whole = total(joined), total(track(error, range(6)))
    assert sums.velocity == pytest.approx(whole.velocity)
    assert sums.acceleration == pytest.approx(whole.acceleration)
    assert whole.velocity == pytest.approx([5, sum(speed(error, i, i + 1) for i in range(5))])
    assert whole.acceleration == pytest.approx([4, sum(bend(error, i, i + 1, i + 2) for i in range(4))])


def test_files_that_hold_the_same_frames_do_not_join() -> None:
    joined = track(errors(3), [0, 1, 2])
    joined.merge(track(errors(3, 1), [1, 2, 3]))
    assert (total(joined).velocity[0], total(joined).acceleration[0]) == (4, 2)


def test_a_constant_speed_of_the_error_is_no_acceleration() -> None:
    error = np.arange(5.0)[:, None, None, None] * errors(1)
    sums = total(track(error, range(5)))
    assert sums.velocity == pytest.approx([4, 4 * speed(error, 0, 1)])
    assert sums.acceleration == pytest.approx([3, 0])


def test_one_frame_has_no_velocity() -> None:
    assert track(errors(1), [3]).total() is None


def test_sequences_side_by_side_are_not_compared() -> None:
    error = errors(4)
    found = jitter_errors(error, np.array([0, 1, 2, 3]), np.array([0, 0, 1, 1]))
    assert total(found[0]).velocity[1] == pytest.approx(speed(error, 0, 1))
    assert total(found[1]).velocity[1] == pytest.approx(speed(error, 2, 3))


def test_total_can_be_asked_twice() -> None:
    joined = JitterErrors()
    joined.merge(track(errors(2), [0, 1]))
    joined.merge(track(errors(2, 1), [2, 3]))
    assert total(joined).velocity == pytest.approx(total(joined).velocity)
