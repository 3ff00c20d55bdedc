"""One pose shard to one prediction file: read and check, lift in passes of one shape, score, publish.

An actor runs a few calls at once: while one holds the device, others read the next shard and write the last. A GPU is held
while its work is queued, not until it is done, so that it always has some. What a shard becomes depends on its rows and the
run's settings alone, so a call may be repeated, and its file is the same each time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import pickle
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from pose_diffusion import storage
from pose_diffusion.config import InferConfig
from pose_diffusion.data import predictions, schema, shards
from pose_diffusion.data.manifest import Selection, ShardFile
from pose_diffusion.distributed.infer.shard_rows import row_frames, row_intrinsics, row_keys, row_sequences
from pose_diffusion.errors import InputError, StorageError
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.inference.bundle import load_bundle
from pose_diffusion.inference.estimation import Estimate, estimate
from pose_diffusion.inference.lifting import poses_per_pass, suitable_rows
from pose_diffusion.inference.options import SamplingOptions
from pose_diffusion.report import report_stats
from pose_diffusion.report.report_stats import ReportStats
from pose_diffusion.runtime.process import configure_runtime
from pose_diffusion.storage.retry import is_storage_full, retry

log = logging.getLogger(__name__)

PREDICTIONS = "predictions"
RUN = "pose_diffusion.run"
_STARTS = 4  # of a shard whose worker dies, before it is given up
_GROUP = 2048  # poses, hypotheses counted, between two looks at the progress


class ShardProgress(Protocol):
    def begun(self, path: str) -> int: ...
    def reached(self, path: str, rows: int) -> None: ...


@dataclass(frozen=True)
class Task:
    """What lifting a shard needs to know.

    cameras: '<subject>/<camera>' -> its parameters. reproject: all poses have one. run: the identity that marks this run's
    prediction files.
    """

    infer: InferConfig
    selection: Selection
    kernels: int
    cameras: dict[str, Camera]
    reproject: bool
    run: str
    device: str
    threads: int

    def source(self, file: ShardFile) -> str:
        return storage.join(self.infer.input, file.path)

    def output(self, file: ShardFile) -> str:
        """Where the predictions of a shard file go: under its own name."""
        return storage.join(self.infer.output, PREDICTIONS, file.path)


@dataclass(frozen=True)
class Outcome:
    """What became of a shard file: its figures, or why there are none.

    bad: the file is not what it should be. lost: it was not lifted for another reason. full: nothing can be written.
    """

    path: str
    rows: int
    stats: ReportStats | None = None
    bad: str = ""
    lost: str = ""
    full: bool = False


class ShardLifter:
    """The model, loaded once, and a call that lifts the shards of a batch {'file': pickled ShardFiles} to pickled Outcomes.

    progress: told of shards begun and of the poses lifted so far.
    """

    def __init__(self, task: Task, progress: ShardProgress | None = None):
        infer = task.infer
        # Ray sets OMP_NUM_THREADS to 1 in its workers. A GPU's CPUs work on one shard each.
        threads = task.threads if task.device == "cpu" else task.threads // max(1, infer.shards_in_flight)
        configure_runtime(max(1, threads), infer.precision == "tf32")
        self.task, self.progress = task, progress
        bundle = load_bundle(infer.bundle, task.device)
        self.bundle = bundle if infer.diffusion else dataclasses.replace(bundle, denoiser=None)
        if infer.compiled:
            self.bundle.compile()
        batch = infer.batch or suitable_rows(self.bundle.device)
        self.options = SamplingOptions.from_config(infer, reproject=task.reproject, batch=batch)
        self.device = threading.Lock()

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        outcomes = [self.lift(pickle.loads(file)) for file in batch["file"]]
        return {"outcome": np.array([pickle.dumps(outcome) for outcome in outcomes], object)}

    def lift(self, file: ShardFile) -> Outcome:
        """Publishes the predictions of a shard file. Never raises: what fails is told in the outcome."""
        count = self.task.selection.count(file)
        if self.progress and self.progress.begun(file.path) > _STARTS:
            return Outcome(file.path, count, lost=f"{self.task.source(file)}: its worker died {_STARTS} times")
        try:
            rows = self._read(file)
        except InputError as error:
            if not isinstance(error, StorageError):
                return Outcome(file.path, count, bad=str(error))
            return Outcome(file.path, count, lost=str(error))
        except Exception as error:
            return Outcome(file.path, count, lost=_reason(self.task.source(file), error))
        output = self.task.output(file)
        try:
            poses = self._poses(rows)
            with self.device:
                parts = self._estimate(*poses, file.path)
                queued = self._queued()
            if queued:
                queued.synchronize()
            found = Estimate.joined(parts)
            if width := self.task.infer.smooth:
                found = found.smoothed(row_frames(rows), row_sequences(rows), width)
            keep = self.task.infer.keep_hypotheses
            spread_mm = found.spread_mm * self.task.infer.spread_scale
            table = predictions.build(rows, found.poses, spread_mm, found.hypotheses, keep, found.root_3d, found.pose_2d)
            retry(lambda: predictions.write(output, table, {RUN: self.task.run}), self.task.infer.retries)
            return Outcome(file.path, count, stats=report_stats.of_table(table, output))
        except Exception as error:
            return Outcome(file.path, count, lost=_reason(output, error), full=is_storage_full(error))

    def _read(self, file: ShardFile) -> pa.Table:
        """The selected rows. Raises InputError unless the file is what the manifest says."""
        task, path = self.task, self.task.source(file)
        content = retry(lambda: storage.read_bytes(path), task.infer.retries)
        table = shards.read(path, kernels=task.kernels, content=content)
        if len(table) != file.rows:
            raise InputError(f"{path}: {len(table)} rows, the manifest says {file.rows}")
        # Last, because a bad row is the better message.
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise InputError(f"{path}: its SHA-256 is not the manifest's: changed since it was prepared")
        return shards.select(table, task.selection)

    def _poses(self, rows: pa.Table) -> tuple[Tensor, Tensor, Tensor | None]:
        """What is lifted, on the device: mixtures, keys of the draws and, where cameras are known, intrinsics."""
        mixture = torch.from_numpy(np.require(schema.tensor_values(rows["mixture"]), requirements="W"))
        keys = row_keys(rows, self.task.infer.seed)
        intrinsic = row_intrinsics(rows, self.task.cameras) if self.task.cameras else None
        return self._to_device(mixture), self._to_device(keys), None if intrinsic is None else self._to_device(intrinsic)

    def _to_device(self, tensor: Tensor) -> Tensor:
        device = self.bundle.device
        if device.type == "cuda":  # only from pinned memory a copy need not wait for what is queued
            tensor = tensor.pin_memory()
        return tensor.to(device, non_blocking=True)

    def _queued(self) -> torch.cuda.Event | None:
        """What ends when the GPU has done all that is queued for it."""
        if self.bundle.device.type != "cuda":
            return None
        event = torch.cuda.Event(blocking=True)
        event.record()
        return event

    def _estimate(self, mixture: Tensor, keys: Tensor, intrinsic: Tensor | None, path: str) -> list[Estimate]:
        """The estimate, part by part, in the CPU's memory once a GPU has done what is queued."""
        a_pass = poses_per_pass(self.options, self.bundle.device)
        group = a_pass * -(-_GROUP // (a_pass * self.options.hypotheses))  # whole passes, so that the last one alone is padded
        parts = []
        with self._precision():
            for start in range(0, len(mixture), group):
                part = slice(start, start + group)
                known = None if intrinsic is None else intrinsic[part]
                parts.append(estimate(self.bundle, mixture[part], self.options, keys[part], known).on_cpu())
                if self.progress:
                    self.progress.reached(path, min(start + group, len(mixture)))
        return parts

    def _precision(self) -> contextlib.AbstractContextManager:
        return torch.autocast(self.bundle.device.type, torch.bfloat16, enabled=self.task.infer.precision == "bf16")


def finished(task: Task, file: ShardFile) -> ReportStats | None:
    """The figures of a prediction file that is there, if this run published it and it is whole; else None."""
    path = task.output(file)
    try:
        table = retry(lambda: predictions.read(path, without=("hypotheses",)), task.infer.retries)
    except StorageError:
        raise
    except InputError:
        return None
    mark = (table.schema.metadata or {}).get(RUN.encode(), b"").decode()
    return report_stats.of_table(table, path) if mark == task.run and len(table) == task.selection.count(file) else None


def _reason(path: str, error: Exception) -> str:
    log.debug("%s", path, exc_info=error)
    lines = str(error).splitlines() or [""]
    return lines[0] if lines[0].startswith(path) else f"{path}: {type(error).__name__}: {lines[0]}"
