"""Which rows of sequences make clips: drawn at random for training, overlapping windows for inference.

Rows are those of shards, in order: the frames of a sequence stand together and ascend. A segment is a part of one sequence
without a hole of more than `hole` seconds. A clip lies within a segment; smaller gaps stay in it, as gaps in its times.

How a clip of L frames, every s-th row, is drawn. A segment of n rows is chosen with a chance proportional to max(n, L), in it a
row, evenly. That row and every s-th before and after it, m rows, are covered by ceil(m / L) windows that overlap evenly; the
clip is the window that the row falls to. So a row's chance averages L over its segment, the ends included, and a shorter
segment is chosen as often as it takes for its rows to have the chance that others have. Starts drawn evenly would neglect
both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pose_diffusion.errors import InputError
from pose_diffusion.runtime.keyed_random import name_key

_LONGEST_HOLE_S = 2.0


@dataclass(frozen=True)
class ClipRows:
    """rows: (B, T) int64, of each clip's frames; padding repeats its last. valid: (B, T) bool. time: (B, T) seconds float32,
    from the clip's first frame.
    """

    rows: Tensor
    valid: Tensor
    time: Tensor


@dataclass(frozen=True)
class ClipDraw:
    """How clips are drawn; one length for all clips of a batch, so that none is padded for another.

    frames: the most of a clip. steps: every how many rows a clip takes one, drawn evenly. single_share: share of batches whose
    clips are single frames. reverse: share of clips that run backwards. full_share: share of batches whose clips have all
    `frames`; the lengths of the rest are log-uniform. grow: epochs over which the most of a clip grows from 1 to `frames`.
    """

    frames: int = 27
    steps: tuple[int, ...] = (1, 1, 2, 3)
    single_share: float = 0.2
    reverse: float = 0.5
    full_share: float = 0.2
    grow: float = 0.0

    def during(self, epoch: int) -> ClipDraw:
        """How clips are drawn in an epoch: their most frames grow by the same factor each epoch."""
        if epoch >= self.grow:
            return self
        return replace(self, frames=round(self.frames ** (epoch / self.grow)), grow=0.0)


class ClipIndex:
    """Where the segments of some rows begin and end, and when each row was seen.

    sequence: (N,) the number of each row's sequence; any integers that differ between neighbours. frame: (N,) integers,
    ascending within a sequence. rate: frames a second, one for all rows or (N,) of each. hole: seconds.
    """

    def __init__(self, sequence: Tensor, frame: Tensor, rate: float | Tensor, hole: float = _LONGEST_HOLE_S) -> None:
        rates = torch.as_tensor(rate, dtype=torch.float64, device=frame.device)
        if not bool((rates.isfinite() & (rates > 0)).all()):
            raise InputError(
                f"frame rate is {float(rates.min()):g}, expected frames a second above 0; set the recording's rate"
            )
        self.seconds = frame.double() / rates
        new = torch.ones(len(frame), dtype=torch.bool, device=frame.device)
        gap = self.seconds.diff()
        new[1:] = (sequence.diff() != 0) | (gap > hole) | (gap <= 0)
        self.segment = new.cumsum(0) - 1  # (N,)
        self.begin = new.nonzero()[:, 0]  # (segments,)
        self.end = torch.cat([self.begin[1:], torch.tensor([len(frame)], device=frame.device)])

    def __len__(self) -> int:
        return len(self.segment)

    def batch(self, step: int, poses: int, settings: ClipDraw, seed: int, epoch: int) -> ClipRows:
        """The clips of a step of an epoch, of about `poses` frames together; see `draw`.

        A function of the arguments alone, so a run that is resumed at any step sees the same.
        """
        generator = torch.Generator(self.segment.device).manual_seed(name_key(seed, epoch, step))
        return self.draw(poses, settings.during(epoch), generator)

    def draw(self, poses: int, settings: ClipDraw, generator: torch.Generator) -> ClipRows:
        """Clips of one random length with about `poses` frames together; rows are about equally likely to be in one.

        Clips of a segment that is shorter take every row of it and are padded. Raises InputError where there are no rows.
        """
        if len(self) == 0:
            raise InputError("no rows to draw clips from, expected at least one pose")
        device = self.segment.device
        length = draw_length(settings, float(torch.rand((), generator=generator, device=device)))
        count = max(1, poses // length)

        def uniform() -> Tensor:
            return torch.rand(count, generator=generator, device=device, dtype=torch.float64)

        def below(bound: Tensor) -> Tensor:
            return torch.minimum((uniform() * bound).long(), bound - 1)

        sizes = self.end - self.begin
        chances = sizes.clamp_min(length).cumsum(0)
        segment = torch.searchsorted(chances, below(chances[-1].expand(count)), right=True)
        begin, size = self.begin[segment], sizes[segment]

        steps = torch.tensor(settings.steps, device=device)
        step = steps[below(torch.full_like(segment, len(steps)))]
        step = torch.minimum(step, ((size - 1) // max(1, length - 1)).clamp_min(1))
        phase, place = (row := below(size)) % step, row // step
        rows = -(-(size - phase) // step)  # from `phase` on, every step-th
        windows = -(-rows // length)
        window = place * windows // rows
        stride = (rows - length).clamp_min(0) / (windows - 1).clamp_min(1)
        # Windows between the first and the last move by up to half of what neighbours share, so that no row is left out.
        inner = (window > 0) & (window < windows - 1)
        offset = window * stride + inner * (uniform() - 0.5) * (length - stride)
        last = (size - 1 - (length - 1) * step).clamp_min(0)
        start = begin + torch.minimum(phase + offset.round().long() * step, last)

        clip = self.at(torch.where(size < length, begin, start), length, step)
        backwards = (uniform() < settings.reverse)[:, None]
        # Padding stays at the end: a clip is turned within its valid frames.
        index = torch.arange(length, device=device)
        turned = torch.where(clip.valid, clip.valid.sum(1, keepdim=True) - 1 - index, index)
        drawn = torch.where(backwards, clip.rows.gather(1, turned), clip.rows)
        return ClipRows(drawn, clip.valid, self.times(drawn))

    def at(self, start: Tensor, length: int, step: Tensor | int = 1) -> ClipRows:
        """Clips that begin at rows `start` (B,) and take every step-th row of their segment, `length` where it has as many."""
        place = torch.arange(length, device=start.device)
        rows = start[:, None] + place * (step[:, None] if isinstance(step, Tensor) else step)
        end = self.end[self.segment[start]][:, None]
        valid = rows < end
        last = torch.where(valid, rows, start[:, None]).amax(1, keepdim=True)
        rows = torch.where(valid, rows, last)
        return ClipRows(rows, valid, self.times(rows))

    def times(self, rows: Tensor) -> Tensor:
        """(B, T) float32 seconds since each clip's first row; of one that runs backwards, positive too."""
        seconds = self.seconds[rows]
        return (seconds - seconds[:, :1]).abs().float()

    def windows(self, length: int, place: Tensor | None = None) -> tuple[ClipRows, Tensor]:
        """Windows that cover every segment, overlapping by half, with weights (B, T) that sum to 1 over the windows of a row.

        place: (N,) which row of its sequence each row is. Windows begin at every multiple of half their length among those,
        at the segment's begin, and as far before its end as they are long; a segment that is no longer is one window. So they
        depend on nothing that is more than `length` rows away: a part of a sequence with so many rows of its neighbours on
        each side has the same windows as the whole. By default they are counted from the begin of each segment.
        """
        stride = max(1, length // 2)
        size = self.end - self.begin
        phase = torch.zeros_like(size) if place is None else place[self.begin] % stride
        count = torch.where(size > length, -(-(size - length + phase) // stride), 0) + 1  # (segments,)
        segment = torch.repeat_interleave(torch.arange(len(count), device=size.device), count)
        first = torch.cat([count.new_zeros(1), count.cumsum(0)[:-1]])
        start = (
            self.begin[segment] - phase[segment] + (torch.arange(len(segment), device=size.device) - first[segment]) * stride
        )
        start = torch.maximum(torch.minimum(start, self.end[segment] - length), self.begin[segment])
        clip = self.at(start, min(length, int(size.max())) if len(size) else length)
        frames = clip.rows.shape[1]
        position = torch.arange(frames, device=size.device)
        existing = clip.valid.sum(1, keepdim=True)
        taper = torch.minimum(position + 1, existing - position).clamp_min(0).double() * clip.valid
        total = torch.zeros(len(self), dtype=torch.float64, device=size.device).index_add_(
            0, clip.rows.flatten(), taper.flatten()
        )
        return clip, (taper / total[clip.rows]).float()


def draw_length(settings: ClipDraw, chance: float) -> int:
    """The length of a batch's clips for a uniform number in [0, 1): one frame, log-uniform from 2 to `frames`, or `frames`."""
    if settings.frames == 1 or chance < settings.single_share:
        return 1
    share = (chance - settings.single_share) / max(1 - settings.single_share - settings.full_share, 1e-9)
    least, most = 2.0, settings.frames + 1.0
    return min(settings.frames, int(least * (most / least) ** min(share, 1.0)))


def join(windows: ClipRows, weights: Tensor, values: Tensor, rows: int) -> Tensor:
    """One value for each row, (rows, ...), the weighted mean of the windows' values (B, T, ...). See `ClipIndex.windows`."""
    flat = values.flatten(0, 1)
    weighted = flat * weights.flatten().reshape(-1, *[1] * (flat.dim() - 1)).to(flat.dtype)
    return values.new_zeros(rows, *flat.shape[1:]).index_add_(0, windows.rows.flatten(), weighted)
