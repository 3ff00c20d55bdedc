"""The GMM pose shard: a Parquet file, one row a pose, that any Parquet reader opens.

Columns: subject, action, camera (dictionary-encoded strings), frame (int32), mixture (fixed-shape tensor float32
(17, K, 5)), pose_3d (fixed-shape tensor float32 (17, 3) or null), root_3d (fixed-shape tensor float32 (3) or null), width,
height (int32). Tensors are Arrow's own `arrow.fixed_shape_tensor`, which keeps its shape for every reader.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.skeleton import N_JOINTS

VERSION = 1
KEYS = ("subject", "action", "camera")
_STRINGS = pa.dictionary(pa.int32(), pa.string())
_WEIGHT_TOLERANCE = 1e-3


def schema(kernels: int) -> pa.Schema:
    """The Arrow schema of a shard with K = kernels."""
    fields = [pa.field(key, _STRINGS, nullable=False) for key in KEYS]
    fields += [
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("mixture", pa.fixed_shape_tensor(pa.float32(), (N_JOINTS, kernels, 5)), nullable=False),
        pa.field("pose_3d", pa.fixed_shape_tensor(pa.float32(), (N_JOINTS, 3))),
        pa.field("root_3d", pa.fixed_shape_tensor(pa.float32(), (3,))),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
    ]
    return pa.schema(fields, metadata={"pose_diffusion.version": str(VERSION), "pose_diffusion.kernels": str(kernels)})


def tensor_column(values: np.ndarray | None, rows: int, shape: tuple[int, ...], dtype: type = np.float32) -> pa.ExtensionArray:
    """A fixed-shape tensor column from (rows, *shape), or a column of nulls from None. No copy of contiguous input."""
    kind = pa.fixed_shape_tensor(pa.from_numpy_dtype(dtype), shape)
    if values is None:
        return pa.ExtensionArray.from_storage(kind, pa.nulls(rows, kind.storage_type))
    if values.shape != (rows, *shape):
        raise ValueError(f"expected {(rows, *shape)}, got {values.shape}")
    flat = pa.array(np.ascontiguousarray(values, dtype).reshape(-1))
    return pa.ExtensionArray.from_storage(kind, pa.FixedSizeListArray.from_arrays(flat, int(np.prod(shape))))


def tensor_values(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """(rows, *shape) of a fixed-shape tensor column; rows that are null hold NaN. Zero-copy for one chunk without nulls."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # an empty column has no chunk to combine
        array = pa.ExtensionArray.from_storage(column.type, pa.array([], column.type.storage_type))
    shape = (len(array), *array.type.shape)
    if not array.null_count:
        return array.storage.flatten().to_numpy(zero_copy_only=False).reshape(shape)
    present = array.is_valid().to_numpy(zero_copy_only=False)
    values = np.full(shape, np.nan, np.float32)
    values[present] = array.storage.drop_null().flatten().to_numpy(zero_copy_only=False).reshape(-1, *shape[1:])
    return values


def to_table(sequence: PoseSequence) -> pa.Table:
    """A sequence as rows of a shard. Raises InputError for shapes that disagree."""
    rows, kernels = len(sequence), sequence.mixture.shape[2] if sequence.mixture.ndim == 4 else 0
    try:
        columns = [
            *(_constant_strings(getattr(sequence, key), rows) for key in KEYS),
            pa.array(sequence.frame, pa.int32()),
            tensor_column(sequence.mixture, rows, (N_JOINTS, kernels, 5)),
            tensor_column(sequence.pose_3d, rows, (N_JOINTS, 3)),
            tensor_column(sequence.root_3d, rows, (3,)),
            pa.array(np.full(rows, sequence.width, np.int32)),
            pa.array(np.full(rows, sequence.height, np.int32)),
        ]
    except ValueError as error:
        raise InputError(f"{sequence.where}: {error}") from None
    return pa.Table.from_arrays(columns, schema=schema(kernels))


