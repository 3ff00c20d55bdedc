"""An output folder belongs to one run: its identity lies in `run.json`, and another run is refused.

The identity is what decides the content of the outputs (configuration and inputs), not how they are computed (workers,
devices), so a job may be run again on another machine to go on, and never mixes two runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from pose_diffusion import storage
from pose_diffusion.errors import InputError

NAME = "run.json"


def claim(folder: str, job: str, identity: dict) -> None:
    """Takes a new or empty folder for a run, or goes on with the same run's folder.

    Raises InputError for a folder of another job or identity (naming the first keys that differ), one with files of
    unknown origin, and one that cannot be written.
    """
    if not folder:
        raise InputError(f"key '{job}.output': expected a folder, got nothing")
    record = {"job": job, **_flatten(identity)}
    path = storage.join(folder, NAME)
    if storage.exists(path):
        check(folder, record)
        return
    if storage.list_files(folder):
        raise InputError(f"{folder}: not empty and without {NAME}: choose an empty folder for the {job} output")
    storage.publish_bytes(path, json.dumps(record, indent=1, sort_keys=True).encode())


def check(folder: str, record: dict) -> None:
    """Raises InputError unless the folder's run.json equals the record."""
    path = storage.join(folder, NAME)
    try:
        found = json.loads(storage.read_bytes(path))
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected a mapping")
    record = json.loads(json.dumps(record))
    differ = sorted(key for key in record.keys() | found.keys() if record.get(key) != found.get(key))
    if differ:
        shown = "; ".join(f"{key}: there {found.get(key)!r}, now {record.get(key)!r}" for key in differ[:3])
        more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
        raise InputError(f"{folder}: holds the results of another run ({shown}{more}): choose another output or empty it")


def digest(parts: Iterable[str]) -> str:
    """One short hash of many strings, for an identity."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part.encode() + b"\n")
    return total.hexdigest()[:16]


def _flatten(values: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
