"""A data set's card: what is in it, in figures (card.json) and as tables for the console."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pose_diffusion.data.manifest import Manifest, action_name
from pose_diffusion.geometry.proportions import BONES
from pose_diffusion.geometry.skeleton import JOINTS
from pose_diffusion.inspection.dataset_stats import DatasetStats, quantile
from pose_diffusion.inspection.findings import asymmetry, findings

_NAMES = 20


def card(manifest: Manifest, total: DatasetStats, split: str | None = None) -> dict:
    """The figures, as they go into card.json. Lengths in mm, sigma and reprojection in pixels; null where unknown."""
    files = [file for file in manifest.files if split in (None, file.split)]
    spans = [span for file in files for span in file.spans]
    stats_2d, stats_3d, reprojection = total.stats_2d, total.all_stats_3d, total.all_reprojection
    rows = max(stats_2d.rows, 1)
    return {
        "rows": {name: count for name, count in manifest.rows.items() if split in (None, name)},
        "files": len(files),
        "subjects": _rows_by((span.subject, span.rows) for span in spans),
        "actions": _rows_by((action_name(span.action), span.rows) for span in spans),
        "cameras": _rows_by((span.camera, span.rows) for span in spans),
        "kernels": manifest.kernels,
        "heaviest_weight": stats_2d.heaviest / rows,
        "converter": str(manifest.source.get("converter", "unknown")),
        "counts": {**manifest.source.get("counts", {}), **manifest.counts},
        "skipped": manifest.skipped,
        "rows_3d": stats_3d.rows,
        "joints": {
            joint: {
                "sigma_px_median": _known(quantile(stats_2d.sigma_px[j], 0.5)),
                "sigma_px_p99": _known(quantile(stats_2d.sigma_px[j], 0.99)),
                "missing": None if wide_px(manifest) is None else float(stats_2d.wide[j] / rows),
            }
            for j, joint in enumerate(JOINTS)
        },
        "bones_mm": _bones(total) if stats_3d.rows else None,
        "asymmetry": asymmetry(stats_3d.bones) if stats_3d.rows else None,
        "reprojection_px": {
            "mean": _known(reprojection.sum_px / reprojection.errors_px.sum()),
            "median": _known(quantile(reprojection.errors_px, 0.5)),
            "p95": _known(quantile(reprojection.errors_px, 0.95)),
            "worst": max(total.reprojection, key=lambda name: quantile(total.reprojection[name].errors_px, 0.5)),
        }
        if reprojection.errors_px.any()
        else None,
        "frozen_2d": stats_2d.frozen / rows,
        "frozen_3d": stats_3d.frozen / stats_3d.rows if stats_3d.rows else None,
        "repeated": total.sketch.repeated,
        "warnings": findings(total),
    }


def wide_px(manifest: Manifest) -> float | None:
    """Sigma from which on a joint counts as missing: what its converter gave such joints; None where it says nothing."""
    settings = manifest.source.get("settings")
    value = settings.get("missing_sigma_px") if isinstance(settings, dict) else None
    return float(value) if isinstance(value, int | float) else None


def render(figures: dict, where: str) -> RenderableType:
    """The card as tables for a console."""
    facts = Table(title=f"Data set {where}", show_header=False, title_justify="left")
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    for name in ("rows", "subjects", "actions", "cameras"):
        facts.add_row(name, Text(_listed(figures[name])))
    facts.add_row("files", f"{figures['files']:,}")
    facts.add_row("poses with 3D", f"{figures['rows_3d']:,}")
    facts.add_row("kernels", f"{figures['kernels']}; the heaviest weighs {figures['heaviest_weight']:.2f} on average")
    facts.add_row("converter", Text(figures["converter"]))
    if figures["counts"]:
        facts.add_row("counted", Text(_listed(figures["counts"])))
    repeats = f"2D {figures['frozen_2d']:.2%}" + ("" if figures["frozen_3d"] is None else f", 3D {figures['frozen_3d']:.2%}")
    facts.add_row("frozen frames", repeats)
    facts.add_row("poses there before", f"{figures['repeated']:.2%}")
    if error := figures["reprojection_px"]:
        facts.add_row(
            "3D against 2D",
            Text(
                f"mean {error['mean']:.1f} px, median {error['median']:.1f}, 95% below {error['p95']:.1f};"
                f" largest for {error['worst']}"
            ),
        )
    if figures["skipped"]:
        facts.add_row("left out", Text(f"{len(figures['skipped'])}, the first: {figures['skipped'][0]}"))
    lines = [Text(f"! {warning}", style="bold red") for warning in figures["warnings"]]
    return Group(facts, _joint_table(figures), *(lines or [Text("Nothing looks wrong.", style="green")]))


def _joint_table(figures: dict) -> Table:
    table = Table(title="Joints", title_justify="left")
    table.add_column("joint")
    for column in ("sigma px", "99% below", "missing", "bone mm", "varies", "left longer by"):
        table.add_column(column, justify="right")
    for joint, values in figures["joints"].items():
        bone = (figures["bones_mm"] or {}).get(joint, {})
        uneven = (figures["asymmetry"] or {}).get(joint[1:]) if joint.startswith("L") else None
        table.add_row(
            joint,
            _number(values["sigma_px_median"], ".1f"),
            _number(values["sigma_px_p99"], ".1f"),
            _number(values["missing"], ".1%"),
            _number(bone.get("mean"), ".0f"),
            _number(bone.get("varies"), ".1%"),
            _number(uneven, "+.1%"),
        )
    return table


def _bones(total: DatasetStats) -> dict[str, dict[str, float]]:
    """Mean length in mm over all poses, and how much it varies within a subject on average."""
    stats_3d = total.all_stats_3d
    variance = np.zeros(len(BONES))
    for one in total.stats_3d.values():
        variance += (one.squares - one.bones**2 / one.rows).clip(0)
    mean = stats_3d.bones / stats_3d.rows
    varies = np.sqrt(variance / stats_3d.rows) / mean.clip(1e-12)
    return {bone: {"mean": 1000 * float(mean[i]), "varies": float(varies[i])} for i, bone in enumerate(BONES)}


def _rows_by(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    rows: Counter[str] = Counter()
    for name, count in pairs:
        rows[name] += count
    return dict(rows)


def _listed(rows: dict[str, int]) -> str:
    shown = ", ".join(f"{name or '(none)'} {count:,}" for name, count in list(rows.items())[:_NAMES])
    return f"{len(rows)}: {shown}" + (", ..." if len(rows) > _NAMES else "")


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
