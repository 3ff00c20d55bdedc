"""manifest.json of a shard folder: which files it has, what is in them and where they came from.

    {"version": 1, "kernels": 5, "joints": ["Hip", ...], "cameras": {"S9/54138969": {...}}, "source": {...},
     "settings": {...}, "skipped": ["why a file or sequence was left out"], "counts": {"joints_flat": 12},
     "files": [{"path": "split=train/part-00000.parquet", "split": "train", "rows": 8192,
     "bytes": ..., "sha256": "...", "spans": [{"subject": "S1", "action": "Walking 1", "camera": "...", "rows": 1200}]}]}

The manifest is published last, so a folder with one is complete.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pose_diffusion import storage
from pose_diffusion.data import schema
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.skeleton import JOINTS

NAME = "manifest.json"
_Rows = Annotated[int, Field(ge=0)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Span(_Record):
    """Consecutive rows of one sequence within a file."""

    subject: str
    action: str
    camera: str
    rows: _Rows


class ShardFile(_Record):
    """One Parquet file; path is relative to the folder."""

    path: str
    split: str
    rows: _Rows
    bytes: int
    sha256: str
    spans: list[Span]


class Manifest(_Record):
    version: int
    kernels: Annotated[int, Field(ge=1)]
    joints: list[str]
    cameras: dict[str, dict[str, Any]]
    source: dict[str, Any]
    settings: dict[str, Any]
    files: list[ShardFile]
    skipped: list[str] = []
    counts: dict[str, int] = {}

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each split."""
        rows: dict[str, int] = {}
        for file in self.files:
            rows[file.split] = rows.get(file.split, 0) + file.rows
        return rows


class Selection(BaseModel):
    """A part of a data set: whole actions ('Sitting' is not 'SittingDown'; 'Walking 1' is 'Walking') and subjects."""

    model_config = ConfigDict(frozen=True)

    split: str | None = None
    actions: frozenset[str] | None = None
    subjects: frozenset[str] | None = None
    without_subjects: frozenset[str] = frozenset()

    def holds(self, subject: str, action: str) -> bool:
        return (
            (self.subjects is None or subject in self.subjects)
            and subject not in self.without_subjects
            and (self.actions is None or action in self.actions or action_name(action) in self.actions)
        )

    def files(self, manifest: Manifest) -> list[ShardFile]:
        """The files with at least one selected row, in order."""
        return [f for f in manifest.files if self.split in (None, f.split) and self.count(f)]

    def count(self, file: ShardFile) -> int:
        """Selected rows of a file."""
        return sum(span.rows for span in file.spans if self.holds(span.subject, span.action))

    def check(self, manifest: Manifest, where: str) -> None:
        """Raises InputError for a split, subject or action that the data set does not have, or an empty selection."""
        spans = [s for f in manifest.files if self.split in (None, f.split) for s in f.spans]
        if not spans:
            raise InputError(f"{where}: no rows in split '{self.split}'; it has {_names(manifest.rows)}")
        subjects = {s.subject for s in spans}
        actions = {name for s in spans for name in (s.action, action_name(s.action))}
        for kind, wanted, present in (("subject", self.subjects, subjects), ("action", self.actions, actions)):
            for name in sorted((wanted or frozenset()) - present):
                raise InputError(f"{where}: no {kind} '{name}' in split '{self.split}'; it has {_names(present)}")
        if not any(self.holds(s.subject, s.action) for s in spans):
            raise InputError(f"{where}: no rows left in split '{self.split}' after choosing subjects and actions")


def action_name(action: str) -> str:
    """An action without its trailing number: 'Walking 1' -> 'Walking'."""
    return re.sub(r" \d+$", "", action)


def frame_rate(manifest: Manifest) -> float | None:
    """Frames a second of all sequences, where their converter says it; None where it does not."""
    return stated_rate(manifest.source)


def stated_rate(source: Mapping[str, Any]) -> float | None:
    """Frames a second that the description of a source states (Human3.6M's files have 50); None where it does not."""
    value = 50.0 if source.get("converter") == "human36m" else source.get("fps", source.get("frames_per_second"))
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        return None
    return float(value)


def write(folder: str, manifest: Manifest) -> None:
    """Publishes the manifest, which completes the folder."""
    storage.publish_bytes(storage.join(folder, NAME), json.dumps(manifest.model_dump(), indent=1).encode())


def read(folder: str) -> Manifest:
    """The manifest of a shard folder, checked against the files that are there (names and sizes).

    Raises InputError for a folder without one, another version or joint layout, and files missing, added or changed.
    """
    manifest = read_listing(folder)
    found = storage.list_sizes(folder, ".parquet")
    known = {file.path: file.bytes for file in manifest.files}
    for name in sorted(known.keys() | found.keys()):
        file_path = storage.join(folder, name)
        if name not in found:
            raise InputError(f"{file_path}: listed in {NAME} but missing")
        if name not in known:
            raise InputError(f"{file_path}: not listed in {NAME}")
        if known[name] != found[name]:
            raise InputError(f"{file_path}: {found[name]} bytes, {NAME} says {known[name]}: truncated or replaced")
    return manifest


def read_listing(folder: str) -> Manifest:
    """The manifest of a shard folder as it stands, whatever became of the files. Raises InputError for a folder without one."""
    path = storage.join(folder, NAME)
    if not storage.exists(folder):
        raise InputError(f"{folder}: no such shard folder")
    if not storage.exists(path):
        raise InputError(f"{folder}: no {NAME}: not a shard folder, or one whose preparation did not end (run prepare again)")
    return parse(storage.read_bytes(path), path)


def parse(content: bytes, where: str) -> Manifest:
    """A manifest from its JSON. Raises InputError in one line."""
    try:
        values = json.loads(content)
    except ValueError as error:
        raise InputError(f"{where}: not JSON: {error}") from None
    if not isinstance(values, dict) or values.get("version") != schema.VERSION:
        version = values.get("version") if isinstance(values, dict) else None
        raise InputError(f"{where}: shard schema version {version}, expected {schema.VERSION}")
    try:
        manifest = Manifest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{where}: key '{'.'.join(map(str, first['loc']))}': {first['msg']}") from None
    if tuple(manifest.joints) != JOINTS:
        raise InputError(f"{where}: key 'joints': expected Human3.6M's 17 joints in their order")
    return manifest


def _names(names: Collection[str], most: int = 20) -> str:
    shown = ", ".join(f"'{name}'" for name in sorted(names)[:most])
    return shown + (", ..." if len(names) > most else "") if names else "nothing"
