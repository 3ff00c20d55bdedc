"""AlphaPose's alphapose-results.json (its default format), or a folder of such files.

[{image_id: '29.jpg', category_id, keypoints: [x, y, score] * J, score, idx}]: J 17 (COCO), 26 (Halpe) or 136 (Halpe full
body, of which the first 26 are used). Frames are ordered by the number in image_id ('10.jpg' after '2.jpg'). idx, where
tracking was on, is a number, [0.0] or [[0.0]]. (MVIG-SJTU, AlphaPose/docs/output.md.)
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from pose_diffusion.config import ArchiveConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections.archive import detections_source
from pose_diffusion.data.sources.detections.detections import Detections, fit_layout
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, HALPE_26
from pose_diffusion.runtime.executor import Executor


def open_source(inputs: Inputs, settings: ArchiveConfig, executor: Executor) -> Source:
    """A sequence a person and file. Raises InputError for bad files."""
    paths = inputs.files(".json")
    return detections_source(
        "alphapose", inputs, settings, executor, paths, lambda path: [read(path, inputs.stem(path), settings)]
    )


def read(path: str, name: str, settings: ArchiveConfig) -> Detections:
    """One file. name: of the recording."""
    people = parsing.read_json(path, parsing.packed)
    if not isinstance(people, list):
        hint = "; it looks like --format cmu or open, write the default format" if isinstance(people, dict) else ""
        raise InputError(f"{path}: expected AlphaPose's list of {{image_id, keypoints, score}}{hint}")
    where = [f"{path}: entry {index}" for index in range(len(people))]
    images = [parsing.field(p, "image_id", (str, int), at) for p, at in zip(people, where, strict=True)]
    rows = [parsing.field(p, "keypoints", (list, array), at) for p, at in zip(people, where, strict=True)]
    points = parsing.keypoints(rows, lambda index: f"{where[index]}, keypoints")
    layout, points = fit_layout(settings, points, (COCO_17, HALPE_26), path) if people else (COCO_17, points)
    frame = np.array([parsing.frame_number(image, at) for image, at in zip(images, where, strict=True)], np.int64)
    return Detections(
        where=path,
        name=name,
        layout=layout,
        points=points,
        frame=frame,
        person=_people(people, where),
        image=[str(image) for image in images],
    )


def _people(people: list[dict], where: list[str]) -> list[str] | None:
    if people and all("idx" in person for person in people):
        return [_identity(person["idx"], at) for person, at in zip(people, where, strict=True)]
    return None


def _identity(value: Any, where: str) -> str:
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, int | float) or not float(value).is_integer():
        raise InputError(f"{where}: idx: expected one whole number, got {value!r}")
    return str(int(value))
