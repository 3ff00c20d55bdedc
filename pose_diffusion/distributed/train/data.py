"""Training data from shards, as a Ray dataset of checked rows; `epochs` makes batches of it.

Several processes of Ray import this one after another before a run's first row, so it does without torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import ray
import ray.data

from pose_diffusion import storage
from pose_diffusion.data import camera_views, schema, shards
from pose_diffusion.data.manifest import Manifest, Selection
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.skeleton import N_JOINTS
from pose_diffusion.training.selection import COLUMNS, read_columns, rows_of


def stream(
    folder: str,
    manifest: Manifest,
    selection: Selection,
    seed: int,
    shuffle: bool,
    columns: Sequence[str] = COLUMNS,
) -> ray.data.Dataset:
    """A dataset of the selected rows' columns (see `training.selection`), checked as they are read.

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
    cameras = camera_views.cameras(manifest, folder) if camera_views.COLUMN in columns else None
    keep = _Keep(folder, manifest.kernels, selection, columns, cameras)
    return dataset.map_batches(keep, batch_format="pyarrow", batch_size=None, zero_copy_batch=True)


class _Keep:
    """Checks a block of rows and keeps the selected rows' columns. A plain callable, so the read task runs it in place."""

    def __init__(
        self,
        folder: str,
        kernels: int,
        selection: Selection,
        columns: Sequence[str],
        cameras: dict[str, np.ndarray] | None,
    ):
        self.folder, self.kernels, self.selection, self.columns, self.cameras = folder, kernels, selection, columns, cameras
        self.read = read_columns(columns)
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
        return rows_of(shards.select(table, self.selection), self.columns, self.cameras)


_METADATA = {"pose_diffusion.version": str(schema.VERSION)}


def cache_bytes(rows: int, kernels: int) -> int:
    """Bytes of `rows` decoded poses with their mixtures, views left out."""
    return rows * N_JOINTS * (kernels * 5 + 3) * 4
