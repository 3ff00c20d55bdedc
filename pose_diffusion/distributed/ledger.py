"""What became of each shard of a run, as it comes in: figures merged, skipped and lost shards named."""

from __future__ import annotations

import contextlib
import json
import logging

from pose_diffusion import storage
from pose_diffusion.data.manifest import ShardFile
from pose_diffusion.distributed.shard_lifter import Outcome
from pose_diffusion.errors import InputError, RunError
from pose_diffusion.report.partial import Partial
from pose_diffusion.report.summary import Skipped

log = logging.getLogger(__name__)

LOST = "lost.json"
_LOST_IN_A_ROW = 10  # shards, after which the storage is taken for gone


class Ledger:
    """What is known of a run so far: the figures of what is lifted, what was skipped, what was lost."""

    def __init__(self, total: int):
        self.total = total
        self.figures: Partial | None = None
        self.ended: set[str] = set()
        self.skipped: list[Skipped] = []
        self.lost: dict[str, str] = {}
        self.lost_in_a_row = 0
        self.vain = ""  # why going on would lift nothing more

    def has(self, partial: Partial | None) -> bool:
        """Adds the figures of a prediction file; False where there is none."""
        if partial is None:
            return False
        if self.figures is None:
            self.figures = Partial(partial.layout, partial.where)
        self.figures.absorb(partial)
        return True

    def take(self, outcome: Outcome, tolerant: bool) -> None:
        """Notes what became of a shard. Raises InputError for a bad one unless tolerant."""
        self.ended.add(outcome.path)
        if self.has(outcome.partial):
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
                self.vain = outcome.lost
            elif self.lost_in_a_row >= _LOST_IN_A_ROW:
                self.vain = f"{_LOST_IN_A_ROW} shards in a row were lost, the last: {outcome.lost}"

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
        why = f" ({self.vain})" if self.vain else ""
        raise RunError(
            f"{len(self.lost)} of {self.total} shards were not lifted{why}: see {path}; run the same command again to go on"
        )
