"""Detectron2 keypoints as VideoPose3D's inference/infer_video_d2.py writes them: an .npz a video.

'keypoints': for each frame a pair, of which the second holds the people's (n, 4, 17) x, y, logit, probability in COCO's
order, best first, or nothing; 'metadata': {w, h}. 'boxes' and 'segments' are not read. Nothing says who is who.
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
from pose_diffusion.data.sources.file_format import FOLLOWED, FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.sample import Sample, Seen
from pose_diffusion.data.untrusted import npz
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17
from pose_diffusion.runtime.executor import Executor

_X_Y_PROBABILITY = [0, 1, 3]

FORMATS = (
    FileFormat(
        "Detectron2 through VideoPose3D's `infer_video_d2.py`", ".npz with `keypoints` and `metadata`, a file a video",
        "in the file", FOLLOWED, ("coco17",),
    ),
)  # fmt: skip


def open_source(inputs: Inputs, settings: ArchiveConfig, executor: Executor) -> Source:
    """A sequence a person and file. Raises InputError for bad files."""
    paths = inputs.files(".npz")
    return detections_source("detectron2", inputs, settings, executor, paths, lambda path: [read(path, inputs.stem(path))])


def recognise(sample: Sample) -> Seen | None:
    """An .npz with keypoints, a pair a frame, and metadata."""
    keypoints = sample.arrays.get("keypoints")
    if keypoints is None or "metadata" not in sample.arrays or keypoints.kind != "O":
        return None
    return Seen("Detectron2 keypoints", "an .npz with 'keypoints' and 'metadata'")


def read(path: str, name: str) -> Detections:
    """One file. name: of the recording."""
    content = npz.load(path, ["keypoints", "metadata"])
    frames, metadata = content["keypoints"], content["metadata"]
    if not isinstance(frames, np.ndarray | list) or not len(frames):
        raise InputError(f"{path}: keypoints: expected a list of frames")
    people = [_people(frame, f"{path}: keypoints, frame {index}") for index, frame in enumerate(frames)]
    count = np.array([len(found) for found in people])
    points = np.concatenate(people)[:, _X_Y_PROBABILITY].transpose(0, 2, 1)  # (n, 17, 3)
    frame = np.repeat(np.arange(len(people)), count)
    size = None
    if isinstance(metadata, dict) and {"w", "h"} <= set(metadata):
        size = parsing.number_table([[metadata["w"], metadata["h"]]], lambda _: f"{path}: metadata, w and h", 2)[0]
    images.warn_if_turned(path, points, size)
    return Detections(
        where=path,
        name=name,
        layout=COCO_17,
        points=points,
        frame=frame,
        size=size,
        empty=np.flatnonzero(count == 0).tolist(),
    )


def _people(frame: Any, where: str) -> np.ndarray:
    """(n, 4, 17) of one frame."""
    if not isinstance(frame, np.ndarray | list | tuple) or len(frame) != 2:
        raise InputError(f"{where}: expected a pair of classes, the second with the people's keypoints")
    try:
        people = np.asarray(frame[1])
    except ValueError:  # lists of unequal lengths
        people = np.empty(1, object)
    if not people.size:
        return np.zeros((0, 4, len(COCO_17.joints)))
    if people.dtype.kind != "f" or people.shape[1:] != (4, len(COCO_17.joints)):
        raise InputError(f"{where}: expected numbers (people, 4, 17), got {people.dtype} {people.shape}")
    return people
