"""The prediction shard: a Parquet file with a row for each row of the pose shard of the same name, in its order.

Columns: subject, action, camera, frame, width, height as in the input; then fixed-shape tensors of float32
    pose_2d      (17, 2)     what was lifted (infer.pose_2d), normalised screen
    pose_3d      (17, 3)     metres, camera frame, minus the pelvis
    spread_mm    (17)        RMS distance of the hypotheses' joints from their mean, times a scale; 0 with one hypothesis
    truth_3d     (17, 3)     as pose_3d; null where unknown
    hypotheses   (H, 17, 3)  as pose_3d; only where asked for
    root_3d      (3)         where a camera is known: the pelvis in the camera frame, metres, fitted to the 2D pose
and root_mm, float32, with root_3d: its distance from the true one; both null where unknown
and for each method (lifter, diffusion, ...; the last but the oracle is pose_3d's), null where the truth is unknown
    METHOD_joint_mm  (17)    error of each joint
    METHOD_p_mpjpe_mm, METHOD_n_mpjpe_mm  float32
    METHOD_3d        (17, 3) its pose, for velocity errors; neither for pose_3d's method nor the oracle
The method 'oracle' is the hypothesis of each pose with the lowest MPJPE, chosen by the truth.

Older files are without these, each of which is null where unknown:
    distance_m, elevation_deg, intrinsics   how the person was recorded: see `data.recording`
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from pose_diffusion import storage
from pose_diffusion.data import recording as recordings
from pose_diffusion.data import schema
from pose_diffusion.data.mixture import MEAN
from pose_diffusion.data.recording import Recording
from pose_diffusion.data.schema import tensor_column, tensor_values
from pose_diffusion.errors import InputError, RunError
from pose_diffusion.geometry import metrics
from pose_diffusion.geometry.skeleton import N_JOINTS

VERSION = 1
ORACLE = "oracle"
COPIED = (*schema.KEYS, "frame", "width", "height")
_VERSION = b"pose_diffusion.predictions"
_METHODS = b"pose_diffusion.methods"
_HYPOTHESES = b"pose_diffusion.hypotheses"
_ROOTS = b"pose_diffusion.roots"
_POSE = (N_JOINTS, 3)


@dataclass(frozen=True)
class PredictionLayout:
    """What a prediction file holds: its methods, the last of them (the oracle aside) pose_3d's, hypotheses kept, roots."""

    methods: tuple[str, ...]
    hypotheses: int
    roots: bool = False

    @property
    def final(self) -> str:
        return [method for method in self.methods if method != ORACLE][-1]

    @property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor column."""
        shapes: dict[str, tuple[int, ...]] = {"pose_2d": (N_JOINTS, 2), "pose_3d": _POSE, "spread_mm": (N_JOINTS,)}
        shapes |= {"truth_3d": _POSE}
        shapes |= {f"{method}_joint_mm": (N_JOINTS,) for method in self.methods}
        shapes |= {f"{method}_3d": _POSE for method in self.methods if method not in (self.final, ORACLE)}
        shapes |= {"root_3d": (3,)} if self.roots else {}
        return shapes | ({"hypotheses": (self.hypotheses, *_POSE)} if self.hypotheses else {})

    @property
    def numbers(self) -> list[str]:
        """Names of the columns of numbers."""
        errors = [f"{method}_{kind}_mm" for method in self.methods for kind in ("p_mpjpe", "n_mpjpe")]
        return errors + (["root_mm"] if self.roots else [])


def build(
    rows: pa.Table,
    poses: Mapping[str, np.ndarray | torch.Tensor],
    spread_mm: np.ndarray | torch.Tensor | None = None,
    hypotheses: np.ndarray | torch.Tensor | None = None,
    keep_hypotheses: bool = False,
    root_3d: np.ndarray | torch.Tensor | None = None,
    pose_2d: np.ndarray | torch.Tensor | None = None,
    recording: Recording | None = None,
) -> pa.Table:
    """Predictions for rows of a pose shard, with their errors where the truth is known.

    poses: method -> (N, 17, 3) metres; the last is the one to publish as pose_3d. spread_mm: (N, 17), None is 0.
    hypotheses: (N, H, 17, 3) metres; with H > 1 they give the oracle's errors, and are kept if asked. root_3d: (N, 3)
    metres, NaN where the camera is unknown; None where no camera is known. pose_2d: (N, 17, 2) that was lifted, None is the
    heaviest kernels. recording: what is known of cameras and frame rate.
    Raises RunError for a pose that is not finite.
    """
    centred = {method: _centre(pose) for method, pose in poses.items()}  # each (N, 17, 3)
    final = list(centred)[-1]
    truth = tensor_values(rows["pose_3d"])  # NaN where unknown
    known = rows["pose_3d"].combine_chunks().is_valid().to_numpy(zero_copy_only=False)
    for method, pose in centred.items():
        finite = pose.isfinite().flatten(1).all(1)
        if not finite.all():
            raise RunError(f"row {int((~finite).int().argmax())}: the {method}'s pose is not finite")
    spread = np.zeros((len(rows), N_JOINTS), np.float32) if spread_mm is None else np.asarray(spread_mm)

    seen = tensor_values(rows["mixture"])[:, :, 0, MEAN] if pose_2d is None else np.asarray(pose_2d)
    columns = {name: rows[name] for name in COPIED}
    columns |= {
        "pose_2d": tensor_column(seen, len(rows), (N_JOINTS, 2)),
        "pose_3d": tensor_column(centred[final].numpy(), len(rows), _POSE),
        "spread_mm": tensor_column(spread, len(rows), (N_JOINTS,)),
        "truth_3d": _nullable(truth, known),
    }
    target = metrics.centre(torch.from_numpy(truth[known]))
    scored = {method: pose[torch.from_numpy(known)] for method, pose in centred.items()}
    if hypotheses is not None and hypotheses.shape[1] > 1:
        all_hypotheses = _centre(hypotheses)
        scored[ORACLE] = best_hypothesis(all_hypotheses[torch.from_numpy(known)], target)
        if keep_hypotheses:
            columns["hypotheses"] = tensor_column(all_hypotheses.numpy(), len(rows), tuple(all_hypotheses.shape[1:]))
    for method, pose in scored.items():
        columns[f"{method}_joint_mm"] = _nullable(metrics.joint_errors(pose, target).numpy(), known)
        columns[f"{method}_p_mpjpe_mm"] = _nullable(metrics.p_mpjpe(pose, target).numpy(), known)
        columns[f"{method}_n_mpjpe_mm"] = _nullable(metrics.n_mpjpe(pose, target).numpy(), known)
        if method not in (final, ORACLE):
            columns[f"{method}_3d"] = _nullable(pose.numpy(), known)
    if root_3d is not None:
        columns |= _roots(np.asarray(root_3d, np.float32), tensor_values(rows["root_3d"]))
    recording = recording or Recording()
    columns |= recording.columns(tensor_values(rows["root_3d"]))
    kept = columns["hypotheses"].type.shape[0] if "hypotheses" in columns else 0
    metadata = {
        _VERSION: str(VERSION),
        _METHODS: ",".join(scored),
        _HYPOTHESES: str(kept),
        _ROOTS: str(int("root_3d" in columns)),
    }
    return pa.table(columns).replace_schema_metadata(metadata | recording.metadata)


def best_hypothesis(hypotheses: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The hypothesis of each pose with the lowest MPJPE. (N, H, 17, 3) and (N, 17, 3) -> (N, 17, 3)."""
    best = metrics.mpjpe(hypotheses, truth.unsqueeze(1)).argmin(1)  # (N,)
    return hypotheses[torch.arange(len(best), device=best.device), best]


