"""Training data from shards: Ray Data streams Parquet to the workers; a split that fits in memory is kept there.

Streamed: files in random order each epoch, and a shuffle buffer. Cached: the first pass fills tensors on the worker's
device, and each epoch is a permutation of them, a function of (seed, epoch) alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import ray
import ray.data
import torch
from torch import Tensor

from pose_diffusion import storage
from pose_diffusion.config import DataConfig
from pose_diffusion.data import schema, shards, views
from pose_diffusion.data.manifest import Manifest, Selection
from pose_diffusion.draws import name_key
from pose_diffusion.errors import InputError
from pose_diffusion.skeleton import N_JOINTS

COLUMNS = ("mixture", "pose_3d")
COLUMNS_TO_TURN = (*COLUMNS, views.COLUMN)
READ = (*schema.KEYS, *COLUMNS)  # of a shard
READ_TO_TURN = (*READ, "root_3d")


def training_selection(config: DataConfig, holdout: list[str]) -> tuple[Selection, Selection | None]:
    """The rows to train on and the held-out rows (None where no subject is held out), both of the training split."""
    actions = frozenset(config.actions) if config.actions is not None else None
    subjects = frozenset(config.subjects) if config.subjects is not None else None
    train = Selection(split="train", actions=actions, subjects=subjects, without_subjects=frozenset(holdout))
    return train, held_out_selection(config, holdout) if holdout else None


def held_out_selection(config: DataConfig, holdout: list[str]) -> Selection:
    """The rows of these subjects of the training split."""
    actions = frozenset(config.actions) if config.actions is not None else None
    return Selection(split="train", actions=actions, subjects=frozenset(holdout))


def stream(
    folder: str, manifest: Manifest, selection: Selection, seed: int, shuffle: bool, view: bool = False
) -> ray.data.Dataset:
    """A dataset of the selected rows' mixture, pose_3d and, if asked for, view, checked as they are read.

    An InputError that names file, row and column ends the execution of whoever consumes it.
    """
    filesystem, root = storage.arrow_filesystem(folder)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True  # else the order of tasks leaks into the order of rows
    context.raise_original_map_exception = True
    dataset = ray.data.read_parquet(
        [f"{root}/{file.path}" for file in selection.files(manifest)],
        filesystem=filesystem,
        include_paths=True,
        partitioning=None,
        shuffle=ray.data.FileShuffleConfig(seed=seed) if shuffle else None,
    )
    keep = _Keep(folder, manifest.kernels, selection, views.cameras(manifest, folder) if view else None)
    return dataset.map_batches(keep, batch_format="pyarrow", batch_size=None, zero_copy_batch=True)


class _Keep:
    """Checks a block of rows and keeps the selected rows' columns. A plain callable, so the read task runs it in place."""

    def __init__(self, folder: str, kernels: int, selection: Selection, cameras: dict[str, np.ndarray] | None):
        self.folder, self.kernels, self.selection, self.cameras = folder, kernels, selection, cameras
        self.read = READ if cameras is None else READ_TO_TURN
        self.__name__ = "check_and_select"

    def __call__(self, table: pa.Table) -> pa.Table:
        path = table["path"][0].as_py() if len(table) else ""
        try:
            kernels = schema.check_schema(table.schema.with_metadata(_METADATA), path, self.read)
            if kernels != self.kernels:
                raise InputError(f"K = {kernels}")
            schema.check_rows(table.select(self.read), path, require_3d=True)
        except InputError:
            # Blocks are cut from files, so their row numbers mean nothing: the whole file is read to name the row.
            relative = path[path.index("split=") :] if "split=" in path else path
            shards.read(storage.join(self.folder, relative), self.read, self.kernels, require_3d=True)
            raise
        selected = shards.select(table, self.selection)
        if self.cameras is None:
            return selected.select(COLUMNS)
        return selected.select(COLUMNS).append_column(views.COLUMN, views.column(selected, self.cameras))


_METADATA = {"pose_diffusion.version": str(schema.VERSION)}


def cache_bytes(rows: int, kernels: int) -> int:
    """Bytes of `rows` decoded poses with their mixtures, views left out."""
    return rows * N_JOINTS * (kernels * 5 + 3) * 4


class Epochs:
    """The epochs of one worker's part of the data: `batches(epoch)` yields its columns, (mixture (B, 17, K, 5), pose_3d
    (B, 17, 3)) or these and view (B, 15).

    `keep` true loads the part once, onto the device. `rows` is known after the first pass (or the load).
    """

    def __init__(
        self,
        iterator: ray.data.DataIterator,
        batch: int,
        keep: bool,
        shuffle_rows: int,
        device: torch.device,
        seed: int,
        columns: Sequence[str] = COLUMNS,
    ):
        self.iterator, self.batch, self.device, self.seed, self.columns = iterator, batch, device, seed, columns
        self.shuffle_rows = max(shuffle_rows, batch)
        self.kept: tuple[Tensor, ...] | None = None
        self.keep = keep

    def load(self, said: Callable[[int], None] = lambda rows: None) -> None:
        """Fills the cache, if there is to be one; `said` is told the rows so far."""
        if not self.keep or self.kept is not None:
            return
        parts, rows = [], 0
        for part in self.iterator.iter_batches(batch_size=4096, batch_format="numpy", prefetch_batches=2):
            parts.append(self._tensors(part))
            rows += len(parts[-1][0])
            said(rows)
        if not parts:
            raise InputError("a worker got no rows: fewer training files or rows than workers")
        self.kept = tuple(torch.cat(column) for column in zip(*parts, strict=True))

    def batches(self, epoch: int, skip: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """One epoch without its first `skip` batches."""
        if self.kept is not None:
            generator = torch.Generator().manual_seed(name_key(self.seed, epoch))
            order = torch.randperm(len(self.kept[0]), generator=generator).to(self.device)
            for chosen in order.split(self.batch)[skip:]:
                yield tuple(column[chosen] for column in self.kept)
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

    def _tensors(self, part: dict[str, np.ndarray]) -> tuple[Tensor, ...]:
        with warnings.catch_warnings():
            # Ray's blocks are read-only views of shared memory; nothing here writes to them.
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            columns = [torch.from_numpy(np.ascontiguousarray(part[name])) for name in self.columns]
        if self.device.type == "cuda":  # only from pinned memory does a copy go on beside the computing
            columns = [column.pin_memory() for column in columns]
        return tuple(column.to(self.device, non_blocking=True) for column in columns)
