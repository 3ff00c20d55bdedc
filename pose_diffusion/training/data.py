"""Training data in the memory of one process: from tensors, sequences or a shard folder, without Ray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from pose_diffusion import storage
from pose_diffusion.config import DataConfig, TrainConfig
from pose_diffusion.data import camera_views, schema, shards
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data.manifest import Manifest, Selection
from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.errors import InputError
from pose_diffusion.runtime.keyed_random import name_key
from pose_diffusion.training.selection import COLUMNS, COLUMNS_WITH_VIEW, read_columns, rows_of, training_selection

Device = str | torch.device


class TrainingData(Protocol):
    """What a trainer reads: one worker's part of the rows.

    rows: of an epoch, over all workers together. batches: an epoch without its first `skip` batches; each batch is
    (mixture (B, 17, K, 5), pose_3d (B, 17, 3)) or these and view (B, 15) of `data.camera_views`, on any device.
    """

    @property
    def rows(self) -> int: ...
    def batches(self, epoch: int, skip: int = 0) -> Iterable[tuple[Tensor, ...]]: ...


@dataclass(frozen=True)
class HeldOut:
    """Poses that a run is judged by, one worker's share: mixture (N, 17, K, 5), pose_3d (N, 17, 3)."""

    mixture: Tensor
    pose_3d: Tensor


class TensorRows:
    """Rows in memory. An epoch is a permutation of them, a function of (seed, epoch) alone.

    columns: what a batch holds, row by row, on the device that trains. batch: rows of a batch. rows: of an epoch over all
    workers, by default of these columns alone.
    """

    def __init__(self, columns: Sequence[Tensor], batch: int, seed: int = 0, rows: int | None = None):
        if len({len(column) for column in columns}) != 1:
            raise InputError(f"columns of {[len(column) for column in columns]} rows: expected as many in each")
        self.columns, self.batch, self.seed = tuple(columns), batch, seed
        self.rows = len(self.columns[0]) if rows is None else rows

    @classmethod
    def from_sequences(cls, sequences: Sequence[PoseSequence], config: TrainConfig, device: Device = "cpu") -> TensorRows:
        """All poses of the sequences, for one worker.

        Raises InputError for a sequence without 3D poses, with bad values, or with another number of kernels.
        """
        for sequence in sequences:
            if sequence.pose_3d is None:
                raise InputError(f"{sequence.where}: no 3D poses, and training needs them")
        tables = [schema.checked_table(sequence) for sequence in sequences]
        if len({table.schema for table in tables}) != 1:
            raise InputError(f"{len(tables)} sequences: expected at least one, and the same number of kernels in all")
        columns = [tensor(pa.chunked_array([table[name].chunk(0) for table in tables]), device) for name in COLUMNS]
        return cls(columns, config.batch, name_key(config.seed, 0))

    def batches(self, epoch: int, skip: int = 0) -> Iterator[tuple[Tensor, ...]]:
        generator = torch.Generator().manual_seed(name_key(self.seed, epoch))
        order = torch.randperm(len(self.columns[0]), generator=generator).to(self.columns[0].device)
        for chosen in order.split(self.batch)[skip:]:
            yield tuple(column[chosen] for column in self.columns)


def read_shards(
    data: DataConfig, train: TrainConfig, device: Device = "cpu", rank: int = 0, world: int = 1
) -> tuple[TensorRows, HeldOut | None]:
    """The training rows of data.shards and the held-out poses, as jobs/train.py reads them; of several workers, every
    world-th row. With one worker the order of rows is that of the job.

    Raises InputError for a folder, file, row or selection that cannot be used, and for fewer rows than workers.
    """
    if not data.shards:
        raise InputError("key 'data.shards': expected a shard folder, got nothing")
    manifest = manifests.read(data.shards)
    selection, holdout = training_selection(data, train.holdout_subjects)
    if holdout:
        holdout.check(manifest, f"{data.shards} (train.holdout_subjects)")
    selection.check(manifest, data.shards)
    if train.yaw_augment:
        camera_views.check(manifest, selection, data.shards, "train.yaw_augment", "set train.yaw_augment=0")
    held = COLUMNS_WITH_VIEW if train.yaw_augment else COLUMNS
    columns = [tensor(column, device, rank, world) for column in read_rows(data.shards, manifest, selection, held)]
    rows = sum(selection.count(file) for file in selection.files(manifest))
    if rows < world:
        raise InputError(f"{data.shards}: {rows} rows to train on for {world} workers")
    part = TensorRows(
        [column[: rows // world] for column in columns], max(1, train.batch // world), name_key(train.seed, rank), rows
    )
    held_out = read_held_out(data.shards, holdout, train.holdout_poses, device, rank, world) if holdout else None
    return part, held_out


def read_held_out(
    folder: str, selection: Selection, poses: int, device: Device = "cpu", rank: int = 0, world: int = 1
) -> HeldOut:
    """At most `poses` of the selection's rows, evenly spaced over all of them; of several workers, every world-th one."""
    table = shards.read_evenly(folder, manifests.read(folder), selection, poses, COLUMNS)
    return HeldOut(*(tensor(table[name], device, rank, world) for name in COLUMNS))


def read_rows(folder: str, manifest: Manifest, selection: Selection, columns: Sequence[str]) -> list[pa.ChunkedArray]:
    """The selected rows' columns (see `selection`), in the order of the files."""
    cameras = camera_views.cameras(manifest, folder) if camera_views.COLUMN in columns else None
    tables = []
    for file in selection.files(manifest):
        path = storage.join(folder, file.path)
        table = shards.read(path, read_columns(columns), manifest.kernels, require_3d=True)
        tables.append(rows_of(shards.select(table, selection), columns, cameras))
    return pa.concat_tables(tables).columns


def tensor(column: pa.ChunkedArray, device: Device, rank: int = 0, world: int = 1) -> Tensor:
    """A column on the device, or every world-th row of it."""
    values = schema.tensor_values(column) if isinstance(column.type, pa.FixedShapeTensorType) else column.to_numpy()
    return torch.from_numpy(np.ascontiguousarray(values[rank::world]).copy()).to(device)
