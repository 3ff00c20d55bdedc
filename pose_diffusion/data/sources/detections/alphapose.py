"""AlphaPose's alphapose-results.json, or a folder of such files.

[{image_id: '29.jpg', category_id, keypoints: [x, y, score] * J, score, idx}]: J 17 (COCO), 26 (Halpe), or 136, 94 or 68 (Halpe
with face or hands, of which the first 26 are used). Frames are ordered by the number in image_id ('10.jpg' after '2.jpg'). idx
is a number, [0.0] or [[0.0]]; without --pose_track all are the same, with a number for each proposal that was merged into a
person ([[0.0], [0.0]]): then people are followed by position. --format open and cmu: {image: {people or bodies: [...]}}, 18
joints. (MVIG-SJTU, AlphaPose/docs/output.md.)
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
from pose_diffusion.data.sources.file_format import FOLLOWED, NO_SIZE, FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.sample import Sample, Seen, dicts, is_numbers
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, COCO_18, HALPE_26
from pose_diffusion.runtime.executor import Executor

USUAL = (COCO_17, HALPE_26, COCO_18)

FORMATS = (
    FileFormat(
        "AlphaPose", "`alphapose-results.json`, also of `--format open` and `cmu`", NO_SIZE,
        f"ids of `--pose_track`, else {FOLLOWED}", ("coco17", "halpe26", "coco18", "halpe136"),
    ),
)  # fmt: skip
_KEYS = {"image_id", "category_id", "keypoints", "score"}


def open_source(inputs: Inputs, settings: ArchiveConfig, executor: Executor) -> Source:
    """A sequence a person and file. Raises InputError for bad files."""
    paths = inputs.files(".json")
    return detections_source(
        "alphapose", inputs, settings, executor, paths, lambda path: [read(path, inputs.stem(path), settings)]
    )


def recognise(sample: Sample) -> Seen | None:
    """AlphaPose's list of people, told from COCO's by idx, box or image names; or its mapping of images."""
    if isinstance(sample.json, dict):
        return _recognise_by_image(sample.json)
    entry = next(iter(dicts(sample.json)), {})
    if not is_numbers(entry.get("keypoints"), 3) or not isinstance(entry.get("image_id"), str | int):
        return None
    own = sorted({"idx", "box"} & set(entry))
    if not own and not (isinstance(entry["image_id"], str) and set(entry) == _KEYS):
        return None
    return Seen("AlphaPose results", f"a list of {{image_id, keypoints, score{''.join(f', {key}' for key in own)}}}")


def _recognise_by_image(content: dict) -> Seen | None:
    image, found = next(iter(content.items()), ("", None))
    if isinstance(found, dict) and any(isinstance(found.get(key), list) for key in ("people", "bodies")):
        return Seen("AlphaPose results of --format open or cmu", f"a mapping of images such as '{image}' to their people")
    if "keypoints" in next(iter(dicts(found)), {}) and "." in image:
        way = "give alphapose-results.json in its default format"
        return Seen("PoseFlow's input", "a mapping of images to lists of people", f"PoseFlow's input is not read; {way}")
    return None


def read(path: str, name: str, settings: ArchiveConfig) -> Detections:
    """One file. name: of the recording."""
    content = parsing.read_json(path, parsing.packed)
    people = _as_list(content, path)
    where = [f"{path}: entry {index}" for index in range(len(people))]
    images = [parsing.field(p, "image_id", (str, int), at) for p, at in zip(people, where, strict=True)]
    rows = [parsing.field(p, "keypoints", (list, array), at) for p, at in zip(people, where, strict=True)]
    points = parsing.keypoints(rows, lambda index: f"{where[index]}, keypoints")
    layout, points = fit_layout("alphapose", settings, points, USUAL, path) if people else (COCO_17, points)
    frame = np.array([parsing.frame_number(image, at) for image, at in zip(images, where, strict=True)], np.int64)
    return Detections(
        where=path,
        name=name,
        layout=layout,
        points=points,
        frame=frame,
        person=_people(people, frame.tolist(), where),
        image=[str(image) for image in images],
    )


def _as_list(content: Any, path: str) -> list[dict]:
    """The people of a file, as the default format lists them: those of --format open and cmu stand by image."""
    if isinstance(content, list):
        return content
    if not isinstance(content, dict) or not all(isinstance(image, dict) for image in content.values()):
        raise InputError(f"{path}: expected AlphaPose's list of {{image_id, keypoints, score}}, got {type(content).__name__}")
    people = []
    for image, found in content.items():
        key, numbers = ("people", "pose_keypoints_2d") if "people" in found else ("bodies", "joints")
        for person in parsing.field(found, key, list, f"{path}: {image}"):
            people.append({"image_id": image, "keypoints": parsing.field(person, numbers, list, f"{path}: {image}")})
    return people


def _people(people: list[dict], frame: list[int], where: list[str]) -> list[str] | None:
    """The ids of tracking; None where there are none, or where they tell nobody apart, as without --pose_track."""
    if not people or not all("idx" in person for person in people):
        return None
    ids = [_identities(person["idx"], at) for person, at in zip(people, where, strict=True)]
    merged = any(len(those) > 1 for those in ids)
    twice = len(set(zip(frame, (those[0] for those in ids), strict=True))) < len(ids)
    if merged or twice:
        return None
    return [str(those[0]) for those in ids]


def _identities(value: Any, where: str) -> list[int]:
    """The numbers of an idx: 3, [0.0] or [[0.0]]; several where AlphaPose has merged proposals, as [[0.0], [0.0]]."""
    found: list[int] = []
    waiting = [value]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, list):
            waiting = one + waiting
        elif isinstance(one, int | float) and not isinstance(one, bool) and float(one).is_integer():
            found.append(int(one))
        else:
            raise InputError(f"{where}: idx: expected whole numbers, got {value!r}")
    if not found:
        raise InputError(f"{where}: idx: expected a whole number, got {value!r}")
    return found
