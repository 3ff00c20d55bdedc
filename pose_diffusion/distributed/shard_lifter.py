"""One pose shard to one prediction file: read and check, lift in batches of one shape, score, publish.

An actor runs a few calls at once: while one holds the device, others read the next shard and write the last.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch

from pose_diffusion import storage
from pose_diffusion.config import InferConfig
from pose_diffusion.data import predictions, schema, shards
from pose_diffusion.data.manifest import Selection, ShardFile
from pose_diffusion.errors import InputError
from pose_diffusion.lifting import Lifted, lift
from pose_diffusion.models.bundle import load_bundle
from pose_diffusion.report import partial
from pose_diffusion.report.partial import Partial

PREDICTIONS = "predictions"
RUN = "pose_diffusion.run"
_MM = 1000.0


@dataclass(frozen=True)
class Task:
    """What lifting a shard needs to know. run: the identity that marks this run's prediction files."""

    infer: InferConfig
    selection: Selection
    kernels: int
    run: str
    device: str
    threads: int

    def output(self, file: ShardFile) -> str:
        """Where the predictions of a shard file go: under its own name."""
        return storage.join(self.infer.output, PREDICTIONS, file.path)


@dataclass(frozen=True)
class Outcome:
    """What became of a shard file: its figures, or the reason why it was left out."""

    path: str
    rows: int
    partial: Partial | None = None
    bad: str = ""


class ShardLifter:
    """The model, loaded once, and a call that lifts the shards of a batch {'file': [ShardFile]} to pickled Outcomes."""

    def __init__(self, task: Task):
        torch.set_num_threads(task.threads)  # Ray sets OMP_NUM_THREADS to 1 in its workers
        self.task = task
        self.bundle = load_bundle(task.infer.bundle, task.device)
        self.device = threading.Lock()

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        outcomes = [self.lift(pickle.loads(file)) for file in batch["file"]]
        return {"outcome": np.array([pickle.dumps(outcome) for outcome in outcomes], object)}

    def lift(self, file: ShardFile) -> Outcome:
        """Publishes the predictions of a shard file. A shard that no one could read is an Outcome, other faults raise."""
        task = self.task
        path = storage.join(task.infer.input, file.path)
        try:
            rows = shards.select(shards.read(path, kernels=task.kernels), task.selection)
            if len(rows) != task.selection.count(file):
                raise InputError(f"{path}: {len(rows)} rows, the manifest says {task.selection.count(file)}")
        except InputError as error:
            return Outcome(file.path, task.selection.count(file), bad=str(error))
        with self.device:
            lifted = self._lift_rows(rows)
        poses = {"lifter": lifted.lifter_pose}
        if self.bundle.denoiser is not None:
            poses["diffusion"] = lifted.pose_3d
        table = predictions.build(rows, poses, lifted.spread * _MM, lifted.hypotheses)
        output = task.output(file)
        predictions.write(output, table, {RUN: task.run})
        return Outcome(file.path, len(rows), partial=partial.of_table(table, output))

    def _lift_rows(self, rows: pa.Table) -> Lifted:
        mixture = torch.from_numpy(schema.tensor_values(rows["mixture"]).copy())
        parts = []
        for start in range(0, len(mixture), self.task.infer.batch):
            chunk = mixture[start : start + self.task.infer.batch]
            parts.append(lift(self.bundle, chunk, flips=self.task.infer.flips, hypotheses=self.task.infer.hypotheses))
        return Lifted(
            *(torch.cat([getattr(part, name).cpu() for part in parts]) for name in ("lifter_pose", "pose_3d", "spread")),
            hypotheses=torch.cat([part.hypotheses.cpu() for part in parts]) if parts[0].hypotheses is not None else None,
        )


def finished(task: Task, file: ShardFile) -> Partial | None:
    """The figures of a prediction file that this run published before and that is whole; None where it is to be made."""
    path = task.output(file)
    if not storage.exists(path):
        return None
    try:
        table = predictions.read(path, without=("hypotheses",))
        if (table.schema.metadata or {}).get(RUN.encode(), b"").decode() != task.run or len(table) != task.selection.count(
            file
        ):
            return None
        return partial.of_table(table, path)
    except InputError:
        return None
