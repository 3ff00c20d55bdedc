"""The table of errors on the console, as the published evaluation prints it, with the columns of each method side by side."""

from __future__ import annotations

from collections.abc import Sequence

from pose_diffusion.report.summary import Figures

MOST_ROWS = 60  # actions that have a line; Human3.6M has 15, an archive of motion capture thousands
_ACTION, _P1, _P2 = "===Action===", "==p#1 mm==", "=p#2 mm="


def table(report: dict) -> str:
    """Text of report.json's `actions`, the first of them where they are many, its jitter and what was assumed of cameras.

    Average is the unweighted mean over all actions, All poses weighs each pose alike.
    """
    return "\n\n".join(part for part in (_actions(report), _jitter(report), _intrinsics(report)) if part)


def _actions(report: dict) -> str:
    methods = report["methods"]
    rows = [(row["name"], row["methods"]) for row in report["actions"] if row["poses_with_truth"]]
    if not rows:
        return f"{report['counts']['poses']} poses, none with a known truth: no errors to report"
    left_out = len(rows[MOST_ROWS:])
    del rows[MOST_ROWS:]
    rows += [
        (label, {method: report["headline"][method][mean] for method in methods})
        for label, mean in (("Average", "action_mean"), ("All poses", "frame_mean"))
    ]
    names = [printable(name) for name, _ in rows]
    width = max(len(_ACTION), *map(len, names))
    columns = f"{_P1} {_P2}"
    lines = []
    if len(methods) > 1:
        lines.append("   ".join([" " * width, *(f"{method:^{len(columns)}}" for method in methods)]).rstrip())
    lines.append("   ".join([f"{_ACTION:=<{width}}", *([columns] * len(methods))]))
    for name, (_, figures) in zip(names, rows, strict=True):
        lines.append("   ".join([f"{name:<{width}}", *(_cells(figures[method]) for method in methods)]).rstrip())
    if left_out:
        lines.insert(-2, f"... and {left_out:,} more actions, which report.json has")
    return "\n".join(lines)


def _jitter(report: dict) -> str:
    """A line a method: errors of the motion, each two and three neighbouring frames weighed alike."""
    seconds = report["jitter"]
    head, units = ["==MPJVE==", "=accel.=="], ["mm/frame", "mm/frame²"]
    if seconds:
        head, units = [*head, "==MPJVE==", "=accel.=="], [*units, "mm/s", "mm/s²"]
    rows = []
    for method in report["methods"]:
        mean = report["headline"][method]["frame_mean"]
        if mean["mpjve_mm"] is not None:
            cells = [_cell(mean[key], 2) for key in ("mpjve_mm", "acceleration_mm")]
            cells += [_cell(value, 0) for value in seconds["methods"][method].values()] if seconds else []
            rows.append([method, *cells])
    if not rows:
        return ""
    widths = [max(len("===Motion==="), *(len(row[0]) for row in rows)), *map(len, head)]
    rate = f"   at {seconds['frame_rate']:g} frames a second" if seconds else ""
    lines = [f"{'===Motion===':=<{widths[0]}}   " + " ".join(head) + rate, " " * widths[0] + "   " + _row(units, widths[1:])]
    return "\n".join([*lines, *(f"{row[0]:<{widths[0]}}   " + _row(row[1:], widths[1:]) for row in rows)])


def _cell(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return " ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _intrinsics(report: dict) -> str:
    """One line: of how many poses the lens was known, and what was assumed of the others."""
    counts = report["intrinsics"]
    if counts is None:
        return ""
    degrees = report["settings"].get("field_of_view")
    given = f"field of view of {degrees:g} degrees given" if isinstance(degrees, int | float) else "field of view given"
    words = {"known": "known", "field_of_view": given, "image_diagonal": "focal length assumed as the image's diagonal"}
    parts = [f"{words[source]} for {count:,} {'pose' if count == 1 else 'poses'}" for source, count in counts.items() if count]
    return f"Cameras: {', '.join(parts)}"


def printable(name: str, most: int = 40) -> str:
    """A name from the data, fit for one line of a terminal."""
    name = "".join(c if c.isprintable() else "?" for c in name) or "(unnamed)"
    return name if len(name) <= most else name[: most - 1] + "…"


def _cells(figures: Figures) -> str:
    p1, p2 = (_cell(figures[key], 2) for key in ("mpjpe_mm", "p_mpjpe_mm"))
    return f"{p1:>{len(_P1) - 2}}   {p2:>{len(_P2) - 1}} "
