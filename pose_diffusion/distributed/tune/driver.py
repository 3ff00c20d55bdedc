"""The search on Ray Tune. A trial drives a training run of `distributed.train.driver` and holds no CPU of its own, as the run's
workers take what there is; the search's state is the journal in tune.output, and Tune's own is thrown away.
"""

from __future__ import annotations

import logging
import tempfile
from typing import Any

import ray
import ray.tune

from pose_diffusion import storage
from pose_diffusion.config import Config
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data.manifest import Manifest, Selection
from pose_diffusion.distributed.cluster import resources
from pose_diffusion.distributed.cluster.session import ray_cluster
from pose_diffusion.distributed.train.driver import check_inputs, identity, on_gpu, train
from pose_diffusion.distributed.train.scaling import NO_CPU, runs_at_once, worker_range
from pose_diffusion.distributed.tune.ray_hooks import Prune, Record, Suggest
from pose_diffusion.distributed.tune.trial import Lifters, lifter_run, sample_trial, train_trial
from pose_diffusion.errors import InputError, RunError
from pose_diffusion.inference.bundle import Bundle, load_published
from pose_diffusion.storage import run_folder
from pose_diffusion.training.data import read_held_out
from pose_diffusion.training.selection import held_out_selection
from pose_diffusion.tuning import space as spaces
from pose_diffusion.tuning.search import BEST, Search
from pose_diffusion.tuning.space import Space

log = logging.getLogger(__name__)

# Settings of the search that may change when it goes on.
_NOT_IDENTITY = {
    "output", "bundle", "space", "trials", "minutes", "concurrent",
    "final_lifter_epochs", "final_denoiser_epochs", "final_epochs",
}  # fmt: skip


def tune(config: Config) -> Search:
    """Searches tune.space and returns the search, with its trials, done; all is in tune.output.

    Raises InputError for bad configuration, space or shards, RunError where no trial came to a result.
    """
    if not config.train.holdout_subjects:
        raise InputError("key 'train.holdout_subjects': trials are judged on held-out subjects, got none")
    if config.model.family == "video" and config.tune.mode == "sampling":
        raise InputError(
            "key 'tune.mode': sampling is of the published family, the video model has no diffusion: take training"
        )
    if config.tune.mode == "sampling":
        bundle, manifest, holdout = _sampling_inputs(config)
        config = config.model_copy(update={"model": bundle.model, "diffusion": bundle.diffusion})
        space = spaces.parse(config)
        record = {"bundle": bundle.content_hash, "infer": config.infer.model_dump(include={"flips", "hypotheses", "seed"})}
    else:
        space = spaces.parse(config)
        manifest, record = check_inputs(config).manifest, {}
    record |= identity(config, manifest)
    record["tune"] = {**config.tune.model_dump(exclude=_NOT_IDENTITY), "space": _flat(space)}
    run_folder.claim(config.tune.output, "tune", record)
    with ray_cluster(config, dashboard=True):
        search = _sampling(config, space, bundle, holdout) if config.tune.mode == "sampling" else _training(config, space)
    best = search.journal.best
    if best is None:
        reasons = [trial.reason for trial in search.journal if trial.reason]
        raise RunError(f"no trial came to a result{f'; the first failed: {reasons[0]}' if reasons else ''}")
    if config.tune.mode == "sampling":
        search.publish_bundle(best)
    search.publish()
    log.info("tune: best is trial %s, %.2f mm; its config is %s", best.id, best.mpjpe, storage.join(config.tune.output, BEST))
    return search


