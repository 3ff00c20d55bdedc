"""Actors that break. A module, so that Ray's workers find the classes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pyarrow as pa

from pose_diffusion.data.manifest import ShardFile
from pose_diffusion.distributed.infer.shard_lifter import ShardLifter


class Deadly(ShardLifter):
    """Kills its own process over part-00005: the first time, or each time where '<output>.always' is there."""

    def _read(self, file: ShardFile) -> pa.Table:
        always, died = (Path(f"{self.task.infer.output}.{name}") for name in ("always", "died"))
        if "part-00005" in file.path and (always.exists() or not died.exists()):
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._read(file)
