"""2D poses in VideoPose3D's own .npz (arXiv 1811.11742, its DATASETS.md and INFERENCE.md), with no 3D.

'positions_2d': {subject: {action: [camera: (T, J, 2) pixels]}}; 'metadata': {layout_name: 'coco' or 'h36m', num_joints,
keypoints_symmetry, (video_metadata: {subject: {w, h}})}. There are no confidences: all count as 1. Detections that were made
elsewhere may have them as a third number, and their cameras as an array.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pose_diffusion.config import ArchiveConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections import images
from pose_diffusion.data.sources.detections.archive import detections_source
from pose_diffusion.data.sources.detections.detections import Detections
from pose_diffusion.data.sources.file_format import FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.sample import Sample, Seen
from pose_diffusion.data.untrusted import npz
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, H36M_17, LAYOUTS, Layout
from pose_diffusion.runtime.executor import Executor

_LARGEST_CONFIDENCE = 1.5  # of a joint: heatmaps may go above 1
_OUTPUTS = ("reconstruction", "arr_0")  # of GAST-Net and VideoPose3D
_LAYOUTS = {"coco": COCO_17, "h36m": H36M_17}

FORMATS = (
    FileFormat(
        "VideoPose3D: `prepare_data_2d_custom.py`, and its 2D data sets", ".npz with `positions_2d` and `metadata`",
        "in the file, else `image_size`", "one person a sequence", ("coco17", "h36m17"),
    ),
)  # fmt: skip


def open_source(inputs: Inputs, settings: ArchiveConfig, executor: Executor) -> Source:
    """A sequence a subject, action and camera of each file. Raises InputError for bad files."""
    paths = inputs.files(".npz")
    return detections_source("videopose3d", inputs, settings, executor, paths, lambda path: read(path, settings))


def recognise(sample: Sample) -> Seen | None:
    """An .npz with positions_2d and metadata."""
    if not {"positions_2d", "metadata"} <= set(sample.arrays):
        return None
    return Seen("VideoPose3D 2D poses", "an .npz with 'positions_2d' and 'metadata'")


def read(path: str, settings: ArchiveConfig) -> list[Detections]:
    """One file, a Detections for each sequence in it."""
    stored = npz.names(path)
    if "positions_2d" not in stored and (output := next((name for name in _OUTPUTS if name in stored), "")):
        raise InputError(f"{path}: '{output}' is the output of a pose lifter, not its 2D input; expected 'positions_2d'")
    content = npz.load(path, ["positions_2d", "metadata"])
    subjects, metadata = content["positions_2d"], content["metadata"]
    if not isinstance(subjects, dict) or not all(isinstance(actions, dict) for actions in subjects.values()):
        raise InputError(f"{path}: positions_2d: expected nested dicts {{subject: {{action: [camera]}}}}")
    layout = _layout(settings, path, metadata)
    recordings = []
    for subject, actions in subjects.items():
        size = _size(path, metadata, subject)
        for action, cameras in actions.items():
            where = f"{path}: {subject} / {action}"
            if isinstance(cameras, np.ndarray) and cameras.ndim in (1, 4):  # (cameras,) of arrays, or (cameras, T, J, 2)
                cameras = list(cameras)
            if not isinstance(cameras, list | tuple):
                raise InputError(f"{where}: expected a list of cameras, got {type(cameras).__name__}")
            for index, points in enumerate(cameras):
                recordings.append(_recording(f"{where} / camera {index}", str(action), points, layout, size))
                images.warn_if_turned(recordings[-1].where, points, size)
                recordings[-1].subject = str(subject)
                recordings[-1].camera = str(index) if len(cameras) > 1 else ""
    if not recordings:
        raise InputError(f"{path}: holds no sequence")
    return recordings


def _recording(where: str, action: str, points: Any, layout: Layout, size: np.ndarray | None) -> Detections:
    joints = len(layout.joints)
    numeric = isinstance(points, np.ndarray) and points.dtype.kind in "fiu"
    if not numeric or points.shape[1:] not in ((joints, 2), (joints, 3)):
        found = points.shape if isinstance(points, np.ndarray) else type(points).__name__
        raise InputError(f"{where}: expected numbers (frames, {joints}, 2), got {found}")
    if points.shape[2] == 2:
        points = np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=2)
    elif (points[..., 2] < 0).any() or (points[..., 2] > _LARGEST_CONFIDENCE).any():
        raise InputError(f"{where}: a third number that is no confidence from 0 to 1; expected x, y in pixels, and no 3D")
    return Detections(where, action, layout, points, np.arange(len(points)), ["0"] * len(points), size)


def _layout(settings: ArchiveConfig, path: str, metadata: Any) -> Layout:
    if settings.layout != "auto":
        return LAYOUTS[settings.layout]
    name = metadata.get("layout_name") if isinstance(metadata, dict) else None
    if name not in _LAYOUTS:
        raise InputError(
            f"{path}: metadata: layout_name {name!r}, expected one of {', '.join(_LAYOUTS)}; "
            "if its joints are those of another layout, set 'videopose3d.layout'"
        )
    return _LAYOUTS[name]


def _size(path: str, metadata: Any, subject: str) -> np.ndarray | None:
    videos = metadata.get("video_metadata") if isinstance(metadata, dict) else None
    video = videos.get(subject) if isinstance(videos, dict) else None
    if not isinstance(video, dict) or not {"w", "h"} <= set(video):
        return None
    return parsing.number_table([[video["w"], video["h"]]], lambda _: f"{path}: metadata, size of {subject}", 2)[0]
