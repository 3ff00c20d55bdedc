"""From prediction files to the published report: report.json, report.html and poses.png beside the predictions.

Where many machines are at hand, `partial.summarise` runs on each file wherever it lies and `assemble` on the merged rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pose_diffusion import storage
from pose_diffusion.report import plots
from pose_diffusion.report.partial import Partial, merge, summarise
from pose_diffusion.report.summary import Skipped, report_dict
from pose_diffusion.report.table import table

NAME, PICTURES = "report.json", "poses.png"


@dataclass(frozen=True)
class Report:
    """A finished report. figures: the content of report.json; pictures: a PNG of poses, None without known truth."""

    figures: dict
    pictures: bytes | None

    @property
    def table(self) -> str:
        return table(self.figures)


def build_report(
    paths: Iterable[str],
    skipped: Sequence[Skipped] = (),
    settings: Mapping[str, object] | None = None,
    throughput: Mapping[str, object] | None = None,
) -> Report:
    """The report on prediction files, read one after the other. Raises InputError for one that cannot be read."""
    return assemble(merge(map(summarise, paths)), skipped, settings, throughput)


def assemble(
    total: Partial,
    skipped: Sequence[Skipped] = (),
    settings: Mapping[str, object] | None = None,
    throughput: Mapping[str, object] | None = None,
) -> Report:
    """The report on the merged figures of all files."""
    figures = report_dict(total, skipped, settings, throughput)
    median = figures["distribution"][total.layout.final]["mpjpe_mm"]["median"]
    if median is None:
        return Report(figures, None)
    gallery = total.gallery
    rows = [("Best", gallery.best), ("Median", gallery.median(median)), ("Worst", gallery.worst)]
    return Report(figures, plots.figure([(label, poses[0]) for label, poses in rows]))


def publish(folder: str, report: Report) -> None:
    """Writes the report's files into a folder, local or s3://; report.json comes last."""
    if report.pictures:
        storage.publish_bytes(storage.join(folder, PICTURES), report.pictures)
    text = json.dumps(report.figures, indent=1, allow_nan=False, ensure_ascii=False)
    storage.publish_bytes(storage.join(folder, NAME), text.encode("utf-8", "replace"))
