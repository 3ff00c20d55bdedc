"""What a source yields: sequences of poses, announced first and loaded when they are wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class PoseSequence:
    """Consecutive poses of one subject, action and camera; T frames, K kernels.

    mixture: (T, 17, K, 5) float32, weight, mean u, mean v, sigma u, sigma v; normalised screen units; heaviest first.
    pose_3d: (T, 17, 3) float32 metres in the camera frame, minus the pelvis; None where unknown.
    root_3d: (T, 3) float32, the pelvis in the camera frame, metres; None where unknown.
    frame: (T,) int32, 0-based. width, height: image size in pixels.
    confidence: (T, 17), the detector's, 0 where a joint is missing; None where unknown.
    counts: what its reader counted, such as joints without a heatmap, by kind.
    """

    subject: str
    action: str
    camera: str
    frame: np.ndarray
    mixture: np.ndarray
    width: int
    height: int
    pose_3d: np.ndarray | None = None
    root_3d: np.ndarray | None = None
    confidence: np.ndarray | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def where(self) -> str:
        return f"{self.subject or '?'} / {self.action or '?'} / camera {self.camera or '?'}"


@dataclass(frozen=True)
class LazySequence:
    """A sequence that `load` reads on whichever machine calls it; `load` is picklable.

    Keys and row count are known beforehand, so that the plan of the output files depends on the input alone. file: names what
    `load` reads as a whole for all clips that have the same, so that they are best loaded by one process; '' where nothing is.
    split: where the input states it; None leaves it to prepare.test_subjects.
    """

    subject: str
    action: str
    camera: str
    rows: int
    load: Callable[[], PoseSequence] = field(repr=False)
    file: str = ""
    split: Literal["train", "test"] | None = None


@dataclass(frozen=True)
class Source:
    """A data set ready to be turned into shards.

    sequences: in output order. cameras: '<subject>/<camera>' -> plain dict of its parameters (see `camera.Camera`), may be
    empty. description: converter name and settings, for the manifest. kernels: K of every mixture. skipped: a line for
    each input file that was left out. with_3d: whether its sequences have 3D poses; those without can only be lifted.
    gpus: share of a GPU that loading a clip takes.
    """

    sequences: list[LazySequence]
    kernels: int
    cameras: dict[str, dict]
    description: dict
    skipped: list[str] = field(default_factory=list)
    with_3d: bool = True
    gpus: float = 0.0
