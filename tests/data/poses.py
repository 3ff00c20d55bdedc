"""Small shard folders for tests."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pose_diffusion.data import manifest as manifests
from pose_diffusion.data import mixture, schema, shards
from pose_diffusion.data.manifest import Manifest
from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.geometry.skeleton import JOINTS


def sequence(subject="S1", action="Walking 1", camera="c1", rows=20, kernels=3, seed=0, with_3d=True) -> PoseSequence:
    """A sequence of random poses; the same arguments give the same poses."""
    rng = np.random.default_rng([seed, rows, *map(ord, subject + action + camera)])
    kernel = rng.random((rows, 17, kernels, 5)).astype(np.float32)
    pose = rng.normal(0, 0.3, (rows, 17, 3)).astype(np.float32)
    return PoseSequence(
        subject,
        action,
        camera,
        np.arange(rows, dtype=np.int32),
        mixture.normalise(kernel),
        1000,
        1000,
        pose - pose[:, :1] if with_3d else None,
        pose[:, 0] if with_3d else None,
    )


def write_folder(folder, files: dict[str, list[PoseSequence]], cameras: dict[str, dict] | None = None) -> Manifest:
    """Writes 'split=train/part-00000.parquet' -> sequences, and the manifest, which describes 'subject/camera' -> camera."""
    written = [
        shards.write(str(folder), path, path.split("/")[0].removeprefix("split="), sequences)
        for path, sequences in files.items()
    ]
    kernels = next(iter(files.values()))[0].mixture.shape[2]
    manifest = Manifest(
        version=schema.VERSION,
        kernels=kernels,
        joints=list(JOINTS),
        cameras=cameras or {},
        source={},
        settings={},
        files=written,
    )
    manifests.write(str(folder), manifest)
    return manifest


def rewrite(path: str | Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Replaces a Parquet file by change(its table)."""
    pq.write_table(change(pq.read_table(path)), path)


def with_mixture(change: Callable[[np.ndarray], object]) -> Callable[[pa.Table], pa.Table]:
    """For `rewrite`: the table with its mixtures changed in place."""

    def apply(table: pa.Table) -> pa.Table:
        values = schema.tensor_values(table["mixture"]).copy()
        change(values)
        column = schema.tensor_column(values, len(table), values.shape[1:])
        return table.set_column(table.column_names.index("mixture"), table.schema.field("mixture"), column)

    return apply
