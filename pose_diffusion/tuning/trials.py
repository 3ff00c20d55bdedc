"""The trials of a search: their journal, from which a killed search goes on, and their table.

<tune.output>/trials/0007.json   settings, status, reason and learning curve of a trial, published anew at each change
<tune.output>/trials/0007/       its training run, as jobs/train.py writes one
<tune.output>/trials.parquet     one row a trial (`table` says what is in it)
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from pose_diffusion import storage
from pose_diffusion.errors import InputError
from pose_diffusion.training import history

FOLDER, TABLE = "trials", "trials.parquet"
_ABOUT = "pose_diffusion.tuning"
METRIC = "held-out MPJPE, mm"
Status = Literal["running", "finished", "pruned", "failed"]

_CURVE = pa.list_(
    pa.struct([("epoch", pa.int32()), ("mpjpe", pa.float64()), ("loss", pa.float64()), ("seconds", pa.float64())])
)


@dataclass(frozen=True)
class Point:
    """After an epoch, counted from 1: held-out MPJPE in mm (None where it was not evaluated), loss, seconds trained so far."""

    epoch: int
    mpjpe: float | None
    loss: float
    seconds: float


@dataclass(frozen=True)
class Trial:
    """Settings by whole key, and what came of them. mpjpe: the best held-out so far, mm. seconds: of training alone."""

    id: str
    settings: Mapping[str, Any]
    status: Status = "running"
    reason: str = ""
    mpjpe: float | None = None
    seconds: float = 0.0
    device: str = "cpu"
    curve: Sequence[Point] = field(default_factory=tuple)

    @property
    def epochs(self) -> int:
        return self.curve[-1].epoch if self.curve else 0

    def with_curve(self, curve: Sequence[Point]) -> Trial:
        """The trial after these epochs."""
        known = [point.mpjpe for point in curve if point.mpjpe is not None]
        return dataclasses.replace(
            self, curve=tuple(curve), mpjpe=min(known, default=None), seconds=curve[-1].seconds if curve else 0.0
        )


class Journal:
    """The trials of the search in a folder, in the order in which they began."""

    def __init__(self, folder: str):
        self.folder = folder
        self._trials: dict[str, Trial] = {}
        for name in storage.list_files(storage.join(folder, FOLDER), ".json"):
            if "/" not in name:
                trial = _read(storage.join(folder, FOLDER, name))
                self._trials[trial.id] = trial

    def __iter__(self):
        return iter(self._trials.values())

    def __len__(self) -> int:
        return len(self._trials)

    def __getitem__(self, id: str) -> Trial:
        return self._trials[id]

    def run(self, id: str) -> str:
        """The folder of a trial's training run."""
        return storage.join(self.folder, FOLDER, id)

    def begin(self, settings: Mapping[str, Any], device: str) -> Trial:
        """A new trial, in the journal before anything of it runs."""
        trial = Trial(f"{len(self._trials) + 1:04d}", dict(settings), device=device)
        self.record(trial)
        return trial

    def record(self, trial: Trial) -> None:
        """Writes a trial down as it is now."""
        self._trials[trial.id] = trial
        storage.publish_bytes(f"{self.run(trial.id)}.json", json.dumps(dataclasses.asdict(trial), indent=1).encode())

    def read_curve(self, id: str) -> Trial:
        """The trial with the epochs that its run has written down by now."""
        path = storage.join(self.run(id), history.JSON_LINES)
        if not storage.exists(path):
            return self._trials[id]
        entries = [json.loads(line) for line in storage.read_bytes(path).decode().splitlines()]
        return self._trials[id].with_curve(points(entries))

    def tidy(self, id: str) -> None:
        """Deletes the checkpoints of a trial that has ended; curves, and the bundle of a finished one, stay."""
        storage.remove_folder(storage.join(self.run(id), "checkpoints"))

    @property
    def best(self) -> Trial | None:
        """The finished trial of the least error; where none has finished, the best that was not failing."""
        judged = [trial for trial in self if trial.mpjpe is not None and trial.status != "failed"]
        return min(judged, key=lambda trial: (trial.status != "finished", trial.mpjpe, trial.id), default=None)


def points(entries: Iterable[Mapping[str, Any]]) -> list[Point]:
    """The curve of a run's history; of a run of lifter and denoiser, the denoiser's part."""
    entries = list(entries)
    stage = entries[-1]["stage"] if entries else ""
    curve, seconds = [], 0.0
    for entry in entries:
        if entry["stage"] == stage:
            seconds += entry["samples"] / max(entry["samples_per_second"], 1e-9)
            mpjpe = entry.get("mpjpe" if stage == "video" else "diffusion_mpjpe")  # of a lifter alone, its own
            known = mpjpe if mpjpe is not None and math.isfinite(mpjpe) else None
            curve.append(Point(entry["epoch"] + 1, known, entry["loss"], seconds))
    return curve


def table(trials: Iterable[Trial], space: Mapping[str, Any], mode: str, best: str | None) -> pa.Table:
    """One row a trial:

    trial, status ('finished', 'pruned', 'failed', 'running'), reason ('' unless failed), epochs (int32, done), mpjpe
    (float64, mm, best held-out so far), seconds (float64, of training), device, a column for each searched key by its whole
    name (int64, float64, bool or string; lists as YAML), and curve: list of (epoch, mpjpe, loss, seconds).
    The schema's metadata holds 'pose_diffusion.tuning': space, keys, metric, best trial and mode as JSON.
    """
    trials = list(trials)
    columns = {
        "trial": pa.array([trial.id for trial in trials], pa.string()),
        "status": pa.array([trial.status for trial in trials], pa.string()),
        "reason": pa.array([trial.reason for trial in trials], pa.string()),
        "epochs": pa.array([trial.epochs for trial in trials], pa.int32()),
        "mpjpe": pa.array([trial.mpjpe for trial in trials], pa.float64()),
        "seconds": pa.array([trial.seconds for trial in trials], pa.float64()),
        "device": pa.array([trial.device for trial in trials], pa.string()),
        **{key: _column([trial.settings[key] for trial in trials]) for key in space},
        "curve": pa.array([[dataclasses.asdict(point) for point in trial.curve] for trial in trials], _CURVE),
    }
    told = {"space": dict(space), "keys": list(space), "metric": METRIC, "best": best, "mode": mode}
    return pa.table(columns).replace_schema_metadata({_ABOUT: json.dumps(told)})


def about(rows: pa.Table) -> dict[str, Any]:
    """What a table of trials says of its search."""
    return json.loads(rows.schema.metadata[_ABOUT.encode()])


def publish_table(folder: str, rows: pa.Table) -> None:
    content = io.BytesIO()
    pq.write_table(rows, content)
    storage.publish_bytes(storage.join(folder, TABLE), content.getvalue())


def text(value: Any) -> str:
    """A setting as people write it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return yaml.safe_dump(value, default_flow_style=True, width=1000).replace("\n...", "").strip()


def _column(values: list) -> pa.Array:
    """Settings of one key, as the one type that holds them all."""
    kinds = {type(value) for value in values}
    if kinds <= {bool}:
        return pa.array(values, pa.bool_())
    if kinds <= {int}:
        return pa.array(values, pa.int64())
    if kinds <= {int, float}:
        return pa.array([float(value) for value in values], pa.float64())
    return pa.array([value if isinstance(value, str) else text(value) for value in values], pa.string())


def _read(path: str) -> Trial:
    try:
        values = json.loads(storage.read_bytes(path))
        return Trial(**{**values, "curve": tuple(Point(**point) for point in values["curve"])})
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{path}: not the record of a trial") from None
