"""The report from predictions alone: Ray tasks sum up the files, one place merges the sums and draws."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence

from pose_diffusion import storage
from pose_diffusion.config import Config
from pose_diffusion.distributed.cluster import tasks
from pose_diffusion.distributed.cluster.session import ray_cluster
from pose_diffusion.errors import InputError
from pose_diffusion.report import build
from pose_diffusion.report.report_stats import ReportStats, merge, summarise
from pose_diffusion.report.summary import Skipped
from pose_diffusion.runtime.progress import Progress

log = logging.getLogger(__name__)


def report(config: Config) -> build.Report:
    """Reads all predictions below report.input and publishes their report, which it returns.

    What predictions cannot tell (inputs that were skipped, settings, throughput) is taken from a report.json that is there.
    Raises InputError for a folder without predictions, or with some that cannot be read or are of different runs.
    """
    folder = config.report.input
    if not folder:
        raise InputError("key 'report.input': expected a folder of predictions, got nothing")
    names = storage.list_files(folder, ".parquet")
    if not names:
        raise InputError(f"{folder}: no prediction files (.parquet) in it")
    skipped, settings, throughput = load_previous(folder)
    with ray_cluster(config):
        total = merge(_summaries([storage.join(folder, name) for name in names], config.ray.cpu_selector))
    made = build.assemble(total, skipped, settings, throughput)
    build.publish(config.report.output or folder, made)
    return made


def _summaries(paths: Sequence[str], labels: dict[str, str]) -> Iterator[ReportStats]:
    """The figures of each file, in order: however many tasks ran, the sums are added in one order."""
    progress = Progress("report", len(paths), "files")
    for _, stats in tasks.run(summarise, ((path,) for path in paths), ordered=True, labels=labels):
        yield stats
        progress.advance(1)
    progress.close()


def load_previous(folder: str) -> tuple[list[Skipped], dict, dict]:
    """Skipped inputs, settings and throughput from the folder's report.json; empty where there is none to understand."""
    path = storage.join(folder, build.NAME)
    if not storage.exists(path):
        return [], {}, {}
    try:
        before = json.loads(storage.read_bytes(path))
        skipped = [Skipped(str(row["path"]), str(row["reason"])) for row in before["skipped"]]
        return skipped, dict(before["settings"]), dict(before["throughput"])
    except (ValueError, TypeError, KeyError):
        log.warning("report: %s is not a report of this version: left aside", path)
        return [], {}, {}
