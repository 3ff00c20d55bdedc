"""Which rows of sequences make clips: drawn at random for training, overlapping windows for inference.

Rows are those of shards, in order: the frames of a sequence stand together and ascend. A run is a stretch of one sequence
without a hole of more than `hole` seconds. A clip lies within a run; smaller gaps stay in it, as gaps in its times.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

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
    """How clips are drawn. frames: the most of a clip. steps: every how many rows a clip takes one, drawn evenly.

    single_share: share of batches whose clips are single
    frames. reverse: share of clips that run backwards.
    """

    frames: int = 27
    steps: tuple[int, ...] = (1, 1, 2, 3)
    single_share: float = 0.2
    reverse: float = 0.5


class ClipIndex:
    """Where the runs of some rows begin and end, and when each row was seen.

    sequence: (N,) the number of each row's sequence; any integers that differ between neighbours. frame: (N,) integers,
    ascending within a sequence. rate: frames a second, one for all rows or (N,) of each. hole: seconds.
    """

    def __init__(self, sequence: Tensor, frame: Tensor, rate: float | Tensor, hole: float = _LONGEST_HOLE_S) -> None:
        self.seconds = frame.double() / rate
        new = torch.ones(len(frame), dtype=torch.bool, device=frame.device)
        gap = self.seconds.diff()
        new[1:] = (sequence.diff() != 0) | (gap > hole) | (gap <= 0)
        self.run = new.cumsum(0) - 1  # (N,)
        self.begin = new.nonzero()[:, 0]  # (runs,)
        self.end = torch.cat([self.begin[1:], torch.tensor([len(frame)], device=frame.device)])

    def __len__(self) -> int:
        return len(self.run)

    def draw(self, poses: int, settings: ClipDraw, generator: torch.Generator) -> ClipRows:
        """Clips of one random length with about `poses` frames together.

        Every row is as likely as any other to be in one, but for the ends of runs.
        """
        device = self.run.device

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, device=device)

        length = draw_length(settings, float(uniform(1)))
        count = max(1, poses // length)
        anchor = (uniform(count) * len(self)).long().clamp_max(len(self) - 1)
        steps = torch.tensor(settings.steps, device=device)
        step = steps[(uniform(count) * len(steps)).long().clamp_max(len(steps) - 1)]
        begin, end = self.begin[self.run[anchor]], self.end[self.run[anchor]]
        step = torch.minimum(step, ((end - begin - 1) // max(1, length - 1)).clamp_min(1))  # a short run is taken as it is
        span = (length - 1) * step
        start = anchor - (uniform(count) * (span + 1)).long()
        start = torch.maximum(torch.minimum(start, end - 1 - span), begin)
        clip = self.at(start, length, step)
        backwards = (uniform(count) < settings.reverse)[:, None]
        # Padding stays at the end: a clip is turned within its valid frames.
        place = torch.arange(length, device=device)
        turned = torch.where(clip.valid, clip.valid.sum(1, keepdim=True) - 1 - place, place)
        rows = torch.where(backwards, clip.rows.gather(1, turned), clip.rows)
        return ClipRows(rows, clip.valid, self.times(rows))

    def at(self, start: Tensor, length: int, step: Tensor | int = 1) -> ClipRows:
        """Clips that begin at rows `start` (B,) and take every step-th row of their run, `length` of them where it has them."""
        place = torch.arange(length, device=start.device)
        rows = start[:, None] + place * (step[:, None] if isinstance(step, Tensor) else step)
        end = self.end[self.run[start]][:, None]
        valid = rows < end
        last = torch.where(valid, rows, start[:, None]).amax(1, keepdim=True)
        rows = torch.where(valid, rows, last)
        return ClipRows(rows, valid, self.times(rows))

    def times(self, rows: Tensor) -> Tensor:
        """(B, T) float32 seconds since each clip's first row; of one that runs backwards, positive too."""
        seconds = self.seconds[rows]
        return (seconds - seconds[:, :1]).abs().float()

    def windows(self, length: int, place: Tensor | None = None) -> tuple[ClipRows, Tensor]:
        """Windows that cover every run, overlapping by half, with weights (B, T) that sum to 1 over the windows of a row.

        place: (N,) which row of its sequence each row is. Windows begin at every multiple of half their length among those,
        at the run's begin, and as far before its end as they are long; a run that is no longer is one window. So they depend
        on nothing that is more than `length` rows away: a part of a sequence with so many rows of its neighbours on each
        side has the same windows as the whole. By default they are counted from the begin of each run.
        """
        stride = max(1, length // 2)
        size = self.end - self.begin
        phase = torch.zeros_like(size) if place is None else place[self.begin] % stride
        count = torch.where(size > length, -(-(size - length + phase) // stride), 0) + 1  # (runs,)
        run = torch.repeat_interleave(torch.arange(len(count), device=size.device), count)
        first = torch.cat([count.new_zeros(1), count.cumsum(0)[:-1]])
        start = self.begin[run] - phase[run] + (torch.arange(len(run), device=size.device) - first[run]) * stride
        start = torch.maximum(torch.minimum(start, self.end[run] - length), self.begin[run])
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
    """The length of a batch's clips for a uniform number in [0, 1): one frame, or log-uniform from 2 to `frames`."""
    if settings.frames == 1 or chance < settings.single_share:
        return 1
    share = (chance - settings.single_share) / (1 - settings.single_share)
    least, most = 2.0, settings.frames + 1.0
    return min(settings.frames, int(least * (most / least) ** share))


def join(windows: ClipRows, weights: Tensor, values: Tensor, rows: int) -> Tensor:
    """One value for each row, (rows, ...), the weighted mean of the windows' values (B, T, ...). See `ClipIndex.windows`."""
    flat = values.flatten(0, 1)
    weighted = flat * weights.flatten().reshape(-1, *[1] * (flat.dim() - 1)).to(flat.dtype)
    return values.new_zeros(rows, *flat.shape[1:]).index_add_(0, windows.rows.flatten(), weighted)
