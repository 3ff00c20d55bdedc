"""Clips of sequences: drawn at random for training, windows for inference."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pose_diffusion.data.clips import ClipDraw, ClipIndex, draw_length, join


def index(*lengths: int, rate: float = 25.0) -> ClipIndex:
    """An index of sequences of these lengths, without gaps."""
    sequence = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    frame = torch.cat([torch.arange(length) for length in lengths])
    return ClipIndex(sequence, frame, rate)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("reverse", [0.0, 1.0])
@pytest.mark.parametrize("step", [1, 3])
def test_a_drawn_clip_takes_every_step_th_frame_of_one_run_in_one_direction(step: int, reverse: float) -> None:
    runs = index(100, 300, 80)
    for seed in range(20):
        clip = runs.draw(200, ClipDraw(frames=20, steps=(step,), reverse=reverse, single_share=0), generator(seed))
        assert bool(clip.valid.all())
        assert (runs.run[clip.rows] == runs.run[clip.rows][:, :1]).all()
        assert (clip.rows.diff(dim=1) == (-step if reverse else step)).all()
        torch.testing.assert_close(clip.time, torch.arange(clip.rows.shape[1]).expand_as(clip.time) * step / 25.0)


def test_every_row_is_drawn_about_equally_often_but_at_the_ends_of_runs() -> None:
    runs = index(400, 600)
    drawn = torch.zeros(1000)
    for seed in range(300):
        rows = runs.draw(640, ClipDraw(frames=20), generator(seed)).rows
        drawn += torch.bincount(rows.flatten(), minlength=1000)
    share = drawn / drawn.mean()
    inside = torch.cat([share[60:340], share[460:940]])
    assert abs(inside.mean() - 1) < 0.1
    assert inside.min() > 0.6 and inside.max() < 1.4
    assert drawn.min() > 0


@pytest.mark.parametrize("reverse", [0.0, 1.0])
def test_a_run_shorter_than_the_clip_is_padded_at_its_end(reverse: float) -> None:
    runs = index(3)
    settings = ClipDraw(frames=9, single_share=0, reverse=reverse, steps=(1, 3))
    clip = next(c for seed in range(9) if (c := runs.draw(25, settings, generator(seed))).rows.shape[1] > 3)
    length = clip.rows.shape[1]
    assert (clip.rows[:, :3] == torch.tensor([2, 1, 0] if reverse else [0, 1, 2])).all()
    assert (clip.valid == (torch.arange(length) < 3)).all()


def test_the_same_seed_draws_the_same_clips_and_another_draws_others() -> None:
    runs, settings = index(500), ClipDraw(frames=9)
    first, again, other = (runs.draw(64, settings, generator(seed)).rows for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_a_gap_stays_as_a_gap_in_time_and_a_hole_ends_the_run() -> None:
    frame = torch.tensor([0, 1, 5, 6, 100, 101])
    runs = ClipIndex(torch.zeros(6, dtype=torch.int64), frame, 25.0)
    assert runs.run.tolist() == [0, 0, 0, 0, 1, 1]
    torch.testing.assert_close(runs.at(torch.tensor([0]), 4).time, torch.tensor([[0.0, 0.04, 0.2, 0.24]]))


def test_frames_that_do_not_ascend_begin_a_new_run() -> None:
    runs = ClipIndex(torch.zeros(4, dtype=torch.int64), torch.tensor([5, 6, 0, 1]), 25.0)
    assert runs.run.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("frames", [1, 2, 27, 81])
def test_lengths_run_from_one_to_the_most(frames: int) -> None:
    settings = ClipDraw(frames=frames)
    lengths = [draw_length(settings, chance / 1000) for chance in range(1000)]
    assert min(lengths) == 1 and max(lengths) == frames
    assert lengths == sorted(lengths)


@pytest.mark.parametrize("lengths", [(1,), (3,), (27,), (28,), (30_000,), (3, 30_000, 1, 40)])
@pytest.mark.parametrize("length", [1, 2, 27])
@pytest.mark.parametrize("offset", [None, 0, 5, 1000])
def test_windows_cover_every_row_with_weights_that_sum_to_one(
    lengths: tuple[int, ...], length: int, offset: int | None
) -> None:
    runs = index(*lengths)
    windows, weights = runs.windows(length, None if offset is None else offset + torch.arange(len(runs)))
    torch.testing.assert_close(join(windows, weights, torch.ones_like(weights)[..., None], len(runs)), torch.ones(len(runs), 1))
    assert (runs.run[windows.rows] == runs.run[windows.rows][:, :1]).all()
    assert windows.rows.shape[1] <= length
    assert (weights[~windows.valid] == 0).all()


def test_joined_windows_give_back_what_each_row_has() -> None:
    runs = index(100, 7)
    values = torch.randn(107, 17, 3, generator=generator())
    windows, weights = runs.windows(27)
    torch.testing.assert_close(join(windows, weights, values[windows.rows], 107), values)


def test_windows_of_a_long_run_overlap_by_half() -> None:
    windows, _ = index(270).windows(28)
    starts: Tensor = windows.rows[:, 0]
    assert starts.diff().tolist() == [14] * (len(starts) - 2) + [270 - 28 - int(starts[-2])]


def test_windows_of_a_part_are_those_of_the_whole() -> None:
    runs, place = index(270), torch.arange(270)
    part = ClipIndex(torch.zeros(190, dtype=torch.int64), place[80:], 25.0)
    (whole, _), (some, _) = runs.windows(28, place), part.windows(28, place[80:])
    starts = whole.rows[:, 0]
    assert starts.tolist() == [*range(0, 242, 14), 242]
    assert some.rows[1:, 0].add(80).tolist() == starts[starts > 80].tolist()


def test_a_window_of_a_run_ends_where_the_run_does_and_no_earlier_than_it_is_long() -> None:
    windows, _ = index(40).windows(27, torch.arange(5, 45))
    assert windows.rows[:, 0].tolist() == [0, 8, 13]
    assert windows.rows.shape[1] == 27 and bool(windows.valid.all())
