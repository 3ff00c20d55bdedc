"""One pose shard to one prediction file: read and check, lift in passes of one shape, score, publish.

An actor runs a few calls at once: while one holds the device, others read the next shard and write the last. A GPU is held
while its work is queued, not until it is done, so that it always has some. What a shard becomes depends on its rows and the
run's settings alone, so a call may be repeated, and its file is the same each time.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import pickle
import platform
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch

from pose_diffusion import pretrained, storage
from pose_diffusion.config import InferConfig
from pose_diffusion.data import predictions, shards
from pose_diffusion.data.manifest import Selection, ShardFile
from pose_diffusion.data.recording import Recording
from pose_diffusion.distributed.infer.estimators import COLUMNS, ClipEstimator, Estimator, FrameEstimator, ShardInput
from pose_diffusion.distributed.infer.halos import Halo, Neighbour
from pose_diffusion.distributed.infer.shard_rows import check_image_sizes, row_frames, row_sequences, row_up
from pose_diffusion.errors import InputError, StorageError
from pose_diffusion.geometry import smoothing
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.inference.bundle import load_bundle
from pose_diffusion.inference.clip_lifting import ASSUMED_RATE
from pose_diffusion.inference.estimation import Estimate
from pose_diffusion.inference.video_bundle import VideoBundle
from pose_diffusion.report import report_stats
from pose_diffusion.report.report_stats import ReportStats
from pose_diffusion.runtime.process import configure_runtime
from pose_diffusion.storage.retry import is_storage_full, retry

log = logging.getLogger(__name__)

PREDICTIONS = "predictions"
RUN = "pose_diffusion.run"
_STARTS = 4  # of a shard whose worker dies, before it is given up
NO_HALO = Halo()


class ShardProgress(Protocol):
    def begun(self, path: str) -> int: ...
    def reached(self, path: str, rows: int) -> None: ...


@dataclass(frozen=True)
class Task:
    """What lifting a shard needs to know.

    cameras: '<subject>/<camera>' -> its parameters. reproject: all poses have one. run: the identity that marks this run's
    prediction files. bundle: content hash of the model. rate: frames a second, for the video family. known_rate: where somebody
    says so, of any.
    """

    infer: InferConfig
    selection: Selection
    kernels: int
    cameras: dict[str, Camera]
    reproject: bool
    run: str
    bundle: str
    device: str
    threads: int
    rate: float = ASSUMED_RATE
    known_rate: float | None = None

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
    """The model, loaded once, and a call that lifts a batch of shards.

    The batch is {'shard': pickled pairs of ShardFile and Halo}, the result {'outcome': pickled Outcomes}.

    progress: told of shards begun and of the poses lifted so far.
    """

    def __init__(self, task: Task, progress: ShardProgress | None = None):
        infer = task.infer
        # Ray sets OMP_NUM_THREADS to 1 in its workers. A GPU's CPUs work on one shard each.
        threads = task.threads if task.device == "cpu" else task.threads // max(1, infer.shards_in_flight)
        configure_runtime(max(1, threads), infer.precision == "tf32")
        self.task, self.progress = task, progress
        bundle = load_bundle(infer.bundle, task.device)
        if bundle.content_hash != task.bundle:  # a machine's own copy of the shipped model may be another version's
            raise InputError(
                f"{pretrained.title(infer.bundle)}: on {platform.node()} it is not the model that the job started with, or "
                "it has changed: install one version of pose-diffusion everywhere"
            )
        self.estimator: Estimator = (
            ClipEstimator(bundle, infer, task.cameras, task.rate)
            if isinstance(bundle, VideoBundle)
            else FrameEstimator(bundle, infer, task.cameras, task.reproject)
        )
        self.bundle = self.estimator.bundle
        self.device = threading.Lock()

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        outcomes = [self.lift(*pickle.loads(shard)) for shard in batch["shard"]]
        return {"outcome": np.array([pickle.dumps(outcome) for outcome in outcomes], object)}

    def lift(self, file: ShardFile, halo: Halo = NO_HALO) -> Outcome:
        """Publishes the predictions of a shard file. Never raises: what fails is told in the outcome.

        halo: the rows of neighbouring files that its clips and smoothing reach into.
        """
        count = self.task.selection.count(file)
        if self.progress and self.progress.begun(file.path) > _STARTS:
            return Outcome(file.path, count, lost=f"{self.task.source(file)}: its worker died {_STARTS} times")
        try:
            rows = self._read(file)
            before, after = self._neighbours(halo.before)[::-1], self._neighbours(halo.after)
            shard = ShardInput(rows, before, after, halo.place, smoothing_reach(self.task.infer))
        except InputError as error:
            if not isinstance(error, StorageError):
                return Outcome(file.path, count, bad=str(error))
            return Outcome(file.path, count, lost=str(error))
        except Exception as error:
            return Outcome(file.path, count, lost=_reason(self.task.source(file), error))
        output = self.task.output(file)
        try:
            inputs = self.estimator.inputs(shard)
            with self.device:
                parts = self.estimator.estimate(inputs, lambda done: self._reached(file.path, min(done, count)))
                queued = self._queued()
            if queued:
                queued.synchronize()
            found = Estimate.joined(parts)
            if width := self.task.infer.smooth:
                lifted = shard.all[shard.lifted]
                found = found.smoothed(row_frames(lifted), row_sequences(lifted), width).part(shard.own)
            keep = self.task.infer.keep_hypotheses
            spread_mm = found.spread_mm * self.task.infer.spread_scale
            recording = Recording(row_up(rows, self.task.cameras), self.estimator.sources(rows), self.task.known_rate)
            table = predictions.build(
                rows, found.poses, spread_mm, found.hypotheses, keep, found.root_3d, found.pose_2d, recording
            )
            retry(lambda: predictions.write(output, table, {RUN: self.task.run}), self.task.infer.retries)
            return Outcome(file.path, count, stats=report_stats.of_table(table, output))
        except Exception as error:
            return Outcome(file.path, count, lost=_reason(output, error), full=is_storage_full(error))

    def _read(self, file: ShardFile) -> pa.Table:
        """The selected rows. Raises InputError unless the file and its images are what the manifest says."""
        task, path = self.task, self.task.source(file)
        content = retry(lambda: storage.read_bytes(path), task.infer.retries)
        table = shards.read(path, kernels=task.kernels, content=content)
        if len(table) != file.rows:
            raise InputError(f"{path}: {len(table)} rows, the manifest says {file.rows}")
        # Last, because a bad row is the better message.
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise InputError(f"{path}: its SHA-256 is not the manifest's: changed since it was prepared")
        rows = shards.select(table, task.selection)
        check_image_sizes(rows, task.cameras, path)
        return rows

    def _neighbours(self, neighbours: Sequence[Neighbour]) -> tuple[pa.Table, ...]:
        """The selected rows of neighbouring files. Where bad shards are skipped, a bad one ends what clips can see."""
        task = self.task
        tables = []
        for neighbour in neighbours:
            path = task.source(neighbour.file)
            read = functools.partial(shards.read_rows, path, neighbour.start, neighbour.stop, COLUMNS, task.kernels)
            try:
                table = retry(read, task.infer.retries)
            except StorageError:
                raise
            except InputError as error:
                if task.infer.on_bad_shard != "skip":
                    raise
                log.warning("infer: clips end before a shard that cannot be read: %s", error)
                break
            tables.append(shards.select(table, task.selection))
        return tuple(tables)

    def _reached(self, path: str, rows: int) -> None:
        if self.progress:
            self.progress.reached(path, rows)

    def _queued(self) -> torch.cuda.Event | None:
        """What ends when the GPU has done all that is queued for it."""
        if self.bundle.device.type != "cuda":
            return None
        event = torch.cuda.Event(blocking=True)
        event.record()
        return event


def smoothing_reach(infer: InferConfig) -> int:
    """Rows on each side of a file that smoothing at its ends takes in."""
    return smoothing.reach(infer.smooth) if infer.smooth else 0


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
