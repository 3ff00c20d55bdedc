"""What became of each shard of a run, as it comes in: figures merged, skipped and lost shards named."""

from __future__ import annotations

import contextlib
import json
import logging

from pose_diffusion import storage
from pose_diffusion.data.manifest import ShardFile
from pose_diffusion.distributed.infer.shard_lifter import Outcome
from pose_diffusion.errors import InputError, RunError
from pose_diffusion.report.report_stats import ReportStats
from pose_diffusion.report.summary import Skipped

log = logging.getLogger(__name__)

LOST = "lost.json"
_LOST_IN_A_ROW = 10  # shards, after which the storage is taken for gone


class Outcomes:
    """What is known of a run so far: the figures of what is lifted, what was skipped, what was lost."""

    def __init__(self, total: int):
        self.total = total
        self.figures: ReportStats | None = None
        self.ended: set[str] = set()
        self.skipped: list[Skipped] = []
        self.lost: dict[str, str] = {}
        self.lost_in_a_row = 0
        self.stop_reason = ""  # why going on would lift nothing more

    def merge(self, stats: ReportStats) -> None:
        """Adds the figures of a prediction file."""
        if self.figures is None:
            self.figures = ReportStats(stats.layout, stats.where)
        self.figures.merge(stats)

    def record(self, outcome: Outcome, tolerant: bool) -> None:
        """Notes what became of a shard. Raises InputError for a bad one unless tolerant."""
        self.ended.add(outcome.path)
        if outcome.stats is not None:
            self.merge(outcome.stats)
            self.lost_in_a_row = 0
        elif outcome.bad:
            if not tolerant:
                raise InputError(outcome.bad)
            log.warning("infer: skipped: %s", outcome.bad)
            self.skipped.append(Skipped(outcome.path, outcome.bad))
        else:
            log.error("infer: lost: %s", outcome.lost)
            self.lost[outcome.path] = outcome.lost
            self.lost_in_a_row += 1
            if outcome.full:
                self.stop_reason = outcome.lost
            elif self.lost_in_a_row >= _LOST_IN_A_ROW:
                self.stop_reason = f"{_LOST_IN_A_ROW} shards in a row were lost, the last: {outcome.lost}"

    def close(self, output: str, missing: list[ShardFile]) -> None:
        """Lists what was lost in lost.json, or removes an earlier list. Raises RunError where something was."""
        path = storage.join(output, LOST)
        for file in missing:
            if file.path not in self.ended:
                self.lost[file.path] = "not tried"
        if not self.lost:
            storage.remove_file(path)
            return
        records = [{"path": name, "reason": reason} for name, reason in sorted(self.lost.items())]
        with contextlib.suppress(OSError, InputError):  # nor can the list be written on a full disk
            storage.publish_bytes(path, json.dumps(records, indent=1).encode())
        why = f" ({self.stop_reason})" if self.stop_reason else ""
        raise RunError(
            f"{len(self.lost)} of {self.total} shards were not lifted{why}: see {path}; run the same command again to go on"
        )
