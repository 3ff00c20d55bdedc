"""Lifts a shard folder: Ray Data hands shard files to a pool of actors, each of which publishes one prediction file.

    infer.output/run.json, config.yaml     which run this folder belongs to, and its settings
    infer.output/predictions/<shard path>  one prediction file for each input shard, whole or absent
    infer.output/lost.json                 after a failed run: the shards that it did not lift, and why
    infer.output/report.json, ...          figures of all prediction files, once every shard is lifted or skipped

A published prediction file is the only record of progress, so a job that was killed does what is missing when it runs again.
"""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Iterator

import ray
import ray.data

from pose_diffusion import pretrained, storage
from pose_diffusion.config import Config, loading
from pose_diffusion.config.renamed import first_names
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data import shards
from pose_diffusion.data.manifest import Manifest, Selection, ShardFile
from pose_diffusion.distributed.cluster import resources, tasks
from pose_diffusion.distributed.cluster.causes import input_error_in
from pose_diffusion.distributed.cluster.progress_actor import progress_actor
from pose_diffusion.distributed.cluster.session import ray_cluster
from pose_diffusion.distributed.infer.halos import Halo, halos
from pose_diffusion.distributed.infer.outcomes import Outcomes
from pose_diffusion.distributed.infer.shard_lifter import PREDICTIONS, Outcome, ShardLifter, Task, finished, smoothing_reach
from pose_diffusion.distributed.infer.video_input import VideoInput, video_input
from pose_diffusion.distributed.report import load_previous
from pose_diffusion.errors import InputError, RunError
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.inference.bundle_folder import family, hash_of, read_description
from pose_diffusion.inference.clip_lifting import ASSUMED_RATE
from pose_diffusion.report import build
from pose_diffusion.report.report_stats import ReportStats
from pose_diffusion.runtime.progress import Progress
from pose_diffusion.storage import run_folder
from pose_diffusion.storage.retry import is_storage_full

log = logging.getLogger(__name__)

_IN_HAND = {"cpu": 3, "cuda": 8}  # a GPU lifts a shard in less time than a processor takes to read, score and write one
# What may change when a run goes on: how it is computed, not what.
_NOT_IDENTITY = {
    "bundle", "input", "output", "batch", "workers", "threads", "shards_in_flight", "device", "on_bad_shard", "retries"
}  # fmt: skip
_VIDEO = {"fps", "field_of_view"}


def infer(config: Config) -> dict:
    """Lifts the selected shards of infer.input, or what is missing of them, and publishes the report, which it returns.

    Raises InputError for bad input or configuration, RunError (and lists lost.json) for a run that left shards undone.
    """
    for key in ("input", "output"):
        if not getattr(config.infer, key):
            raise InputError(f"key 'infer.{key}': expected a folder, got nothing")
    tolerant = config.infer.on_bad_shard == "skip"
    manifest = manifests.read_listing(config.infer.input) if tolerant else manifests.read(config.infer.input)
    selection = _selection(config)
    selection.check(manifest, config.infer.input)
    description = read_description(pretrained.locate(config.infer.bundle))
    video = _video(config, manifest, description)
    cameras, reproject = _cameras(config, manifest, selection, description)
    identity = _identity(config, manifest, description, video)
    run_folder.claim(config.infer.output, "infer", identity)
    storage.publish_bytes(storage.join(config.infer.output, "config.yaml"), loading.dump(config).encode())

    files = selection.files(manifest)
    around = halos(files, selection, (video.frames if video else 0) + smoothing_reach(config.infer))
    halo_of = {file.path: halo for file, halo in zip(files, around, strict=True)}
    outcomes = Outcomes(total=len(files))
    with ray_cluster(config):
        task = _task(config, manifest, selection, cameras, reproject, identity, video)
        if not config.infer.bundle:
            log.info("infer: lifting with %s", pretrained.title(""))
        missing = []
        for file, stats in _finished(task, files, config.ray.cpu_selector):
            if stats is None:
                missing.append(file)
            else:
                outcomes.merge(stats)
        log.info("infer: %d shards, %d already there", len(files), len(files) - len(missing))
        if not tolerant:
            shards.check_footers(config.infer.input, missing, manifest.kernels)
        if missing:
            gpus = int(task.device == "cuda")
            resources.require(config, "infer.device" if gpus else "infer.threads", 1, task.threads, gpus)
        progress = Progress("infer", sum(selection.count(file) for file in missing), "poses")
        for outcome in _lift_all(task, [(file, halo_of[file.path]) for file in missing], progress):
            outcomes.record(outcome, tolerant)
            if outcomes.stop_reason:
                break
    storage.remove_unpublished(config.infer.output)
    outcomes.close(config.infer.output, missing)
    progress.close()
    if progress.done:
        throughput = {
            "poses": progress.done,
            "poses_per_second": round(progress.rate, 1),
            "device": task.device,
            "workers": task.infer.workers,
            "threads": task.threads,
        }
    else:  # nothing was left to do: the figures of the run that did it stand
        throughput = load_previous(config.infer.output)[2]
    if outcomes.figures is None:
        raise RunError(f"{config.infer.input}: every shard was skipped: {outcomes.skipped[0].reason}")
    settings = config.infer.model_dump(mode="json") | (video.settings(config.infer, manifest, selection) if video else {})
    report = build.assemble(outcomes.figures, outcomes.skipped, settings, throughput)
    try:
        build.publish(config.infer.output, report)
    except OSError as error:
        if not is_storage_full(error):
            raise
        raise RunError(
            f"every shard is lifted, but the report cannot be written: {error}; run the same command again"
        ) from None
    return report.figures


