"""Which rows and columns of a shard folder training reads.

Processes of Ray that only read import this module, so it does without torch.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from pose_diffusion.config import Config, DataConfig
from pose_diffusion.data import camera_views, schema, shards
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data.manifest import Manifest, Selection
from pose_diffusion.errors import InputError

# What a row of training data holds, in order; with yaw augmentation also where the pose is seen from, and for clips the
# sequence and the place in it.
COLUMNS = ("mixture", "pose_3d")
COLUMNS_WITH_VIEW = (*COLUMNS, camera_views.COLUMN)
SEQUENCE, FRAME = "sequence", "frame"
COLUMNS_OF_CLIPS = (*COLUMNS_WITH_VIEW, SEQUENCE, FRAME)
# What is read from a shard for them.
READ = (*schema.KEYS, *COLUMNS)
READ_WITH_ROOT = (*READ, "root_3d")
READ_CLIPS = (*READ_WITH_ROOT, FRAME)


def columns(config: Config) -> tuple[str, ...]:
    """What a row of a run's training data holds."""
    if config.model.family == "video":
        return COLUMNS_OF_CLIPS
    return COLUMNS_WITH_VIEW if config.train.yaw_augment else COLUMNS


def check_cameras(config: Config, manifest: Manifest, where: str) -> None:
    """Raises InputError where a run needs cameras or a frame rate that the manifest does not have."""
    if config.model.family == "video":
        with_held_out, _ = training_selection(config.data, [])  # held-out clips are seen by their cameras too
        camera_views.check(manifest, with_held_out, where, "the video model", "prepare the data with its cameras")
        frame_rate(manifest, where)
    elif config.train.yaw_augment:
        selection, _ = training_selection(config.data, config.train.holdout_subjects)
        camera_views.check(manifest, selection, where, "train.yaw_augment", "set train.yaw_augment=0")


def read_columns(held: Sequence[str]) -> tuple[str, ...]:
    """What is read from a shard for rows that hold these columns."""
    if SEQUENCE in held:
        return READ_CLIPS
    return READ_WITH_ROOT if camera_views.COLUMN in held else READ


def rows_of(table: pa.Table, held: Sequence[str], cameras: Mapping[str, np.ndarray] | None) -> pa.Table:
    """Rows of a shard as training data. cameras: of `camera_views.cameras`, where a view is among the columns."""
    rows = table.select(COLUMNS)
    if cameras is not None:
        rows = rows.append_column(camera_views.COLUMN, camera_views.column(table, cameras))
    if SEQUENCE in held:
        spans = shards.spans_of(table)
        names = [zlib.crc32("\0".join((span.subject, span.action, span.camera)).encode()) for span in spans]
        sequence = np.repeat(np.array(names, np.int64), [span.rows for span in spans])
        rows = rows.append_column(SEQUENCE, pa.array(sequence)).append_column(FRAME, table[FRAME].cast(pa.int64()))
    return rows


def training_selection(config: DataConfig, holdout: list[str]) -> tuple[Selection, Selection | None]:
    """The rows to train on and the held-out rows (None where no subject is held out), both of the training split."""
    actions = frozenset(config.actions) if config.actions is not None else None
    subjects = frozenset(config.subjects) if config.subjects is not None else None
    train = Selection(split="train", actions=actions, subjects=subjects, without_subjects=frozenset(holdout))
    return train, held_out_selection(config, holdout) if holdout else None


def held_out_selection(config: DataConfig, holdout: list[str]) -> Selection:
    """The rows of these subjects of the training split."""
    actions = frozenset(config.actions) if config.actions is not None else None
    return Selection(split="train", actions=actions, subjects=frozenset(holdout))


def frame_rate(manifest: Manifest, where: str) -> float:
    """Frames a second of the sequences to train on. Raises InputError where the manifest does not say."""
    rate = manifests.frame_rate(manifest)
    if rate is None:
        raise InputError(f"{where}: the manifest has no frame rate ('source.fps'), and the video model needs the frames' times")
    return rate