def _training(config: Config, space: Space) -> Search:
    gpu = on_gpu(config.train)
    if gpu:
        resources.require(config, "train.workers", worker_range(config.train, gpu)[0], gpus=1)
    side_by_side = config.tune.concurrent or runs_at_once(config.train, gpu)
    threads = config.train.threads or max(1, int(_available("CPU")) // (side_by_side * worker_range(config.train, gpu)[1]))
    folder = storage.join(config.tune.output, "lifters")
    lifter = config.train.lifter
    builds_on_lifter = config.model.family == "published" and config.train.denoiser_epochs and not lifter
    if builds_on_lifter and all(key.startswith("diffusion.") for key in space.domains):
        # One serves all trials, so the whole cluster trains it.
        log.info("tune: training the lifter that all trials share")
        lifter = train(lifter_run(config, folder))
    base = config.model_copy(update={"train": config.train.model_copy(update={"threads": threads, "lifter": lifter})})
    search = Search(config, space, base, "cuda" if gpu else "cpu")
    lifters = ray.remote(num_cpus=0)(Lifters).remote(folder, side_by_side)
    trainable = ray.tune.with_parameters(train_trial, lifters=lifters, side_by_side=side_by_side)
    _run(search, trainable, NO_CPU, side_by_side)
    return search


def _sampling(config: Config, space: Space, bundle: Bundle, holdout: Selection) -> Search:
    gpu = on_gpu(config.train)
    if gpu:
        resources.require(config, "train.device", 1, gpus=1)
    side_by_side = config.tune.concurrent or max(1, int(_available("GPU" if gpu else "CPU")))
    if set(bundle.provenance.get("holdout_subjects", [])) != set(config.train.holdout_subjects):
        log.warning("tune: %s was not trained with %s held out", config.tune.bundle, ", ".join(config.train.holdout_subjects))
    search = Search(config, space, config, "cuda" if gpu else "cpu")
    poses = read_held_out(config.data.shards, holdout, config.train.holdout_poses)
    trainable = ray.tune.with_parameters(
        sample_trial,
        poses=(poses.mixture, poses.pose_3d),
        folder=config.tune.bundle,
        device=search.device,
        threads=max(1, int(_available("CPU")) // side_by_side),
    )
    _run(search, trainable, {"GPU": 1} if gpu else {"CPU": 1}, side_by_side)
    return search


def _run(search: Search, trainable: Any, resources: dict[str, float], side_by_side: int) -> None:
    tune = search.config.tune
    log.info("tune: %d trials, %d side by side on %s", search.budget, side_by_side, search.device)
    with tempfile.TemporaryDirectory() as scratch:
        tuner = ray.tune.Tuner(
            ray.tune.with_resources(trainable, resources),
            tune_config=ray.tune.TuneConfig(
                search_alg=Suggest(search),
                scheduler=Prune(search),
                num_samples=-1,  # the search says when there are no more
                max_concurrent_trials=side_by_side,
                time_budget_s=tune.minutes * 60 or None,
                reuse_actors=tune.mode == "sampling",
            ),
            run_config=ray.tune.RunConfig(name="search", storage_path=scratch, callbacks=[Record(search)], verbose=0),
        )
        try:
            tuner.fit()
        finally:
            search.publish_page()


def _sampling_inputs(config: Config) -> tuple[Bundle, Manifest, Selection]:
    """The bundle to search on, the shards and their held-out rows. Raises InputError where something is missing."""
    if not config.tune.bundle:
        raise InputError("key 'tune.bundle': expected a trained bundle to search on (tune.mode sampling), got nothing")
    if not config.data.shards:
        raise InputError("key 'data.shards': expected a shard folder with the held-out subjects, got nothing")
    bundle = load_published(config.tune.bundle)
    if bundle.denoiser is None:
        raise InputError(f"key 'tune.bundle': {config.tune.bundle} holds a lifter alone: there is no sampling to search")
    manifest = manifests.read(config.data.shards)
    holdout = held_out_selection(config.data, config.train.holdout_subjects)
    holdout.check(manifest, f"{config.data.shards} (train.holdout_subjects)")
    return bundle, manifest, holdout


def _available(resource: str) -> float:
    return ray.cluster_resources().get(resource, 0)


def _flat(space: Space) -> dict[str, str]:
    """The space for run.json, in which a dot would divide a key."""
    return {key.replace(".", "/"): f"{domain.kind} {list(domain.values)}" for key, domain in space.domains.items()}
