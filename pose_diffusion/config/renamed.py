"""Config keys that were renamed: the names that earlier versions wrote into bundles and run folders.

A bundle's model.yaml is read under either name. A run's identity keeps the name that a key was first recorded under, so that
a run begun by an earlier version goes on. In configs and on the command line only today's names are taken, and the error for
an old name gives the new one. Names are written 'section__key'.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RENAMED = {
    "train__pass_rows": "micro_batch",
    "train__anneal": "lr_schedule",
    "train__decay": "lr_decay",
    "train__decay_epochs": "lr_decay_epochs",
    "train__clip": "grad_clip",
    "train__ema": "ema_decay",
    "train__turn": "yaw_augment",
    "train__draw": "sample_kernels",
    "diffusion__keep_size": "preserve_scale",
    "infer__keep_size": "preserve_scale",
    "infer__shards_in_hand": "shards_in_flight",
    "bvh__room": "walk_radius",
    "asf_amc__room": "walk_radius",
}


def new_name(section: str, key: str) -> str | None:
    """Today's name of a key that an earlier version had, None where it had no such key."""
    return RENAMED.get(f"{section}__{key}")


def upgrade(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A section as any version wrote it, under today's names."""
    return {new_name(section, key) or key: value for key, value in values.items()}


def first_names(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A section's values under the names that they were first recorded under."""
    old = {new: name.removeprefix(f"{section}__") for name, new in RENAMED.items() if name.startswith(f"{section}__")}
    return {old.get(key, key): value for key, value in values.items()}
