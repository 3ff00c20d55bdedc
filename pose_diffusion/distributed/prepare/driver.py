"""Turns a source into a shard folder: Ray tasks read archives and make a plan's files, one place writes the manifest.

Done means published: a file that is there whole, with the plan's fingerprint in its footer, is kept when the job is run again.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache, partial

from pose_diffusion import storage
from pose_diffusion.config import Config, loading
from pose_diffusion.config.renamed import first_names
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data import schema, shard_writer, sources
from pose_diffusion.data.manifest import Manifest, ShardFile
from pose_diffusion.data.plan import PlannedFile, batches, plan
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.shard_writer import WriteResult
from pose_diffusion.data.sources.summary import summary
from pose_diffusion.distributed.cluster import resources, tasks
from pose_diffusion.distributed.cluster.executor import RayExecutor
from pose_diffusion.distributed.cluster.session import ray_cluster
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.skeleton import JOINTS
from pose_diffusion.runtime.progress import Progress
from pose_diffusion.storage import run_folder
from pose_diffusion.storage.retry import retry

log = logging.getLogger(__name__)
_OURS = re.compile(r"split=\w+/part-\d{5,}\.parquet")
# What does not decide the content of the files.
_NOT_IDENTITY = {"source", "output", "on_error", "retries"}


def prepare(config: Config, local_seconds: float = 5.0) -> Manifest:
    """Writes the shard folder prepare.output from prepare.source, or finishes one that was begun.

    local_seconds: for which files are read in this process, before Ray tasks do it.

    What prepare.on_error left out is listed in the manifest's `skipped`. Raises InputError for bad input or configuration,
    for a folder that holds another run's results, and where nothing is left.
    """
    config, found = sources.resolve(config)
    if found is not None:
        log.info("prepare: %s (%s), read as prepare.source=%s", found.tool, found.reason, found.source)
    settings = config.prepare
    identity = {
        "source": settings.source,
        "prepare": settings.model_dump(exclude=_NOT_IDENTITY),
        settings.source: first_names(settings.source, getattr(config, settings.source).model_dump()),
    }
    if not settings.output:
        raise InputError("key 'prepare.output': expected a shard folder to write, got nothing")
    with contextlib.ExitStack() as stack:
        join = cache(lambda: stack.enter_context(ray_cluster(config)))
        source = sources.open_sources(config, RayExecutor(join, config.ray.cpu_selector, local_seconds))
        log.info("prepare: %s", summary(source, found.tool if found else settings.source))
        files = plan(source, settings)
        run_folder.claim(settings.output, "prepare", identity)
        storage.publish_bytes(storage.join(settings.output, "config.yaml"), loading.dump(config).encode())
        join()
        made = _make_all(config, source, files)

    skipped, counts = list(source.skipped), Counter[str]()
    for file in files:
        skipped += made[file.path].skipped
        counts.update(made[file.path].counts)
    records = [record for file in files if (record := made[file.path].file)]
    if not records:
        raise InputError(f"{settings.input}: nothing could be read; the first of {len(skipped)}: {skipped[0]}")
    for name in storage.list_files(settings.output, ".parquet"):
        if _OURS.fullmatch(name) and name not in {record.path for record in records}:
            storage.remove_file(storage.join(settings.output, name))  # of an earlier plan, when the input was another
    result = Manifest(
        version=schema.VERSION,
        kernels=source.kernels,
        joints=list(JOINTS),
        cameras=source.cameras,
        source=source.description,
        settings=identity,
        files=records,
        skipped=skipped,
        counts=dict(sorted(counts.items())),
    )
    manifests.write(settings.output, result)
    storage.remove_unpublished(settings.output)
    log.info("prepare: done, rows %s in %s", result.rows, settings.output)
    if skipped:
        log.warning("prepare: %d files or sequences left out; %s lists them under 'skipped'", len(skipped), manifests.NAME)
    return result


def _make_all(config: Config, source: Source, files: list[PlannedFile]) -> dict[str, WriteResult]:
    """What became of each file, by its path: load_existing or made."""
    output, skip = config.prepare.output, config.prepare.on_error == "skip"
    made = {one.path: one for one in _load_existing(output, files, config.ray.cpu_selector) if skip or not one.skipped}
    missing = [file for file in files if file.path not in made]
    log.info("prepare: %d sequences, %d files, %d already there", len(source.sequences), len(files), len(made))
    if not missing:
        return made
    if source.gpus:
        resources.require(config, f"{config.prepare.source}.gpus", 1, cpus=1, gpus=source.gpus)
    storage.remove_file(storage.join(output, manifests.NAME))  # a folder with one is complete
    progress = Progress("prepare", sum(file.rows for file in missing), "rows")
    calls = ((output, batch, skip, config.prepare.retries) for batch in batches(missing))
    rows = {file.path: file.rows for file in missing}
    # A source with a network runs where the GPUs are, all others on the nodes for such work.
    for _, batch in tasks.run(_make, calls, gpus=source.gpus, labels=None if source.gpus else config.ray.cpu_selector):
        for one in batch:
            for reason in one.skipped:
                log.warning("prepare: skipped: %s", reason)
            made[one.path] = one
            progress.advance(rows[one.path])
    progress.close()
    return made


def _make(folder: str, files: list[PlannedFile], skip: bool, retries: int) -> list[WriteResult]:
    """Parts of one clip are made at once, for which it is loaded once, other files one after another."""
    groups = [files] if files[0].is_part else [[file] for file in files]
    return [made for group in groups for made in retry(partial(shard_writer.write_files, folder, group, skip), retries)]


def _load_existing(folder: str, files: list[PlannedFile], labels: dict[str, str]) -> Iterator[WriteResult]:
    """The files of the plan that an earlier run published and that are still whole."""
    present = set(storage.list_files(folder, ".parquet"))
    known: dict[str, ShardFile] = {}
    path = storage.join(folder, manifests.NAME)
    if storage.exists(path):
        known = {file.path: file for file in manifests.parse(storage.read_bytes(path), path).files}
    there = [file for file in files if file.path in present]
    calls = ((folder, file.path, file.split, file.fingerprint, known.get(file.path)) for file in there)
    for number, one in tasks.run(shard_writer.load_existing, calls, labels=labels):
        if one is None:
            log.warning("prepare: %s is not as it was written, it is made again", there[number].path)
        else:
            yield one