def write(path: str, table: pa.Table, metadata: Mapping[str, str] | None = None) -> None:
    """Publishes predictions as one file, with more key-value metadata in its footer if given."""
    extra = {key.encode(): value.encode() for key, value in (metadata or {}).items()}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **extra})
    with storage.publish(path) as temporary:
        pq.write_table(table, temporary, compression="none", use_dictionary=[*schema.KEYS, recordings.INTRINSICS])


def layout(found: pa.Schema, where: str) -> PredictionLayout:
    """What a file of this schema holds. Raises InputError where it is not a prediction file of this version."""
    metadata = found.metadata or {}
    version = metadata.get(_VERSION, b"none").decode()
    if version != str(VERSION):
        raise InputError(f"{where}: prediction schema version {version}, expected {VERSION}")
    methods = tuple(metadata.get(_METHODS, b"").decode().split(","))
    if set(methods) <= {"", ORACLE}:
        raise InputError(f"{where}: no methods named in the file's metadata")
    hypotheses = metadata.get(_HYPOTHESES, b"0").decode()
    return PredictionLayout(methods, int(hypotheses) if hypotheses.isdigit() else 0, metadata.get(_ROOTS) == b"1")


def check_schema(found: pa.Schema, where: str, columns: Sequence[str] | None = None) -> PredictionLayout:
    """The layout, after checking the columns (None: all). Raises InputError for a missing one or another type."""
    held = layout(found, where)
    tensors = {name: pa.fixed_shape_tensor(pa.float32(), shape) for name, shape in held.tensors.items()}
    numbers = {name: pa.float32() for name in held.numbers}
    copied = {field.name: field.type for field in schema.schema(1) if field.name in COPIED}
    views = {name: kind for name, kind in recordings.COLUMNS.items() if name in found.names}
    for name, kind in {**copied, **tensors, **numbers, **views}.items():
        if columns is not None and name not in columns:
            continue
        if name not in found.names:
            raise InputError(f"{where}: no column '{name}'")
        if not found.field(name).type.equals(kind):
            raise InputError(f"{where}: column '{name}': expected {kind}, got {found.field(name).type}")
    return held


