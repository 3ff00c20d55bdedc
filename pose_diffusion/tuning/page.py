"""The page of a hyperparameter search: its best trial, how trials learned, what mattered, and what lower errors cost."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import yaml

from pose_diffusion.pages.render import render_page
from pose_diffusion.tuning import importance
from pose_diffusion.tuning.importance import finite

# More would not be told apart, nor fit the page; the table of trials has them all.
MOST_TRIALS = 400
MOST_POINTS = 200
_STATUSES = ("finished", "pruned", "failed", "running")


def build(trials: pa.Table, info: dict[str, Any]) -> str:
    """The whole page, self-contained.

    trials: a row a trial: trial, status, reason, epochs, mpjpe (the lowest so far in mm, or null), seconds, device, a column
    for each searched key under its whole name ('diffusion.beta_end'; lists as YAML), curve (epoch, mpjpe, loss, seconds).
    info: space ({key: {'loguniform': [low, high]}}), keys, metric (its name and unit), best (name of the best trial, '' or
    None for none), mode ('training' | 'sampling').
    """
    keys = list(info["keys"])
    rows = sorted(trials.to_pylist(), key=_rank)
    best = next((row for row in rows if info["best"] and row["trial"] == info["best"]), None)
    if best:  # shown whatever the number of trials
        rows = [best] + [row for row in rows if row is not best]
    statuses = Counter(row["status"] for row in rows)
    data = {
        "mode": info["mode"],
        "metric": info["metric"],
        "keys": keys,
        "space": {key: info["space"].get(key, {}) for key in keys},
        "best": None if best is None else best["trial"],
        "best_yaml": "" if best is None else _yaml(best, info["space"]),
        "counts": {"all": len(rows), **{status: statuses[status] for status in _STATUSES}},
        "seconds": math.fsum(row["seconds"] for row in rows if finite(row["seconds"])),
        "trials": [_shown(row, keys) for row in rows[:MOST_TRIALS]],
        "left_out": max(0, len(rows) - MOST_TRIALS),
        "failures": _failures(rows),
        "importance": dataclasses.asdict(importance.of_trials(trials, keys)),
    }
    return render_page("pose_diffusion.tuning", _plain(data))


def _rank(row: dict[str, Any]) -> tuple:
    """Finished trials first, the best of them on top; those with no error last."""
    status = _STATUSES.index(row["status"]) if row["status"] in _STATUSES else len(_STATUSES)
    return status, row["mpjpe"] if finite(row["mpjpe"]) else math.inf, row["trial"]


def _shown(row: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """A trial as the page's scripts read it: keys' values and curve as lists."""
    kept = {name: row[name] for name in ("trial", "status", "reason", "epochs", "mpjpe", "seconds", "device")}
    curve = [[point["epoch"], round(point["mpjpe"], 3)] for point in row["curve"] or [] if finite(point["mpjpe"])]
    stride = max(1, math.ceil(len(curve) / MOST_POINTS))
    # Thinned from the end: the last point tells where a trial ended.
    return {**kept, "values": [row[key] for key in keys], "curve": curve[::-1][::stride][::-1]}


def _failures(rows: Sequence[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Reasons and the trials that failed for them, the most frequent first."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row["status"] == "failed":
            reasons.setdefault(row["reason"] or "", []).append(row["trial"])
    return sorted(reasons.items(), key=lambda item: -len(item[1]))


def _yaml(row: dict[str, Any], space: dict[str, dict]) -> str:
    """The searched keys of a trial as they stand in a config file."""
    sections: dict[str, dict[str, Any]] = {}
    for key, distribution in space.items():
        section, _, name = key.partition(".")
        value = row[key]
        if isinstance(value, str) and value not in next(iter(distribution.values()), ()):
            value = yaml.safe_load(value)  # a list, which the table's column holds as YAML
        if value is not None:
            sections.setdefault(section, {})[name] = value
    return yaml.dump(sections, Dumper=_OneLineLists, sort_keys=False, allow_unicode=True)


class _OneLineLists(yaml.SafeDumper):
    """[0, 6] as people write it, not over two lines."""


_OneLineLists.add_representer(list, lambda dumper, items: dumper.represent_sequence("tag:yaml.org,2002:seq", items, True))


def _plain(value: Any) -> Any:
    """The same with None for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
