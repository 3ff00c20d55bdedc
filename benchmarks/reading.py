"""Reading: rows a second from shards through Ray Data into device batches, over plain pyarrow in one process."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import pyarrow.parquet as pq
import torch

from benchmarks import random_shards
from benchmarks.config import BenchConfig, BenchmarkConfig
from benchmarks.results import Entry
from pose_diffusion import storage
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data import schema
from pose_diffusion.data.manifest import Manifest, Selection
from pose_diffusion.distributed.train.data import stream
from pose_diffusion.distributed.train.epochs import Epochs
from pose_diffusion.training.selection import COLUMNS

_FILES = 8


def measure(config: BenchmarkConfig, folder: str, s3: str | None) -> Iterator[Entry]:
    """Entries for the local shards, and for the same at `s3` (None: there is no S3 to read from)."""
    local = config.data.shards or storage.join(folder, "reading")
    if not config.data.shards:
        random_shards.write(local, "train", config.bench.rows, _FILES)
    kind = "S3" if storage.is_remote(local) else "local"
    yield from _read(config, local, manifests.read(local), kind, "")
    if storage.is_remote(local):
        return
    if s3 is None:
        yield Entry("reading", "S3", 0, "rows/s", note="not measured: no bench.s3, and moto is not installed")
        return
    remote = storage.join(s3, f"bench-{uuid.uuid4().hex[:12]}")
    used = config.bench.s3 or "moto on this machine, itself slower than a store"
    manifest = random_shards.write(remote, "train", config.bench.rows, _FILES)
    try:
        yield from _read(config, remote, manifest, "S3", used)
    finally:
        for name in storage.list_files(remote):
            storage.remove_file(storage.join(remote, name))


def s3_place(settings: BenchConfig, servers: contextlib.ExitStack) -> str | None:
    """An s3:// folder to use: the user's, or a bucket of a server started here for as long as `servers` is open."""
    if settings.s3:
        return settings.s3
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
        return None
    return servers.enter_context(_moto())


@contextlib.contextmanager
def _moto() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    given = {
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    before = {name: os.environ.get(name) for name in given}
    server = subprocess.Popen(  # a process of its own, so that it does not share this one's interpreter
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.environ.update(given)
    try:
        _answers(port)
        filesystem, _ = storage.filesystem("s3://bench")
        filesystem.mkdir("bench")
        yield "s3://bench"
    finally:
        server.terminate()
        server.wait()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _answers(port: int, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _read(config: BenchmarkConfig, folder: str, manifest: Manifest, kind: str, note: str) -> Iterator[Entry]:
    rows, took = _plain(folder, manifest)
    plain = rows / took
    yield Entry("reading", f"{kind}: pyarrow in one process", plain, "rows/s", note=note)
    device = torch.device("cuda" if torch.cuda.is_available() and config.bench.device != "cpu" else "cpu")
    for way, shuffle in (("once, into the cache", False), ("shuffled, in batches", True)):
        rate, wait = _streamed(config, folder, manifest, shuffle, device)
        of = f"{kind}: pyarrow in one process"
        said = f"counted from the first batch, which came after {wait:.1f} s"
        yield Entry("reading", f"{kind}: Ray Data {way}", rate, "rows/s", share=rate / plain, of=of, note=said)


def _plain(folder: str, manifest: Manifest) -> tuple[int, float]:
    """Rows, and the seconds to read the columns of training from all files, one after the other, into tensors."""
    filesystem, root = storage.arrow_filesystem(folder)
    rows, start = 0, time.perf_counter()
    for file in manifest.files:
        table = pq.read_table(f"{root}/{file.path}", columns=list(COLUMNS), filesystem=filesystem, partitioning=None)
        for name in COLUMNS:
            torch.from_numpy(schema.tensor_values(table[name]).copy())
        rows += len(table)
    return rows, time.perf_counter() - start


def _streamed(
    config: BenchmarkConfig, folder: str, manifest: Manifest, shuffle: bool, device: torch.device
) -> tuple[float, float]:
    """Rows a second from the first batch on (with it, where it is the only one), and the seconds until it came."""
    dataset = stream(folder, manifest, Selection(), config.train.seed, shuffle)
    of_epoch = sum(manifest.rows.values())
    start = time.perf_counter()
    marks: list[tuple[float, int]] = []  # when, and how many rows by then
    if shuffle:
        epochs = Epochs(dataset.iterator(), config.train.batch, of_epoch, 0, config.data.shuffle_rows, device, 0)
        for mixture, _ in epochs.batches(0):
            marks.append((time.perf_counter(), (marks[-1][1] if marks else 0) + len(mixture)))
    else:
        epochs = Epochs(dataset.iterator(), config.train.batch, of_epoch, of_epoch, 0, device, 0)
        epochs.load(lambda rows: marks.append((time.perf_counter(), rows)))
    (first, before), (last, total) = marks[0], marks[-1]
    if len(marks) == 1:  # so few rows that there is nothing but the start
        return total / (last - start), first - start
    return (total - before) / max(last - first, 1e-9), first - start
