"""Predictions as sequences: the poses of one subject, action and camera, in order of frames, wherever they lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pose_diffusion import storage
from pose_diffusion.data import predictions, schema, shards
from pose_diffusion.data.manifest import Selection
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.skeleton import JOINTS, N_JOINTS
from pose_diffusion.runtime.progress import Progress

Key = tuple[str, str, str]
NAMES = tuple(name.split("/")[0] for name in JOINTS)  # of joints, in other programs' files
_MOST_FRAMES, _MOST_GAPS = 10_000, 50  # a sequence may have so many frames, and so many more for each pose
_COLUMNS = [*schema.KEYS, "frame", "pose_3d"]


@dataclass(frozen=True)
class PoseTrack:
    """One sequence. frame: (T,) ascending. pose_3d: (T, 17, 3) metres minus the pelvis, camera frame.

    root_3d: (T, 3) metres in the camera frame, interpolated where a frame has none; None where no frame has one.
    """

    subject: str
    action: str
    camera: str
    frame: np.ndarray
    pose_3d: np.ndarray
    root_3d: np.ndarray | None

    @property
    def stride(self) -> int:
        """The usual distance between two frames."""
        steps, counts = np.unique(np.diff(self.frame), return_counts=True)
        return int(steps[counts.argmax()]) if len(steps) else 1

    def even_frames(self, step: int) -> np.ndarray:
        """Every step-th frame from the first to the last. Raises InputError where few of so many frames have a pose."""
        count = (int(self.frame[-1]) - int(self.frame[0])) // step + 1
        if count > _MOST_FRAMES + _MOST_GAPS * len(self.frame):
            name = " / ".join(filter(None, (self.subject, self.action, self.camera)))
            raise InputError(
                f"{name}: {len(self.frame)} poses over {count} frames, so no video, and bvh, trc and c3d need "
                "time to run evenly; choose csv or videopose3d"
            )
        return np.arange(self.frame[0], self.frame[-1] + 1, step)

    def evenly(self, root: bool) -> tuple[int, np.ndarray]:
        """Frames between two rows, and joints as in `positions` with a row at each such frame, NaN where there is no pose."""
        step = int(np.gcd.reduce(np.diff(self.frame))) if len(self.frame) > 1 else 1
        even = np.full((len(self.even_frames(step)), N_JOINTS, 3), np.nan, np.float32)
        even[(self.frame - self.frame[0]) // step] = self.positions(root)
        return step, even

    def positions(self, root: bool) -> np.ndarray:
        """Joints in metres, (T, 17, 3): in the camera frame with the root, else minus the pelvis."""
        return self.pose_3d + self.root_3d[:, None] if root and self.root_3d is not None else self.pose_3d


@dataclass(frozen=True)
class Predictions:
    """The sequences of a folder, read when they are asked for: memory holds one sequence and one file.

    They come as they lie in the files, so that each file is read once.
    """

    parts: dict[Key, list[tuple[str, int, int]]]  # where each sequence lies: (path, first row, rows)

    @staticmethod
    def find(folder: str, subjects: list[str] | None = None, actions: list[str] | None = None) -> Predictions:
        """The chosen sequences below a folder. Raises InputError where there are none."""
        names = storage.list_files(folder, ".parquet")
        if not names:
            raise InputError(f"{folder}: no prediction files (.parquet) in it")
        chosen = Selection(
            subjects=None if subjects is None else frozenset(subjects), actions=None if actions is None else frozenset(actions)
        )
        parts: dict[Key, list[tuple[str, int, int]]] = {}
        for path in (storage.join(folder, name) for name in names):
            start = 0
            for span in shards.spans_of(predictions.read(path, list(schema.KEYS))):
                if chosen.holds(span.subject, span.action):
                    parts.setdefault((span.subject, span.action, span.camera), []).append((path, start, span.rows))
                start += span.rows
        if not parts:
            raise InputError(f"{folder}: no poses of the chosen subjects and actions")
        return Predictions(parts)

    def __iter__(self) -> Iterator[PoseTrack]:
        path, table = "", pa.table({})
        progress = Progress("export", len(self.parts), "sequences")
        for key, places in self.parts.items():
            pieces = []
            for wanted, start, rows in places:
                if wanted != path:
                    path, table = wanted, _read(wanted)
                pieces.append(table.slice(start, rows))
            yield _track(key, pa.concat_tables(pieces))
            progress.advance(1)


def _read(path: str) -> pa.Table:
    table = predictions.read(path, without=("hypotheses",))
    return table.select([*_COLUMNS, *(["root_3d"] if "root_3d" in table.column_names else [])])


def _track(key: Key, table: pa.Table) -> PoseTrack:
    frame, order = np.unique(table["frame"].to_numpy(), return_index=True)
    pose = schema.tensor_values(table["pose_3d"])[order]
    root = schema.tensor_values(table["root_3d"])[order] if "root_3d" in table.column_names else None
    if root is not None:
        known = np.isfinite(root).all(1)
        if not known.any():
            root = None
        elif not known.all():
            root = np.stack([np.interp(frame, frame[known], axis[known]) for axis in root.T], 1).astype(np.float32)
    return PoseTrack(*key, frame, pose, root)
