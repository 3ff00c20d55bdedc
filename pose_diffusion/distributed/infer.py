"""Lifts a shard folder: Ray Data hands shard files to a pool of actors, each of which publishes one prediction file.

    infer.output/run.json, config.yaml     which run this folder belongs to, and its settings
    infer.output/predictions/<shard path>  one prediction file for each input shard, whole or absent
    infer.output/lost.json                 after a failed run: the shards that it did not lift, and why
    infer.output/report.json, ...          figures of all prediction files, once every shard is lifted or skipped

A published prediction file is the only record of progress, so a job that was killed does what is missing when it runs again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import pickle
from collections import deque
from collections.abc import Iterator

import ray
import ray.data

from pose_diffusion import config_file, runs, storage
from pose_diffusion.camera import Camera
from pose_diffusion.config import Config
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data import shards
from pose_diffusion.data.manifest import Manifest, Selection, ShardFile
from pose_diffusion.distributed.job import input_error_in, ray_cluster
from pose_diffusion.distributed.progress import Progress
from pose_diffusion.distributed.shard_lifter import PREDICTIONS, Outcome, ShardLifter, Task, finished
from pose_diffusion.distributed.tally import tally
from pose_diffusion.errors import InputError, RunError
from pose_diffusion.models.bundle import content_hash, read_description
from pose_diffusion.report import build
from pose_diffusion.report.partial import Partial
from pose_diffusion.report.summary import Skipped

log = logging.getLogger(__name__)

LOST = "lost.json"
# What may change when a run goes on: how it is computed, not what.
_NOT_IDENTITY = {
    "bundle", "input", "output", "batch", "workers", "threads", "shards_in_hand", "device", "on_bad_shard", "retries"
}  # fmt: skip
_LOST_IN_A_ROW = 10  # shards, after which the storage is taken for gone


def infer(config: Config) -> dict:
    """Lifts the selected shards of infer.input, or what is missing of them, and publishes the report, which it returns.

    Raises InputError for bad input or configuration, RunError (and lists lost.json) for a run that left shards undone.
    """
    for key in ("bundle", "input", "output"):
        if not getattr(config.infer, key):
            raise InputError(f"key 'infer.{key}': expected a folder, got nothing")
    tolerant = config.infer.on_bad_shard == "skip"
    manifest = manifests.read_listing(config.infer.input) if tolerant else manifests.read(config.infer.input)
    selection = _selection(config)
    selection.check(manifest, config.infer.input)
    cameras, reproject = _cameras(config, manifest, selection)
    identity = _identity(config, manifest)
    runs.claim(config.infer.output, "infer", identity)
    storage.publish_bytes(storage.join(config.infer.output, "config.yaml"), config_file.dump(config).encode())

    files = selection.files(manifest)
    run = _Run(total=len(files))
    with ray_cluster(config):
        task = _task(config, manifest.kernels, selection, cameras, reproject, identity)
        missing = [file for file, partial in _survey(task, files) if not run.has(partial)]
        log.info("infer: %d shards, %d already there", len(files), len(files) - len(missing))
        if not tolerant:
            shards.check_footers(config.infer.input, missing, manifest.kernels)
        progress = Progress("infer", sum(selection.count(file) for file in missing), "poses")
        for outcome in _lift_all(task, missing, progress):
            run.take(outcome, tolerant)
            if run.vain:
                break
    run.close(config.infer.output, missing)
    progress.close()
    throughput: dict[str, object] = {"device": task.device, "workers": config.infer.workers, "threads": task.threads}
    if progress.done:
        throughput |= {"poses": progress.done, "poses_per_second": round(progress.rate, 1)}
    if run.figures is None:
        raise RunError(f"{config.infer.input}: every shard was skipped: {run.skipped[0].reason}")
    report = build.assemble(run.figures, run.skipped, config.infer.model_dump(mode="json"), throughput)
    build.publish(config.infer.output, report)
    return report.figures


class _Run:
    """What is known of a run so far: the figures of what is lifted, what was skipped, what was lost."""

    def __init__(self, total: int):
        self.total = total
        self.figures: Partial | None = None
        self.ended: set[str] = set()
        self.skipped: list[Skipped] = []
        self.lost: dict[str, str] = {}
        self.lost_in_a_row = 0
        self.vain = ""  # why going on would lift nothing more

    def has(self, partial: Partial | None) -> bool:
        """Adds the figures of a prediction file; False where there is none."""
        if partial is None:
            return False
        if self.figures is None:
            self.figures = Partial(partial.layout, partial.where)
        self.figures.absorb(partial)
        return True

    def take(self, outcome: Outcome, tolerant: bool) -> None:
        """Notes what became of a shard. Raises InputError for a bad one unless tolerant."""
        self.ended.add(outcome.path)
        if self.has(outcome.partial):
            self.lost_in_a_row = 0
        elif outcome.bad:
            if not tolerant:
                raise InputError(outcome.bad)
            log.warning("infer: skipped: %s", outcome.bad)
            self.skipped.append(Skipped(outcome.path, outcome.bad))
        else:
            log.error("infer: lost: %s", outcome.lost)
            self.lost[outcome.path] = outcome.lost
            self.lost_in_a_row += 1
            if outcome.full:
                self.vain = outcome.lost
            elif self.lost_in_a_row >= _LOST_IN_A_ROW:
                self.vain = f"{_LOST_IN_A_ROW} shards in a row were lost, the last: {outcome.lost}"

    def close(self, output: str, missing: list[ShardFile]) -> None:
        """Lists what was lost in lost.json, or removes an earlier list. Raises RunError where something was."""
        path = storage.join(output, LOST)
        for file in missing:
            if file.path not in self.ended:
                self.lost[file.path] = "not tried"
        if not self.lost:
            storage.remove_file(path)
            return
        records = [{"path": name, "reason": reason} for name, reason in sorted(self.lost.items())]
        with contextlib.suppress(OSError, InputError):  # nor can the list be written on a full disk
            storage.publish_bytes(path, json.dumps(records, indent=1).encode())
        why = f" ({self.vain})" if self.vain else ""
        raise RunError(
            f"{len(self.lost)} of {self.total} shards were not lifted{why}: see {path}; run the same command again to go on"
        )


def _selection(config: Config) -> Selection:
    data = config.data
    return Selection(
        split=config.infer.split,
        actions=frozenset(data.actions) if data.actions is not None else None,
        subjects=frozenset(data.subjects) if data.subjects is not None else None,
    )


def _identity(config: Config, manifest: Manifest) -> dict:
    """What decides the predictions: model, input and those settings that change numbers."""
    content = [*(f"{file.path} {file.sha256}" for file in manifest.files), json.dumps(manifest.cameras, sort_keys=True)]
    return {
        "bundle": content_hash(config.infer.bundle),
        "shards": runs.digest(content),
        "data": config.data.model_dump(mode="json", include={"actions", "subjects"}),
        "infer": config.infer.model_dump(mode="json", exclude=_NOT_IDENTITY),
    }


def _cameras(config: Config, manifest: Manifest, selection: Selection) -> tuple[dict[str, Camera], bool]:
    """The cameras of the selected poses, and whether they are known for all of them.

    Raises InputError for a camera that cannot be read and for hypotheses that the input or the cameras do not allow.
    """
    named = {f"{span.subject}/{span.camera}" for file in selection.files(manifest) for span in file.spans}
    where = storage.join(config.infer.input, manifests.NAME)
    cameras = {
        name: Camera.from_dict(manifest.cameras[name], f"{where}: camera '{name}'") for name in named & manifest.cameras.keys()
    }
    unknown = sorted(named - cameras.keys())
    infer = config.infer
    if infer.hypotheses > 1 and infer.aggregate != "mean" and unknown:
        raise InputError(
            f"key 'infer.aggregate': {infer.aggregate} reprojects, and {where} has no camera for '{unknown[0]}' (and "
            f"{len(unknown) - 1} more); use mean"
        )
    eta = read_description(infer.bundle)["diffusion"].get("eta", 0) if infer.eta is None else infer.eta
    if infer.hypotheses > 1 and manifest.kernels == 1 and not eta:
        raise InputError(
            "key 'infer.hypotheses': they differ by draws from mixtures or by infer.eta > 0, but these poses have one kernel a"
            " joint and eta is 0"
        )
    return cameras, not unknown


def _task(
    config: Config, kernels: int, selection: Selection, cameras: dict[str, Camera], reproject: bool, identity: dict
) -> Task:
    resources = ray.cluster_resources()
    device = config.infer.device
    if device == "auto":
        device = "cuda" if resources.get("GPU", 0) else "cpu"
    threads = config.infer.threads or max(1, int(resources.get("CPU", 1)) // config.infer.workers)
    run = runs.digest([json.dumps(identity, sort_keys=True)])
    return Task(config.infer, selection, kernels, cameras, reproject, run, device, threads)


def _survey(task: Task, files: list[ShardFile]) -> Iterator[tuple[ShardFile, Partial | None]]:
    """Each file with the figures of its predictions, where they are there already."""
    if not storage.exists(storage.join(task.infer.output, PREDICTIONS)):
        yield from ((file, None) for file in files)
        return
    look = ray.remote(num_cpus=1, max_retries=3)(finished)
    at_once = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
    looking: deque[tuple[ShardFile, ray.ObjectRef]] = deque()
    for file in files:
        if len(looking) == at_once:
            first, found = looking.popleft()
            yield first, ray.get(found)
        looking.append((file, look.remote(task, file)))
    yield from ((file, ray.get(found)) for file, found in looking)


def _lift_all(task: Task, files: list[ShardFile], progress: Progress) -> Iterator[Outcome]:
    """The outcome of each shard file, as they end."""
    if not files:
        return
    items = [{"file": pickle.dumps(file)} for file in files]
    with tally(progress.reached) as counts:
        dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            ShardLifter,
            fn_constructor_args=(task, counts),
            batch_size=1,
            num_cpus=task.threads,
            num_gpus=1 if task.device == "cuda" else None,
            compute=ray.data.ActorPoolStrategy(
                size=task.infer.workers,
                max_tasks_in_flight_per_actor=task.infer.shards_in_hand,
                max_concurrent_calls_per_actor=task.infer.shards_in_hand,
                enable_true_multi_threading=True,
            ),
        )
        try:
            for row in dataset.iter_rows():
                yield pickle.loads(row["outcome"])
        except ray.exceptions.RayError as error:
            log.debug("infer: Ray Data stopped", exc_info=error)
            reason = f"lifting stopped: {str(error).splitlines()[0]}; run the same command again to go on"
            raise input_error_in(error) or RunError(reason) from None
    progress.reached(sum(task.selection.count(file) for file in files))
