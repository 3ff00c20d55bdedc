"""Clips of sequences: drawn at random for training, windows for inference."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pose_diffusion.data.clips import ClipDraw, ClipIndex, draw_length, join
from pose_diffusion.errors import InputError


def index(*lengths: int, rate: float = 25.0) -> ClipIndex:
    """An index of sequences of these lengths, without gaps."""
    sequence = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    frame = torch.cat([torch.arange(length) for length in lengths])
    return ClipIndex(sequence, frame, rate)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def one_length(frames: int, steps: tuple[int, ...] = (1, 1, 2, 3), reverse: float = 0.5) -> ClipDraw:
    return ClipDraw(frames, steps, single_share=0.0, reverse=reverse, full_share=1.0)


@pytest.mark.parametrize("reverse", [0.0, 1.0])
@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("length", [1, 2, 20])
def test_a_drawn_clip_takes_every_step_th_frame_of_one_segment_in_one_direction(length: int, step: int, reverse: float) -> None:
    segments = index(100, 300, 80)
    settings = one_length(length, (step,), reverse)
    clip = segments.draw(500 * length, settings, generator())
    assert clip.rows.shape == (500, length)
    assert bool(clip.valid.all())
    assert (segments.segment[clip.rows] == segments.segment[clip.rows][:, :1]).all()
    assert (clip.rows.diff(dim=1) == (-step if reverse else step)).all()
    torch.testing.assert_close(clip.time, torch.arange(length).expand_as(clip.time) * step / 25.0)


def test_half_of_the_clips_run_backwards() -> None:
    rows = index(100).draw(4000, one_length(2), generator()).rows
    assert abs((rows[:, 1] < rows[:, 0]).float().mean() - 0.5) < 0.05


@pytest.mark.parametrize("frames", [1, 27, 81])
def test_rows_have_about_equal_chances_also_in_short_segments_and_at_the_ends_of_long_ones(frames: int) -> None:
    lengths = (400, 30, 600, 5, 100)
    segments, settings, random = index(*lengths), ClipDraw(frames=frames), generator()
    drawn = torch.zeros(len(segments))
    while drawn.mean() < 200:
        clip = segments.draw(400, settings, random)
        drawn += torch.bincount(clip.rows[clip.valid], minlength=len(segments))
    chance = drawn / drawn.mean()
    by_segment = torch.stack([part.mean() for part in chance.split(lengths)])
    assert (by_segment - 1).abs().max() < 0.15
    assert chance.min() > 0.5 and chance.max() < 1.6
    assert chance[segments.begin].mean() > 0.7 and chance[segments.end - 1].mean() > 0.7


@pytest.mark.parametrize("reverse", [0.0, 1.0])
def test_a_segment_shorter_than_the_clip_is_padded_at_its_end(reverse: float) -> None:
    clip = index(3).draw(45, one_length(9, (1, 3), reverse), generator())
    assert (clip.rows[:, :3] == torch.tensor([2, 1, 0] if reverse else [0, 1, 2])).all()
    assert (clip.valid == (torch.arange(9) < 3)).all()


def test_the_same_seed_draws_the_same_clips_and_another_draws_others() -> None:
    segments, settings = index(500), one_length(9)
    first, again, other = (segments.draw(64, settings, generator(seed)).rows for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_clips_of_a_batch_have_about_as_many_frames_together_as_asked() -> None:
    for seed in range(20):
        assert 64 < index(1000).draw(90, ClipDraw(frames=27), generator(seed)).rows.numel() <= 90


def test_a_batch_is_a_function_of_seed_epoch_and_step() -> None:
    first, again = (index(500).batch(3, 90, one_length(9), seed=1, epoch=2) for _ in range(2))
    assert torch.equal(first.rows, again.rows) and torch.equal(first.time, again.time)


@pytest.mark.parametrize(("step", "seed", "epoch"), [(4, 1, 2), (3, 2, 2), (3, 1, 3)])
def test_another_step_seed_or_epoch_gives_another_batch(step: int, seed: int, epoch: int) -> None:
    one, other = index(500).batch(3, 90, one_length(9), 1, 2), index(500).batch(step, 90, one_length(9), seed, epoch)
    assert not torch.equal(one.rows, other.rows)


def test_clips_grow_by_the_same_factor_each_epoch_and_reach_their_length() -> None:
    settings = ClipDraw(frames=81, full_share=1.0, single_share=0.0, grow=4)
    lengths = [index(500).batch(0, 810, settings, seed=0, epoch=epoch).rows.shape[1] for epoch in (0, 1, 2, 3, 4, 9)]
    assert lengths == [1, 3, 9, 27, 81, 81]


def test_drawing_from_no_rows_is_refused() -> None:
    empty = ClipIndex(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), 25.0)
    with pytest.raises(InputError, match="no rows"):
        empty.draw(1, ClipDraw(), generator())


@pytest.mark.parametrize("rate", [0.0, -25.0, float("nan"), float("inf"), torch.tensor([25.0, 0.0])])
def test_a_frame_rate_that_is_not_above_0_is_refused(rate: float | Tensor) -> None:
    with pytest.raises(InputError, match="frame rate"):
        ClipIndex(torch.zeros(2, dtype=torch.int64), torch.arange(2), rate)


def test_rows_may_have_rates_of_their_own() -> None:
    segments = ClipIndex(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1]), torch.tensor([25.0, 25.0, 50.0, 50.0]))
    torch.testing.assert_close(segments.at(torch.tensor([0, 2]), 2).time[:, 1], torch.tensor([0.04, 0.02]))


def test_a_gap_stays_as_a_gap_in_time_and_a_hole_ends_the_segment() -> None:
    frame = torch.tensor([0, 1, 5, 6, 100, 101])
    segments = ClipIndex(torch.zeros(6, dtype=torch.int64), frame, 25.0)
    assert segments.segment.tolist() == [0, 0, 0, 0, 1, 1]
    torch.testing.assert_close(segments.at(torch.tensor([0]), 4).time, torch.tensor([[0.0, 0.04, 0.2, 0.24]]))


def test_frames_that_do_not_ascend_begin_a_new_segment() -> None:
    segments = ClipIndex(torch.zeros(4, dtype=torch.int64), torch.tensor([5, 6, 0, 1]), 25.0)
    assert segments.segment.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("frames", [1, 2, 27, 81])
def test_lengths_go_from_one_to_the_most(frames: int) -> None:
    settings = ClipDraw(frames=frames)
    lengths = [draw_length(settings, chance / 1000) for chance in range(1000)]
    assert min(lengths) == 1 and max(lengths) == frames
    assert lengths == sorted(lengths)


def test_lengths_are_drawn_with_a_bias_to_both_ends() -> None:
    settings = ClipDraw(frames=27, single_share=0.2, full_share=0.3)
    lengths = [draw_length(settings, chance / 1000) for chance in range(1000)]
    assert lengths.count(1) == 200
    assert 300 <= lengths.count(27) < 330
    assert all(lengths.count(length) < 150 for length in range(2, 27))


@pytest.mark.parametrize("lengths", [(1,), (3,), (27,), (28,), (30_000,), (3, 30_000, 1, 40)])
@pytest.mark.parametrize("length", [1, 2, 27])
@pytest.mark.parametrize("offset", [None, 0, 5, 1000])
def test_windows_cover_every_row_with_weights_that_sum_to_one(
    lengths: tuple[int, ...], length: int, offset: int | None
) -> None:
    segments = index(*lengths)
    windows, weights = segments.windows(length, None if offset is None else offset + torch.arange(len(segments)))
    torch.testing.assert_close(
        join(windows, weights, torch.ones_like(weights)[..., None], len(segments)), torch.ones(len(segments), 1)
    )
    assert (segments.segment[windows.rows] == segments.segment[windows.rows][:, :1]).all()
    assert windows.rows.shape[1] <= length
    assert (weights[~windows.valid] == 0).all()


def test_a_hole_is_not_bridged_by_a_window() -> None:
    frame = torch.cat([torch.arange(20), 1000 + torch.arange(20)])
    segments = ClipIndex(torch.zeros(40, dtype=torch.int64), frame, 25.0)
    windows, _ = segments.windows(27)
    assert (segments.segment[windows.rows] == segments.segment[windows.rows][:, :1]).all()


def test_weights_of_windows_taper_to_their_ends() -> None:
    _, weights = index(300).windows(28)
    inner = weights[3]
    assert inner.argmax() in (13, 14)
    assert (inner[:14].diff() > 0).all() and (inner[14:].diff() < 0).all()


def test_no_rows_have_no_windows() -> None:
    empty = ClipIndex(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), 25.0)
    windows, weights = empty.windows(27)
    assert len(windows.rows) == len(weights) == 0
    assert join(windows, weights, torch.zeros(*weights.shape, 17, 3), 0).shape == (0, 17, 3)


def test_joined_windows_give_back_what_each_row_has() -> None:
    segments = index(100, 7)
    values = torch.randn(107, 17, 3, generator=generator())
    windows, weights = segments.windows(27)
    torch.testing.assert_close(join(windows, weights, values[windows.rows], 107), values)


def test_windows_of_a_long_segment_overlap_by_half() -> None:
    windows, _ = index(270).windows(28)
    starts: Tensor = windows.rows[:, 0]
    assert starts.diff().tolist() == [14] * (len(starts) - 2) + [270 - 28 - int(starts[-2])]


def test_windows_of_a_part_are_those_of_the_whole() -> None:
    segments, place = index(270), torch.arange(270)
    part = ClipIndex(torch.zeros(190, dtype=torch.int64), place[80:], 25.0)
    (whole, _), (some, _) = segments.windows(28, place), part.windows(28, place[80:])
    starts = whole.rows[:, 0]
    assert starts.tolist() == [*range(0, 242, 14), 242]
    assert some.rows[1:, 0].add(80).tolist() == starts[starts > 80].tolist()


def test_a_window_of_a_segment_ends_where_the_segment_does_and_no_earlier_than_it_is_long() -> None:
    windows, _ = index(40).windows(27, torch.arange(5, 45))
    assert windows.rows[:, 0].tolist() == [0, 8, 13]
    assert windows.rows.shape[1] == 27 and bool(windows.valid.all())
