"""Lifts a shard folder: Ray Data hands shard files to a pool of actors, each of which publishes one prediction file.

    infer.output/run.json, config.yaml     which run this folder belongs to, and its settings
    infer.output/predictions/<shard path>  one prediction file for each input shard, whole or absent
    infer.output/report.json, ...          figures of all prediction files

A published prediction file is the only record of progress, so a job that was killed does what is missing when it runs again.
"""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Iterator

import ray
import ray.data

from pose_diffusion import config_file, runs, storage
from pose_diffusion.config import Config
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data.manifest import Manifest, Selection, ShardFile
from pose_diffusion.distributed.job import input_error_in, ray_cluster
from pose_diffusion.distributed.progress import Progress
from pose_diffusion.distributed.shard_lifter import Outcome, ShardLifter, Task, finished
from pose_diffusion.errors import InputError, RunError
from pose_diffusion.models.bundle import content_hash
from pose_diffusion.report import build
from pose_diffusion.report.partial import Partial, merge
from pose_diffusion.report.summary import Skipped

log = logging.getLogger(__name__)

# What may change when a run goes on: how it is computed, not what.
_NOT_IDENTITY = {"bundle", "input", "output", "batch", "workers", "device", "on_bad_shard"}
_CALLS = 3  # of an actor at once: one reads, one has the device, one writes


def infer(config: Config) -> dict:
    """Lifts the selected shards of infer.input, or what is missing of them, and publishes the report, which it returns.

    Raises InputError for bad input or configuration, RunError for a run that could not be finished.
    """
    for key in ("bundle", "input", "output"):
        if not getattr(config.infer, key):
            raise InputError(f"key 'infer.{key}': expected a folder, got nothing")
    manifest = manifests.read(config.infer.input)
    selection = _selection(config)
    selection.check(manifest, config.infer.input)
    identity = _identity(config, manifest)
    runs.claim(config.infer.output, "infer", identity)
    storage.publish_bytes(storage.join(config.infer.output, "config.yaml"), config_file.dump(config).encode())

    files = selection.files(manifest)
    with ray_cluster(config):
        task = _task(config, manifest, selection, runs.digest([json.dumps(identity, sort_keys=True)]))
        done = _survey(task, files)
        missing = [file for file in files if file.path not in done]
        log.info("infer: %d shards, %d already there", len(files), len(done))
        progress = Progress("infer", sum(selection.count(file) for file in missing), "poses")
        outcomes = []
        for outcome in _lift_all(task, missing, config.infer.workers):
            if outcome.bad and config.infer.on_bad_shard == "fail":
                raise InputError(outcome.bad)
            outcomes.append(outcome)
            progress.advance(outcome.rows)
        progress.close()
    lost = {file.path for file in missing} - {outcome.path for outcome in outcomes}
    if lost:
        raise RunError(f"{len(lost)} of {len(files)} shards were not lifted ({', '.join(sorted(lost)[:5])}): run it again")
    skipped = [Skipped(outcome.path, outcome.bad) for outcome in outcomes if outcome.bad]
    partials = [*done.values(), *(outcome.partial for outcome in outcomes if outcome.partial)]
    throughput = {"poses": progress.done, "poses_per_second": progress.rate} if progress.done else {}
    report = build.assemble(merge(partials), skipped, config.infer.model_dump(mode="json"), throughput)
    build.publish(config.infer.output, report)
    return report.figures


def _selection(config: Config) -> Selection:
    data = config.data
    return Selection(
        split=config.infer.split,
        actions=frozenset(data.actions) if data.actions is not None else None,
        subjects=frozenset(data.subjects) if data.subjects is not None else None,
    )


def _identity(config: Config, manifest: Manifest) -> dict:
    """What decides the predictions: model, input and those settings that change numbers."""
    return {
        "bundle": content_hash(config.infer.bundle),
        "shards": runs.digest(
            [*(f"{f.path} {f.sha256}" for f in manifest.files), json.dumps(manifest.cameras, sort_keys=True)]
        ),
        "data": config.data.model_dump(mode="json", include={"actions", "subjects"}),
        "infer": config.infer.model_dump(mode="json", exclude=_NOT_IDENTITY),
    }


def _task(config: Config, manifest: Manifest, selection: Selection, run: str) -> Task:
    resources = ray.cluster_resources()
    device = config.infer.device
    if device == "auto":
        device = "cuda" if resources.get("GPU", 0) else "cpu"
    threads = max(1, int(resources.get("CPU", 1)) // config.infer.workers)
    return Task(config.infer, selection, manifest.kernels, run, device, threads)


def _survey(task: Task, files: list[ShardFile]) -> dict[str, Partial]:
    """The figures of the shards that are lifted already."""
    if not storage.exists(storage.join(task.infer.output, "predictions")):
        return {}
    look = ray.remote(num_cpus=1, max_retries=3)(finished)
    found = ray.get([look.remote(task, file) for file in files])
    return {file.path: partial for file, partial in zip(files, found, strict=True) if partial is not None}


def _lift_all(task: Task, files: list[ShardFile], workers: int) -> Iterator[Outcome]:
    """The outcome of each shard file, as they end."""
    if not files:
        return
    items = [{"file": pickle.dumps(file)} for file in files]
    dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        ShardLifter,
        fn_constructor_args=(task,),
        batch_size=1,
        num_cpus=task.threads,
        num_gpus=1 if task.device == "cuda" else None,
        compute=ray.data.ActorPoolStrategy(
            size=workers,
            max_tasks_in_flight_per_actor=_CALLS,
            max_concurrent_calls_per_actor=_CALLS,
            enable_true_multi_threading=True,
        ),
    )
    try:
        for row in dataset.iter_rows():
            yield pickle.loads(row["outcome"])
    except ray.exceptions.RayError as error:
        known = input_error_in(error)
        if known is None:
            log.exception("infer: the run failed")
            raise RunError(f"lifting stopped: {str(error).splitlines()[0]}; run the same command again to go on") from None
        raise known from None
