"""Which shards training reads, and how they are kept."""

from __future__ import annotations

from typing import Literal

from pose_diffusion.config.section import Count, Location, Positive, Section


class DataConfig(Section):
    shards: Location = ""
    """Shard folder to train on, local or s3://."""
    actions: list[str] | None = None
    """Keep these actions alone, by whole name without the trailing number ('Sitting' is not 'SittingDown')."""
    subjects: list[str] | None = None
    """Keep these subjects alone."""
    cache: Literal["auto", "always", "never"] = "auto"
    """Keep the decoded training split in each worker's memory after the first pass; auto: where it fits cache_gib."""
    cache_gib: Positive = 8.0
    """The largest training split, decoded and in GiB a worker, that cache: auto keeps in memory."""
    shuffle_rows: Count = 65536
    """Rows in the shuffle buffer of a streamed epoch (a cached epoch is shuffled as a whole)."""
