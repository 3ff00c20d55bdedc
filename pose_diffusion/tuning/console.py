"""The table of trials for the console, best first."""

from __future__ import annotations

import math
from collections import Counter

from rich.table import Table

from pose_diffusion.tuning.search import Search
from pose_diffusion.tuning.trials import text


def render(search: Search) -> Table:
    counts = Counter(trial.status for trial in search.journal)
    title = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    table = Table(title=f"{len(search.journal)} trials: {title}")
    for name in ("trial", "status", "epochs", "mm", "s", *(key.split(".")[1] for key in search.space.domains), "reason"):
        table.add_column(name, justify="right" if name in ("epochs", "mm", "s") else "left")
    for trial in sorted(search.journal, key=lambda t: (t.status == "failed", t.mpjpe or math.inf)):
        error = "-" if trial.mpjpe is None else f"{trial.mpjpe:.2f}"
        settings = [text(trial.settings[key]) for key in search.space.domains]
        table.add_row(trial.id, trial.status, str(trial.epochs), error, f"{trial.seconds:.0f}", *settings, trial.reason)
    return table