def read(path: str, columns: Sequence[str] | None = None, without: Collection[str] = ()) -> pa.Table:
    """Columns of a file (None: all but those named in `without`), its schema checked.

    Raises InputError for a file that is missing, truncated, not Parquet, or no prediction file of this version.
    """
    try:
        with storage.clear_errors(path), storage.open_file(path) as file, pq.ParquetFile(file) as parquet:
            check_schema(parquet.schema_arrow, path, columns)
            names = columns if columns is not None else parquet.schema_arrow.names
            table = parquet.read(columns=[name for name in names if name not in without])
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    for name in ("pose_2d", "pose_3d", "spread_mm"):
        if name in table.column_names:
            values = tensor_values(table[name])
            bad = ~np.isfinite(values).all(tuple(range(1, values.ndim)))
            if bad.any():
                raise InputError(f"{path}: row {int(bad.argmax())}, column '{name}': a value is not finite")
    return table


def _centre(pose: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Minus the pelvis, float32, on the CPU."""
    return metrics.centre(torch.as_tensor(pose).detach().float().cpu())


def _roots(root: np.ndarray, truth: np.ndarray) -> dict[str, pa.Array]:
    """The columns of roots and their errors. Both (N, 3) metres, NaN where unknown."""
    found = np.isfinite(root).all(1)
    error_mm = np.linalg.norm(root - truth, axis=1) * 1000
    return {"root_3d": _nullable(root, found), "root_mm": pa.array(error_mm, pa.float32(), mask=~np.isfinite(error_mm))}


def _nullable(values: np.ndarray, known: np.ndarray) -> pa.Array:
    """A column of float32 numbers or tensors. values: a row for each row of `known`, or for each True in it."""
    if values.shape[1:] and known.all():
        return tensor_column(values, len(known), values.shape[1:])
    full = np.zeros((len(known), *values.shape[1:]), np.float32)
    full[known] = values[known] if len(values) == len(known) else values
    if not values.shape[1:]:
        return pa.array(full, mask=~known)
    kind = pa.fixed_shape_tensor(pa.float32(), values.shape[1:])
    size = int(np.prod(values.shape[1:]))
    flat = pa.FixedSizeListArray.from_arrays(pa.array(full.reshape(-1)), size, mask=pa.array(~known))
    return pa.ExtensionArray.from_storage(kind, flat)
