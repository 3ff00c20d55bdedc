"""The table of errors on the console, as the published evaluation prints it, with the columns of each method side by side."""

from __future__ import annotations

from pose_diffusion.report.summary import Figures

MOST_ROWS = 60  # actions that have a line; Human3.6M has 15, an archive of motion capture thousands
_ACTION, _P1, _P2 = "===Action===", "==p#1 mm==", "=p#2 mm="


def table(report: dict) -> str:
    """Text of report.json's `actions`, the first of them where they are many.

    Average is the unweighted mean over all actions, All poses weighs each pose alike.
    """
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


def printable(name: str, most: int = 40) -> str:
    """A name from the data, fit for one line of a terminal."""
    name = "".join(c if c.isprintable() else "?" for c in name) or "(unnamed)"
    return name if len(name) <= most else name[: most - 1] + "…"


def _cells(figures: Figures) -> str:
    p1, p2 = ("-" if figures[key] is None else f"{figures[key]:.2f}" for key in ("mpjpe_mm", "p_mpjpe_mm"))
    return f"{p1:>{len(_P1) - 2}}   {p2:>{len(_P2) - 1}} "
