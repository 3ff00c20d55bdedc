"""From prediction files to the published report: report.json, report.html and poses.png beside the predictions.

Where many machines are at hand, `report_stats.summarise` runs on each file wherever it lies and `assemble` on the merged rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pose_diffusion import storage
from pose_diffusion.report import playback, plots
from pose_diffusion.report.page import Picture, page
from pose_diffusion.report.report_stats import ReportStats, merge, summarise
from pose_diffusion.report.summary import Skipped, report_dict
from pose_diffusion.report.table import table

NAME, PAGE, PICTURES = "report.json", "report.html", "poses.png"


@dataclass(frozen=True)
class Report:
    """A finished report. figures: report.json's content; page: report.html; pictures: a PNG, None without known truth."""

    figures: dict
    page: bytes
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
    total: ReportStats,
    skipped: Sequence[Skipped] = (),
    settings: Mapping[str, object] | None = None,
    throughput: Mapping[str, object] | None = None,
) -> Report:
    """The report on the merged figures of all files."""
    figures = report_dict(total, skipped, settings, throughput)
    final, gallery = total.layout.final, total.gallery
    median = figures["distribution"][final]["mpjpe_mm"]["median"]
    shown = {}
    if median is not None:
        shown = {"Best": gallery.best, "Median": gallery.median(median), "Worst": gallery.worst}
    pictures = [
        Picture(f"{label}: {pose.error_mm:.1f} mm", plots.name_of(pose), plots.thumbnail(pose))
        for label, poses in shown.items()
        for pose in poses
    ]
    return Report(
        figures,
        page(figures, [playback.read(clip, final) for clip in gallery.excerpts.values()], pictures),
        plots.figure([(label, poses[0]) for label, poses in shown.items()]) if shown else None,
    )


def publish(folder: str, report: Report) -> None:
    """Writes the report's files into a folder, local or s3://; report.json comes last."""
    if report.pictures:
        storage.publish_bytes(storage.join(folder, PICTURES), report.pictures)
    storage.publish_bytes(storage.join(folder, PAGE), report.page)
    text = json.dumps(report.figures, indent=1, allow_nan=False, ensure_ascii=False)
    storage.publish_bytes(storage.join(folder, NAME), text.encode("utf-8", "replace"))
