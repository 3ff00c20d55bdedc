"""A training worker's epochs of the rows that Ray Data streams to it; a split that fits in memory is kept there.

Streamed: files in random order each epoch, and a shuffle buffer; or, for clips, whole chunks of rows in order, from each of
which clips are drawn. Cached: the first pass fills tensors on the worker's device, and each epoch is drawn from them by (seed,
epoch) alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import ray.data
import torch
from torch import Tensor

from pose_diffusion.errors import InputError
from pose_diffusion.runtime.keyed_random import name_key
from pose_diffusion.training.data import TensorRows, TrainingData
from pose_diffusion.training.selection import COLUMNS
from pose_diffusion.training.video.data import DrawnClips

MakeClips = Callable[[Sequence[Tensor], int], DrawnClips]


class Epochs:
    """The epochs of one worker's part of the data, as `training.data.TrainingData` asks for them.

    rows: of an epoch, over all workers together. keep: the rows that the part has at most, which `load` puts onto the device
    once; 0 where each epoch streams them. clips: (columns, seed) -> the epochs of clips from rows in order; None for rows that
    are drawn one by one.
    """

    def __init__(
        self,
        iterator: ray.data.DataIterator,
        batch: int,
        rows: int,
        keep: int,
        shuffle_rows: int,
        device: torch.device,
        seed: int,
        columns: Sequence[str] = COLUMNS,
        clips: MakeClips | None = None,
    ):
        self.iterator, self.batch, self.rows, self.keep, self.device = iterator, batch, rows, keep, device
        self.seed, self.columns, self.shuffle_rows = seed, columns, max(shuffle_rows, batch)
        self.clips = clips
        self.kept: TrainingData | None = None

    def load(self, said: Callable[[int], None] = lambda rows: None) -> None:
        """Fills the cache, if there is to be one; `said` is told the rows so far, from the first on."""
        if not self.keep or self.kept is not None:
            return
        kept, rows = None, 0
        for part in self.iterator.iter_batches(batch_size=4096, batch_format="numpy", prefetch_batches=2):
            columns = self._tensors(part)
            if kept is None:  # whole from the start: parts that are joined at last take twice the memory
                kept = tuple(column.new_empty(self.keep, *column.shape[1:]) for column in columns)
            for whole, column in zip(kept, columns, strict=True):
                whole[rows : rows + len(column)] = column
            rows += len(columns[0])
            said(rows)
        if kept is None:
            raise InputError("a worker got no rows: fewer training files or rows than workers")
        columns = tuple(whole[:rows] for whole in kept)
        if self.clips:
            self.kept = self.clips(columns, self.seed)
        else:
            self.kept = TensorRows(columns, self.batch, self.seed, self.rows)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """One epoch without its first `skip` batches."""
        if self.kept is not None:
            yield from self.kept.batches(epoch, skip)
            return
        if self.clips:
            yield from self._streamed_clips(self.clips, epoch, skip)
            return
        stream = self.iterator.iter_batches(
            batch_size=self.batch,
            batch_format="numpy",
            prefetch_batches=2,
            local_shuffle_buffer_size=self.shuffle_rows,
            local_shuffle_seed=name_key(self.seed, epoch) % 2**31,
        )
        for number, part in enumerate(stream):
            if number >= skip:
                yield self._tensors(part)

    def _streamed_clips(self, clips: MakeClips, epoch: int, skip: int) -> Iterator[tuple[Tensor, ...]]:
        """Clips drawn from one chunk of `shuffle_rows` rows after another. What a chunk has beyond whole batches counts for
        the next, and at the end for one step more, from the last.
        """
        stream = self.iterator.iter_batches(batch_size=self.shuffle_rows, batch_format="numpy", prefetch_batches=2)
        seen, last = 0, None
        for part in stream:
            last = self._tensors(part)
            first, seen = seen // self.batch, seen + len(last[0])
            if seen // self.batch > max(first, skip):
                yield from clips(last, self.seed).steps(epoch, max(first, skip), seen // self.batch)
        if last is not None and seen % self.batch and seen // self.batch >= skip:
            yield from clips(last, self.seed).steps(epoch, seen // self.batch, seen // self.batch + 1)

    def _tensors(self, part: dict[str, np.ndarray]) -> tuple[Tensor, ...]:
        with warnings.catch_warnings():
            # Ray's blocks are read-only views of shared memory; nothing here writes to them.
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            columns = [torch.from_numpy(np.ascontiguousarray(part[name])) for name in self.columns]
        if self.device.type == "cuda":  # only from pinned memory does a copy go on beside the computing
            columns = [column.pin_memory() for column in columns]
        return tuple(column.to(self.device, non_blocking=True) for column in columns)
