"""Actors that break in ways of their own. A module, so that Ray's workers find the classes."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from unittest import mock

import pyarrow as pa

from pose_diffusion.data import predictions
from pose_diffusion.data.manifest import ShardFile
from pose_diffusion.distributed.shard_lifter import Outcome, ShardLifter


class Deadly(ShardLifter):
    """Kills its own process over part-00005: the first time, or with 'always' in the archive's folder each time."""

    def _read(self, file: ShardFile) -> pa.Table:
        folder = Path(self.task.infer.input)
        if "part-00005" in file.path and ((folder / "always").exists() or not (folder / "died").exists()):
            (folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._read(file)


class Full(ShardLifter):
    """Finds the disk full over part-00001."""

    def lift(self, file: ShardFile) -> Outcome:
        if "part-00001" not in file.path:
            return super().lift(file)
        with mock.patch.object(predictions, "write", no_room):
            return super().lift(file)


def no_room(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
