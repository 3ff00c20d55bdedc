"""Which rows and columns of a shard folder training reads.

Processes of Ray that only read import this module, so it does without torch.
"""

from __future__ import annotations

from pose_diffusion.config import DataConfig
from pose_diffusion.data import camera_views, schema
from pose_diffusion.data.manifest import Selection

# What a batch holds, in order; with yaw augmentation also where the pose is seen from.
COLUMNS = ("mixture", "pose_3d")
COLUMNS_WITH_VIEW = (*COLUMNS, camera_views.COLUMN)
# What is read from a shard for them.
READ = (*schema.KEYS, *COLUMNS)
READ_WITH_ROOT = (*READ, "root_3d")


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
