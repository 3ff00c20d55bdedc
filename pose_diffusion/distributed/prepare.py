"""Turns a source into a shard folder: a Ray task an output file, planned beforehand from the input alone.

The plan (which clips, cut where, go into which file) depends on the source and on rows_per_file, not on workers or
order, so the same input and seed give identical files. A file that is there with the plan's mark in its footer is done.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections import deque
from dataclasses import dataclass

from pose_diffusion import config_file, runs, storage
from pose_diffusion.config import Config
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data import schema, shards
from pose_diffusion.data.manifest import Manifest, ShardFile, Span
from pose_diffusion.data.sequence import Clip, Sequence, Source
from pose_diffusion.data.sources import SOURCES
from pose_diffusion.distributed.job import input_error_in, ray_cluster
from pose_diffusion.distributed.progress import Progress
from pose_diffusion.errors import InputError
from pose_diffusion.skeleton import JOINTS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Piece:
    """Rows start to stop of a clip."""

    clip: Clip
    start: int
    stop: int


@dataclass(frozen=True)
class PlannedFile:
    """One output file: its path in the folder, its split and what goes into it. mark: the identity of this content."""

    path: str
    split: str
    pieces: list[Piece]
    mark: str

    @property
    def rows(self) -> int:
        return sum(piece.stop - piece.start for piece in self.pieces)


def prepare(config: Config) -> Manifest:
    """Writes the shard folder prepare.output from prepare.source, or finishes one that was begun.

    Raises InputError for bad input or configuration and for a folder that holds another run's results.
    """
    identity = {
        "source": config.prepare.source,
        "prepare": config.prepare.model_dump(exclude={"source", "output"}),
        config.prepare.source: getattr(config, config.prepare.source).model_dump(),
    }
    if not config.prepare.output:
        raise InputError("key 'prepare.output': expected a shard folder to write, got nothing")
    source = SOURCES[config.prepare.source](config)
    if not source.clips:
        raise InputError(f"{config.prepare.input}: no sequences found")
    runs.claim(config.prepare.output, "prepare", identity)
    storage.publish_bytes(storage.join(config.prepare.output, "config.yaml"), config_file.dump(config).encode())

    files = plan(source, config)
    finished = _finished(config.prepare.output, files)
    log.info("prepare: %d sequences, %d files, %d already there", len(source.clips), len(files), len(finished))
    with ray_cluster(config):
        written = _write_all(config.prepare.output, [file for file in files if file.path not in finished])
    records = finished | written
    result = Manifest(
        version=schema.VERSION,
        kernels=source.kernels,
        joints=list(JOINTS),
        cameras=source.cameras,
        source=source.description,
        settings=identity,
        files=[records[file.path] for file in files],
    )
    manifests.write(config.prepare.output, result)
    log.info("prepare: done, rows %s in %s", result.rows, config.prepare.output)
    return result


def plan(source: Source, config: Config) -> list[PlannedFile]:
    """Clips packed into files in order: a file ends where the next clip would not fit; longer clips are cut."""
    most = config.prepare.rows_per_file
    mark = hashlib.sha256(json.dumps([source.description, config.prepare.seed, most, schema.VERSION], sort_keys=True).encode())
    test = set(config.prepare.test_subjects)
    files: list[PlannedFile] = []
    for split in ("train", "test"):
        groups: list[list[Piece]] = [[]]
        room = most
        for clip in source.clips:
            if (clip.subject in test) != (split == "test"):
                continue
            if clip.rows > room and groups[-1]:
                groups.append([])
                room = most
            for start in range(0, clip.rows, most):
                if not room:
                    groups.append([])
                    room = most
                piece = Piece(clip, start, min(clip.rows, start + most))
                groups[-1].append(piece)
                room -= piece.stop - piece.start
        for pieces in groups:
            if pieces:
                number = sum(file.split == split for file in files)
                files.append(_planned(f"split={split}/part-{number:05d}.parquet", split, pieces, mark.copy()))
    return files


def _planned(path: str, split: str, pieces: list[Piece], mark) -> PlannedFile:
    keys = [(p.clip.subject, p.clip.action, p.clip.camera, p.start, p.stop) for p in pieces]
    mark.update(json.dumps([path, keys]).encode())
    return PlannedFile(path, split, pieces, mark.hexdigest())


def _finished(folder: str, files: list[PlannedFile]) -> dict[str, ShardFile]:
    """The files of the plan that an earlier run published and that are still whole (by hash, where a manifest has one)."""
    known = {}
    path = storage.join(folder, manifests.NAME)
    if storage.exists(path):
        known = {file.path: file for file in manifests.parse(storage.read_bytes(path), path).files}
    done = {}
    for file in files:
        if shards.plan_of(folder, file.path) != file.mark:
            continue
        spans = [
            Span(subject=p.clip.subject, action=p.clip.action, camera=p.clip.camera, rows=p.stop - p.start) for p in file.pieces
        ]
        found = shards.describe(folder, file.path, file.split, spans)
        if file.path not in known or known[file.path] == found:
            done[file.path] = found
        else:
            log.warning("prepare: %s is not as it was written, it is made again", file.path)
    return done


def _write_all(folder: str, files: list[PlannedFile]) -> dict[str, ShardFile]:
    """Writes the files, as many at once as there are CPUs; memory holds the files in flight alone."""
    import ray

    at_once = max(1, int(ray.cluster_resources().get("CPU", 1)))
    task = ray.remote(num_cpus=1, max_retries=3)(_write)
    progress = Progress("prepare", sum(file.rows for file in files), "rows")
    waiting = deque(files)
    running: dict[ray.ObjectRef, PlannedFile] = {}
    records: dict[str, ShardFile] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                file = waiting.popleft()
                running[task.remote(folder, file)] = file
            ready, _ = ray.wait(list(running), num_returns=1)
            file = running.pop(ready[0])
            records[file.path] = ray.get(ready[0])
            progress.advance(file.rows)
    except ray.exceptions.RayTaskError as error:
        raise input_error_in(error) or error from None
    finally:
        for reference in running:
            ray.cancel(reference)
    progress.close()
    return records


def _write(folder: str, file: PlannedFile) -> ShardFile:
    sequences = (_cut(piece) for piece in file.pieces)
    return shards.write(folder, file.path, file.split, sequences, file.mark)


def _cut(piece: Piece) -> Sequence:
    sequence = piece.clip.load()
    if len(sequence) != piece.clip.rows:
        raise InputError(f"{sequence.where}: {len(sequence)} rows, {piece.clip.rows} were announced")
    if (piece.start, piece.stop) == (0, piece.clip.rows):
        return sequence
    part = slice(piece.start, piece.stop)
    return dataclasses.replace(
        sequence,
        frame=sequence.frame[part],
        mixture=sequence.mixture[part],
        pose_3d=None if sequence.pose_3d is None else sequence.pose_3d[part],
        root_3d=None if sequence.root_3d is None else sequence.root_3d[part],
    )
