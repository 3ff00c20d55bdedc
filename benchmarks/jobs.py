"""The jobs end to end, with Ray and files, over the bare loops that compute the same from memory, in the same run."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from benchmarks import random_shards, reference_loops
from benchmarks.config import BenchmarkConfig
from benchmarks.memory import Memory
from benchmarks.reference_loops import Rate
from benchmarks.results import Entry
from pose_diffusion import storage
from pose_diffusion.data import manifest as manifests
from pose_diffusion.distributed.infer.driver import infer
from pose_diffusion.distributed.infer.shard_lifter import PREDICTIONS
from pose_diffusion.distributed.train.driver import train
from pose_diffusion.inference.bundle import save_bundle
from pose_diffusion.training import history

log = logging.getLogger(__name__)
_FILES_A_WORKER = 8  # at least
_ROWS_A_FILE = 8192  # at most, where a worker has more files than that


def measure(
    config: BenchmarkConfig, folder: str, device: torch.device, rates: Mapping[tuple[str, int], Rate]
) -> Iterator[Entry]:
    """Entries of both jobs for each number of workers that `rates`, of the bare loops, has."""
    networks = reference_loops.networks(config, torch.device("cpu"))
    assert networks.denoiser is not None
    bundle = storage.join(folder, "bundle")
    save_bundle(bundle, config.model, config.diffusion, networks.lifter.state_dict(), networks.denoiser.state_dict())
    for kind, workers in sorted(rates):
        measured = _training if kind == "training" else _lifting
        yield from measured(config, f"{folder}/{kind}-{workers}", bundle, device, workers, rates[kind, workers])


def _training(
    config: BenchmarkConfig, folder: str, bundle: str, device: torch.device, workers: int, bare_rate: Rate
) -> Iterator[Entry]:
    """Two epochs of the denoiser; the second is the figure, since the first may still be warming up."""
    batch = config.train.batch
    rows = max(4 * batch, round(bare_rate.a_second * config.bench.job_seconds / 2 / batch) * batch)
    random_shards.write(f"{folder}/shards", "train", rows, _FILES_A_WORKER * workers)
    given = {
        "output": f"{folder}/run", "lifter": bundle, "denoiser_epochs": 2, "workers": workers, "holdout_subjects": [],
        "device": device.type, "threads": _threads(config, device),
    }  # fmt: skip
    job = _with(config, data={"shards": f"{folder}/shards"}, train=given)
    with Memory("ray::") as memory:
        start = time.perf_counter()
        train(job)
        took = time.perf_counter() - start
    lines = storage.read_bytes(storage.join(job.train.output, history.JSON_LINES)).decode().splitlines()
    epoch = json.loads(lines[-1])
    name = f"training, {config.train.precision}, {workers} workers"
    rate = epoch["samples_per_second"]
    yield Entry("jobs", name, rate, "samples/s", share=rate / bare_rate.a_second, of="bare training step",
                memory_mib=memory.mib or None, note=f"second epoch, {rows:,} samples")  # fmt: skip
    yield Entry("jobs", f"{name}: data wait", 100 * epoch["data_wait"], "% of the epoch")
    yield Entry("jobs", f"{name}: whole job", 2 * rows / took, "samples/s", note="reading and bundle counted")


def _lifting(
    config: BenchmarkConfig, folder: str, bundle: str, device: torch.device, workers: int, bare_rate: Rate
) -> Iterator[Entry]:
    """An archive; the figure is of what was published after the first file of each worker, which its start delays."""
    files = _FILES_A_WORKER * workers
    rows = max(files * 64, round(bare_rate.a_second * config.bench.job_seconds))
    random_shards.write(f"{folder}/shards", "test", rows, max(files, rows // _ROWS_A_FILE))
    given = {
        "bundle": bundle, "input": f"{folder}/shards", "output": f"{folder}/lifted", "split": "test", "workers": workers,
        "device": device.type, "threads": _threads(config, device), "diffusion": True,
    }  # fmt: skip
    job = _with(config, data={"shards": "", "actions": None, "subjects": None}, infer=given)
    with Memory("ray::") as memory:
        start = time.perf_counter()
        infer(job)
        took = time.perf_counter() - start
    manifest = manifests.read(job.infer.input)
    ended = sorted((Path(job.infer.output, PREDICTIONS, file.path).stat().st_mtime, file.rows) for file in manifest.files)
    later = ended[workers:]
    rate = sum(count for _, count in later) / (later[-1][0] - ended[workers - 1][0])
    name = f"lifting, {config.infer.precision}, {workers} workers"
    yield Entry("jobs", name, rate, "poses/s", share=rate / bare_rate.a_second, of="bare sampler",
                memory_mib=memory.mib or None, note=f"{rows:,} poses, after each worker's first file")  # fmt: skip
    yield Entry("jobs", f"{name}: whole job", rows / took, "poses/s", share=rows / took / bare_rate.a_second,
                of="bare sampler", note="start of the workers and report counted")  # fmt: skip


def _threads(config: BenchmarkConfig, device: torch.device) -> int:
    """CPU threads of a job's worker; beside a GPU as many as jobs take by themselves."""
    return config.bench.threads if device.type == "cpu" else 0


def _with(config: BenchmarkConfig, **sections: dict) -> BenchmarkConfig:
    return config.model_copy(
        update={name: getattr(config, name).model_copy(update=values) for name, values in sections.items()}
    )
