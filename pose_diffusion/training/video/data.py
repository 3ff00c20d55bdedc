"""Training clips in the memory of one process: rows of shards in their order, and which of them make clips."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pose_diffusion.config import Config
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data.clips import ClipDraw, ClipIndex, ClipRows
from pose_diffusion.data.manifest import Selection
from pose_diffusion.errors import InputError
from pose_diffusion.runtime.keyed_random import name_key
from pose_diffusion.training.data import Device, read_rows, tensor
from pose_diffusion.training.selection import COLUMNS_OF_CLIPS, check_cameras, frame_rate, training_selection
from pose_diffusion.training.video.clip_batch import ClipBatch


@dataclass(frozen=True)
class SequenceRows:
    """N poses in the order of their sequences.

    mixture: (N, 17, K, 5). pose_3d: (N, 17, 3). view: (N, 15) of `data.camera_views`. sequence: (N,) integers that differ
    between neighbouring sequences. frame: (N,) integers. rate: frames a second.
    """

    mixture: Tensor
    pose_3d: Tensor
    view: Tensor
    sequence: Tensor
    frame: Tensor
    rate: float

    @staticmethod
    def of(columns: Sequence[Tensor], rate: float) -> SequenceRows:
        """From `selection.COLUMNS_OF_CLIPS`, in their order."""
        mixture, pose_3d, view, sequence, frame = columns
        return SequenceRows(mixture, pose_3d, view, sequence, frame, rate)

    def __len__(self) -> int:
        return len(self.mixture)

    def index(self) -> ClipIndex:
        return ClipIndex(self.sequence, self.frame, self.rate)

    def clips(self, chosen: ClipRows) -> ClipBatch:
        """The rows of the chosen clips, one camera a clip."""
        view = self.view[chosen.rows]  # (B, T, 15)
        return ClipBatch(
            mixture=self.mixture[chosen.rows],
            pose_3d=self.pose_3d[chosen.rows],
            root_3d=view[..., :3],
            up=view[:, 0, 3:6],
            intrinsic=view[:, 0, 6:],
            time=chosen.time,
            valid=chosen.valid,
        )


class DrawnClips:
    """Epochs of clips, as `training.data.TrainingData` asks for them: the fields of a `ClipBatch`, in their order.

    The clips of a step are a function of (seed, epoch, step), drawn anew from the own rows: an epoch need not hold each row
    once. batch: poses of a worker's step. rows: of an epoch over all workers, by default the own. workers: that share them;
    each has as many steps as any other, however the rows fall to them.
    """

    def __init__(
        self, own: SequenceRows, draw: ClipDraw, batch: int, seed: int, rows: int | None = None, workers: int = 1
    ) -> None:
        if not len(own):
            raise InputError("there are no rows to train on")
        self._own, self._index, self._draw = own, own.index(), draw
        self._batch, self._seed = batch, seed
        self.rows = len(own) if rows is None else rows
        self.steps_per_epoch = math.ceil(self.rows / workers / batch)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[tuple[Tensor, ...]]:
        return self.steps(epoch, skip, self.steps_per_epoch)

    def steps(self, epoch: int, start: int, stop: int) -> Iterator[tuple[Tensor, ...]]:
        """The steps from start to stop of an epoch, which may be any."""
        for step in range(start, stop):
            chosen = self._index.batch(step, self._batch, self._draw, self._seed, epoch)
            yield tuple(vars(self._own.clips(chosen)).values())


def drawn_clips(columns: Sequence[Tensor], seed: int, config: Config, rate: float, rows: int, workers: int) -> DrawnClips:
    """Epochs of clips from a worker's part of `selection.COLUMNS_OF_CLIPS`. rows: of an epoch over all workers."""
    video = config.video
    draw = ClipDraw(
        frames=config.model.frames,
        steps=tuple(video.strides),
        single_share=video.single_share,
        reverse=video.reverse,
        full_share=video.full_share,
        grow=video.grow_share * config.train.epochs,
    )
    return DrawnClips(SequenceRows.of(columns, rate), draw, max(1, config.train.batch // workers), seed, rows, workers)


def read_clips(config: Config, device: Device = "cpu", rank: int = 0, world: int = 1) -> tuple[DrawnClips, ClipBatch | None]:
    """Clips of the training rows of data.shards, and the held-out clips, as jobs/train.py reads them; of several workers, those
    of every world-th sequence.

    Raises InputError for a folder, file, row or selection that cannot be used, and for data without cameras or frame rate.
    """
    folder, train = config.data.shards, config.train
    manifest = manifests.read(folder)
    selection, holdout = training_selection(config.data, train.holdout_subjects)
    selection.check(manifest, folder)
    check_cameras(config, manifest, folder)
    columns = [tensor(column, device) for column in read_rows(folder, manifest, selection, COLUMNS_OF_CLIPS)]
    own = _part(columns[3], rank, world)
    part = drawn_clips(
        [column[own] for column in columns],
        seed=name_key(train.seed, rank),
        config=config,
        rate=frame_rate(manifest, folder),
        rows=len(columns[0]),
        workers=world,
    )
    return part, read_held_out_clips(config, holdout, device, rank, world) if holdout else None


def read_held_out_clips(
    config: Config, selection: Selection, device: Device = "cpu", rank: int = 0, world: int = 1
) -> ClipBatch:
    """Clips of model.frames frames with about train.holdout_poses poses, evenly spaced over the selection's rows; of several
    workers, every world-th clip.
    """
    folder = config.data.shards
    manifest = manifests.read(folder)
    selection.check(manifest, f"{folder} (train.holdout_subjects)")
    columns = [tensor(column, "cpu") for column in read_rows(folder, manifest, selection, COLUMNS_OF_CLIPS)]
    rows = SequenceRows.of(columns, frame_rate(manifest, folder))
    clips = spread_clips(rows, config.model.frames, config.train.holdout_poses)
    return ClipBatch(*(column[rank::world] for column in vars(clips).values())).to(device)


def _part(sequence: Tensor, rank: int, world: int) -> Tensor:
    """The rows of every world-th sequence, (n,)."""
    number = torch.cat([sequence.new_zeros(1), (sequence.diff() != 0).long().cumsum(0)])
    return (number % world == rank).nonzero()[:, 0]


def spread_clips(rows: SequenceRows, length: int, poses: int) -> ClipBatch:
    """Clips of `length` frames, evenly spaced over the rows, with about `poses` poses: what a run is judged by."""
    index = rows.index()
    count = max(1, min(poses, len(rows)) // length)
    start = torch.linspace(0, max(0, len(rows) - 1), count, device=rows.frame.device).long()
    begin, end = index.begin[index.segment[start]], index.end[index.segment[start]]
    start = torch.maximum(torch.minimum(start, end - length), begin)
    return rows.clips(index.at(start, length))