def checked_table(sequence: PoseSequence) -> pa.Table:
    """A sequence as rows that every reader takes. Raises InputError naming it for bad shapes or values (as `check_rows`)."""
    table = to_table(sequence)
    _check_mixture(sequence.mixture, sequence.where)
    for name, values in (("pose_3d", sequence.pose_3d), ("root_3d", sequence.root_3d)):
        if values is not None and not all_finite(values):
            _refuse(~np.isfinite(values).reshape(len(values), -1).all(1), sequence.where, name, "a value is not finite")
    for name, pixels in (("width", sequence.width), ("height", sequence.height)):
        _refuse(np.array([pixels <= 0]), sequence.where, name, "is not above 0")
    return table


def all_finite(values: np.ndarray) -> bool:
    """Whether all numbers (rows, ...) are finite: two passes along the rows and nothing allocated, as most data is good."""
    return not len(values) or bool(np.isfinite(values.min(0)).all() and np.isfinite(values.max(0)).all())


def check_schema(found: pa.Schema, where: str, columns: Sequence[str] | None = None) -> int:
    """K of a shard's schema. Raises InputError for another version, a missing column or another type."""
    version = (found.metadata or {}).get(b"pose_diffusion.version", b"none").decode()
    if version != str(VERSION):
        raise InputError(f"{where}: shard schema version {version}, expected {VERSION}")
    if "mixture" not in found.names:
        raise InputError(f"{where}: no column 'mixture'")
    shape = getattr(found.field("mixture").type, "shape", None)
    if shape is None or len(shape) != 3 or shape[0] != N_JOINTS or shape[1] < 1 or shape[2] != 5:
        raise InputError(f"{where}: column 'mixture': expected a tensor ({N_JOINTS}, K, 5), got {found.field('mixture').type}")
    for field in schema(shape[1]):
        if columns is not None and field.name not in columns:
            continue
        if field.name not in found.names:
            raise InputError(f"{where}: no column '{field.name}'")
        if not found.field(field.name).type.equals(field.type):
            raise InputError(f"{where}: column '{field.name}': expected {field.type}, got {found.field(field.name).type}")
    return int(shape[1])


def check_rows(table: pa.Table, where: str, require_3d: bool = False) -> None:
    """Checks the values of a shard's rows (the columns that are there). Raises InputError with the row and the column."""
    if "mixture" in table.column_names:
        _check_mixture(tensor_values(table["mixture"]), where)
    for name in ("pose_3d", "root_3d"):
        if name not in table.column_names:
            continue
        column = table[name]
        if require_3d and column.null_count:
            missing = ~np.asarray(column.is_valid().to_numpy(zero_copy_only=False))
            _refuse(missing, where, name, "is null, and training needs it")
        values = tensor_values(column)
        bad = ~np.isfinite(values).all(tuple(range(1, values.ndim)))
        _refuse(bad & column.is_valid().to_numpy(zero_copy_only=False), where, name, "a value is not finite")
    for name in ("width", "height"):
        if name in table.column_names:
            _refuse(table[name].to_numpy() <= 0, where, name, "is not above 0")


def _check_mixture(mixture: np.ndarray, where: str) -> None:
    if not len(mixture):
        return
    if not all_finite(mixture):
        _refuse(~np.isfinite(mixture).all((1, 2, 3)), where, "mixture", "a value is not finite")
    least = mixture.min(0)  # (17, K, 5)
    if (least[..., [0, 3, 4]] < 0).any():
        _refuse((mixture[..., 3:] < 0).any((1, 2, 3)), where, "mixture", "a sigma is negative")
        _refuse((mixture[..., 0] < 0).any((1, 2)), where, "mixture", "a weight is negative")
    weight = np.moveaxis(mixture[..., 0], -1, 0).copy()  # (K, rows, 17)
    _refuse((abs(weight.sum(0) - 1) > _WEIGHT_TOLERANCE).any(1), where, "mixture", "weights of a joint do not sum to 1")
    unsorted = (np.diff(weight, axis=0) > _WEIGHT_TOLERANCE).any((0, 2))
    _refuse(unsorted, where, "mixture", "kernels are not heaviest first")


def _refuse(bad: np.ndarray | np.bool, where: str, column: str, reason: str) -> None:
    if bad.any():
        raise InputError(f"{where}: row {int(bad.argmax())}, column '{column}': {reason}")


def _constant_strings(value: str, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value], pa.string()))
