"""The figures of a bench: an entry each, a JSON file of them with the machine they are of, and tables for people.

    {"format": "pose-diffusion-bench", "machine": {...}, "settings": {...}, "entries": [{"part": "network",
     "name": "denoiser forward, float32, 64 rows", "value": 512.3, "unit": "samples/s", "gflops": 53.8, "share": 0.63}]}

share is of what `of` names: the matmul peak of the same precision, threads and run, or another entry's value.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from rich.table import Table
from rich.text import Text

from pose_diffusion import storage
from pose_diffusion.errors import InputError

FORMAT = "pose-diffusion-bench"


@dataclass(frozen=True)
class Entry:
    """A figure. gflops: GFLOP/s of networks. share: value over what `of` names. memory_mib: the most that a process held."""

    part: str
    name: str
    value: float
    unit: str
    gflops: float | None = None
    share: float | None = None
    of: str = ""
    memory_mib: float | None = None
    note: str = ""


def machine(device: torch.device) -> dict[str, Any]:
    """What was measured, as far as the system tells: processor, cores, load at the start, versions."""
    return {
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def publish(path: str, report: dict[str, Any]) -> None:
    storage.publish_bytes(path, json.dumps(report, indent=1).encode())


def report(found: list[Entry], described: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    return {"format": FORMAT, "machine": described, "settings": settings, "entries": [asdict(entry) for entry in found]}


def read(path: str) -> dict[str, Any]:
    """A bench's JSON file. Raises InputError for one that is missing or is something else."""
    try:
        values = json.loads(storage.read_bytes(path))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise InputError(f"{path}: not JSON") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise InputError(f"{path}: not the figures of a bench ('format' is not {FORMAT})")
    known = {field.name for field in fields(Entry)}
    for number, entry in enumerate(values.get("entries") or ()):
        if not isinstance(entry, dict) or not {"part", "name", "value", "unit"} <= entry.keys() <= known:
            raise InputError(f"{path}: entry {number}: expected part, name, value and unit")
        if not isinstance(entry["value"], int | float):
            raise InputError(f"{path}: entry {number}: key 'value': expected a number, got {entry['value']!r}")
    return values


def render(values: dict[str, Any]) -> Table:
    """One table of all figures."""
    described = values["machine"]
    title = "{0}, {cpus} CPUs, load {load}, torch {torch}".format(described["gpu"] or described["cpu"], **described)
    table = Table(title=title, title_justify="left")
    table.add_column("part")
    table.add_column("what", overflow="fold")
    for column in ("figure", "GFLOP/s", "share", "MiB"):
        table.add_column(column, justify="right")
    table.add_column("of, note", overflow="fold")
    before = None
    for entry in (Entry(**entry) for entry in values["entries"]):
        if before not in (None, entry.part):
            table.add_section()
        table.add_row(
            entry.part if entry.part != before else "",
            Text(entry.name),
            f"{_number(entry.value)} {entry.unit}",
            _number(entry.gflops),
            "" if entry.share is None else f"{entry.share:.1%}",
            _number(entry.memory_mib),
            Text("; ".join(text for text in (entry.of, entry.note) if text)),
        )
        before = entry.part
    return table


def compare(first: dict[str, Any], second: dict[str, Any]) -> Table:
    """The entries of either file, with the ratio of the second's value to the first's where both have it."""
    sides: list[dict[tuple[str, str], Entry]] = []
    for values in (first, second):
        entries = [Entry(**entry) for entry in values["entries"]]
        sides.append({(entry.part, entry.name): entry for entry in entries})
    table = Table(title="Second over first", title_justify="left")
    for column in ("part", "what"):
        table.add_column(column, overflow="fold")
    for column in ("first", "second", "ratio", "share, first", "share, second"):
        table.add_column(column, justify="right")
    for key in sides[0] | sides[1]:
        a, b = (side.get(key) for side in sides)
        ratio = f"{b.value / a.value:.2f}" if a and b and a.value and a.unit == b.unit else ""
        shown = [f"{_number(entry.value)} {entry.unit}" if entry else "" for entry in (a, b)]
        shares = [f"{entry.share:.1%}" if entry and entry.share is not None else "" for entry in (a, b)]
        table.add_row(key[0], Text(key[1]), *shown, ratio, *shares)
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