def _selection(config: Config) -> Selection:
    data = config.data
    return Selection(
        split=config.infer.split,
        actions=frozenset(data.actions) if data.actions is not None else None,
        subjects=frozenset(data.subjects) if data.subjects is not None else None,
    )


def _video(config: Config, manifest: Manifest, description: dict) -> VideoInput | None:
    """What the video family is told beside the published one, None for a bundle of that one.

    Raises InputError for settings that the bundle's family does not have.
    """
    infer = config.infer
    if family(description) == "video":
        return video_input(infer, manifest, description)
    for name in ("fps", "field_of_view"):
        if getattr(infer, name) is not None:
            raise InputError(
                f"key 'infer.{name}': {pretrained.title(infer.bundle)} is of the published family, which has no use for it"
            )
    return None


def _identity(config: Config, manifest: Manifest, description: dict, video: VideoInput | None) -> dict:
    """What decides the predictions: model, input and those settings that change numbers."""
    content = [*(f"{file.path} {file.sha256}" for file in manifest.files), json.dumps(manifest.cameras, sort_keys=True)]
    # Identities of the published family are without the video model's keys, which its runs never had.
    named = {"field_of_view": config.infer.field_of_view, "fps": video.rate} if video else {}
    infer = config.infer.model_dump(mode="json", exclude=_NOT_IDENTITY | _VIDEO) | named
    return {
        "bundle": hash_of(description),
        "shards": run_folder.digest(content),
        "data": config.data.model_dump(mode="json", include={"actions", "subjects"}),
        "infer": first_names("infer", infer),
    }


def _cameras(config: Config, manifest: Manifest, selection: Selection, description: dict) -> tuple[dict[str, Camera], bool]:
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
    eta = description.get("diffusion", {}).get("eta", 0) if infer.eta is None else infer.eta
    if not infer.diffusion:
        eta = 0
    if infer.hypotheses > 1 and manifest.kernels == 1 and not eta:
        raise InputError(
            "key 'infer.hypotheses': they differ by draws from mixtures or by infer.eta > 0, but these poses have one kernel a"
            " joint and eta is 0"
        )
    return cameras, not unknown


def _task(
    config: Config,
    manifest: Manifest,
    selection: Selection,
    cameras: dict[str, Camera],
    reproject: bool,
    identity: dict,
    video: VideoInput | None,
) -> Task:
    available = ray.cluster_resources()
    device = config.infer.device
    if device == "auto":
        device = "cuda" if available.get("GPU", 0) else "cpu"
    # On a CPU one thread a worker: threads that share a pass this small wait for each other more than they compute.
    workers = config.infer.workers or int(available.get("GPU" if device == "cuda" else "CPU", 1)) or 1
    threads = config.infer.threads or resources.cpus_per_worker(workers, gpus=int(device == "cuda"))
    in_hand = config.infer.shards_in_flight or _IN_HAND[device]
    run = run_folder.digest([json.dumps(identity, sort_keys=True)])
    infer = config.infer.model_copy(update={"workers": workers, "shards_in_flight": in_hand})
    rate = video.rate if video else ASSUMED_RATE
    known_rate = video.known_rate if video else manifests.frame_rate(manifest)
    return Task(
        infer=infer,
        selection=selection,
        kernels=manifest.kernels,
        cameras=cameras,
        reproject=reproject,
        run=run,
        bundle=identity["bundle"],
        device=device,
        threads=threads,
        rate=rate,
        known_rate=known_rate,
    )


def _finished(task: Task, files: list[ShardFile], labels: dict[str, str]) -> Iterator[tuple[ShardFile, ReportStats | None]]:
    """Each file with the figures of its predictions, where they are there already."""
    present = set(storage.list_files(storage.join(task.infer.output, PREDICTIONS), ".parquet"))
    yield from ((file, None) for file in files if file.path not in present)
    there = [file for file in files if file.path in present]
    for number, figures in tasks.run(finished, ((task, file) for file in there), ordered=True, labels=labels):
        yield there[number], figures


def _lift_all(task: Task, shards: list[tuple[ShardFile, Halo]], progress: Progress) -> Iterator[Outcome]:
    """The outcome of each shard file, as they end."""
    if not shards:
        return
    items = [{"shard": pickle.dumps(shard)} for shard in shards]
    workers = min(task.infer.workers, len(shards))
    in_hand = min(task.infer.shards_in_flight, -(-len(shards) // workers))  # the first worker up leaves some for the others
    with progress_actor(task.infer.output, progress.reached) as counts:
        dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            ShardLifter,
            fn_constructor_args=(task, counts),
            batch_size=1,
            num_cpus=task.threads,
            num_gpus=1 if task.device == "cuda" else None,
            compute=ray.data.ActorPoolStrategy(
                size=workers,
                max_tasks_in_flight_per_actor=in_hand,
                max_concurrent_calls_per_actor=in_hand,
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
    progress.reached(sum(task.selection.count(file) for file, _ in shards))
