"""Makes planned shard files, and tells which of them an earlier run has made: what one worker does, without Ray.

A file's footer holds the fingerprint of its plan and what became of its clips, so that a file tells all that the manifest needs
to know of it. Its pages have checksums (Parquet's own CRC32), by which a file is verified where no manifest has its hash.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from pose_diffusion import storage
from pose_diffusion.data import schema, shards
from pose_diffusion.data.manifest import ShardFile
from pose_diffusion.data.plan import PlannedFile
from pose_diffusion.data.sequence import LazySequence
from pose_diffusion.errors import InputError, StorageError

_PLAN, _NOTES = "pose_diffusion.plan", "pose_diffusion.notes"


@dataclass(frozen=True)
class WriteResult:
    """What became of a planned file. file: its record; None where nothing was left to write. skipped: a line for each clip
    that was left out. counts: what readers counted.
    """

    path: str
    file: ShardFile | None
    skipped: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def write_files(folder: str, files: Sequence[PlannedFile], skip: bool) -> list[WriteResult]:
    """Publishes the files, which are one of whole clips, or some parts of one clip.

    skip: leave out clips that are bad, instead of raising their InputError. StorageError, after which another try may
    succeed, is raised in any case.
    """
    made = []
    loaded: tuple[LazySequence, pa.Table | None] | None = None
    for file in files:
        tables, skipped, counts = [], [], Counter[str]()
        for part in file.slices:
            if loaded is None or loaded[0] is not part.clip:
                table, reason, counted = _load(part.clip, skip)
                loaded = part.clip, table
                skipped += [reason] if reason else []
                counts.update(counted)
            if loaded[1] is not None:
                tables.append(loaded[1].slice(part.start, part.stop - part.start))
        record = None
        if tables:
            footer = {_PLAN: file.fingerprint, _NOTES: json.dumps({"skipped": skipped, "counts": counts})}
            record = shards.write_tables(folder, file.path, file.split, tables, footer)
        made.append(WriteResult(file.path, record, skipped, dict(counts)))
    return made


def load_existing(folder: str, path: str, split: str, fingerprint: str, known: ShardFile | None) -> WriteResult | None:
    """What an earlier run made of a planned file, where it is there and whole; None where it is to be made again.

    known: the file's record in a manifest, whose hash it must have; without one, its pages must have their checksums.
    """
    full = storage.join(folder, path)
    try:
        content = storage.read_bytes(full)
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as parquet:
            text = {key.decode(): value.decode() for key, value in (parquet.schema_arrow.metadata or {}).items()}
            if text.get(_PLAN) != fingerprint:
                return None
            table = parquet.read(columns=None if known is None else list(schema.KEYS))
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return None
    record = shards.describe(folder, path, split, shards.spans_of(table), content)
    if known is not None and record != known:
        return None
    return WriteResult(path, record, **json.loads(text[_NOTES]))


def _load(clip: LazySequence, skip: bool) -> tuple[pa.Table | None, str, dict[str, int]]:
    """A clip's rows, or the reason why they are left out; and what its reader counted."""
    try:
        sequence = clip.load()
        if len(sequence) != clip.rows:
            raise InputError(f"{sequence.where}: {len(sequence)} rows, {clip.rows} were announced")
        return schema.checked_table(sequence), "", sequence.counts
    except StorageError:
        raise
    except InputError as error:
        if not skip:
            raise
        return None, str(error), {}
