"""A data set's card: Ray tasks measure the files, one place merges the sums, says what looks wrong and draws."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pose_diffusion import storage
from pose_diffusion.config import Config
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data.manifest import Manifest, ShardFile
from pose_diffusion.distributed.cluster import tasks
from pose_diffusion.distributed.cluster.session import ray_cluster
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.inspection.card import card, wide_px
from pose_diffusion.inspection.dataset_stats import DatasetStats
from pose_diffusion.inspection.measure import measure
from pose_diffusion.inspection.pages import pages
from pose_diffusion.runtime.progress import Progress

log = logging.getLogger(__name__)
CARD = "card.json"


@dataclass(frozen=True)
class Inspection:
    """figures: as `card.card` gives them. pages: names of the PNG files written into inspect.output."""

    figures: dict
    pages: list[str]


def inspect(config: Config) -> Inspection:
    """Measures the shard folder inspect.input, and writes card.json and pages of poses into inspect.output, if there is one.

    Raises InputError for a folder that is none, lacks files, has none in inspect.split, or holds one that cannot be read.
    """
    settings = config.inspect
    if not settings.input:
        raise InputError("key 'inspect.input': expected a shard folder, got nothing")
    manifest = manifests.read(settings.input)
    files = [file for file in manifest.files if settings.split in (None, file.split)]
    if not files:
        raise InputError(f"{settings.input}: no files in split '{settings.split}'; it has {', '.join(manifest.rows)}")
    with ray_cluster(config):
        samples = settings.samples if settings.output else 0
        total = _measure(settings.input, manifest, files, samples, config.ray.cpu_selector)
    figures = card(manifest, total, settings.split)
    names = []
    if settings.output:
        for number, page in enumerate(pages(total.samples), 1):
            names.append(f"poses-{number:02d}.png")
            storage.publish_bytes(storage.join(settings.output, names[-1]), page)
        storage.publish_bytes(storage.join(settings.output, CARD), json.dumps(figures, indent=1).encode())
    return Inspection(figures, names)


def _measure(folder: str, manifest: Manifest, files: list[ShardFile], samples: int, labels: dict[str, str]) -> DatasetStats:
    where = storage.join(folder, manifests.NAME)
    cameras = {name: Camera.from_dict(values, f"{where}: camera '{name}'") for name, values in manifest.cameras.items()}
    wanted = rows_to_draw(files, samples)

    def calls() -> Iterator[tuple]:
        for file in files:
            keys = {f"{span.subject}/{span.camera}" for span in file.spans}
            seen = {name: cameras[name] for name in sorted(keys & cameras.keys())}
            yield storage.join(folder, file.path), seen, wide_px(manifest), wanted[file.path], manifests.frame_rate(manifest)

    progress = Progress("inspect", sum(file.rows for file in files), "rows")
    total = DatasetStats()
    for number, stats in tasks.run(measure, calls(), ordered=True, labels=labels):  # sums of floats depend on their order
        total.merge(stats)
        progress.advance(files[number].rows)
    progress.close()
    return total


def rows_to_draw(files: list[ShardFile], count: int) -> dict[str, list[int]]:
    """Rows of each file to draw: from the middles of so many sequences, which are evenly spaced over the data set."""
    wanted: dict[str, list[int]] = {file.path: [] for file in files}
    middles = []
    for file in files:
        start = 0
        for span in file.spans:
            middles.append((file.path, start + span.rows // 2))
            start += span.rows
    for number in np.unique(np.linspace(0, len(middles) - 1, min(count, len(middles))).round().astype(int)):
        path, row = middles[number]
        wanted[path].append(row)
    return wanted
