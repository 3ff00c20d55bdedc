"""TensorFlow.js's MoveNet and PoseNet, as people save their poses to JSON. BlazePose's are read by `mediapipe`.

A pose is what the detector returns, {keypoints, score, id}, of COCO's 17 joints by their names. A keypoint is {x, y, score,
name} (pose-detection), or {position: {x, y}, score, part} (the older package posenet, and ml5, which puts the pose in {pose}).
(tensorflow/tfjs-models, pose-detection and posenet.)

A file is a list of frames, {frames: [...]}, or a mapping of image names to frames. A frame is

    null, []                      nobody
    a pose, or its keypoints      one person
    a list of poses               several
    {frame, poses} or {frame, keypoints}

A file that is one pose is one frame; so is a list of poses with ids that all differ, as MoveNet's multi-person model gives for
a picture. Coordinates are pixels or shares of the image: told by the values. Joints that are left out are missing. Where all
people have an id, as that model's tracker gives them, it tells them apart.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeGuard

import numpy as np

from pose_diffusion.config import ArchiveConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections.archive import detections_source
from pose_diffusion.data.sources.detections.detections import Detections, pixels_or_shares
from pose_diffusion.data.sources.detections.mediapipe_json import FRAME_KEYS
from pose_diffusion.data.sources.file_format import FOLLOWED, NO_SIZE, FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.sample import Sample, Seen, dicts
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, simplified
from pose_diffusion.runtime.executor import Executor

log = logging.getLogger(__name__)
_PLACES = {simplified(joint): place for place, joint in enumerate(COCO_17.joints)}
_FEWEST = 5  # joints by which a pose is recognised

FORMATS = (
    FileFormat(
        "MoveNet and PoseNet of TensorFlow.js, ml5", "JSON with frames of poses, their `keypoints` with `name` or `part`",
        NO_SIZE, f"`id` of MoveNet's tracker, else {FOLLOWED}", ("coco17",),
    ),
)  # fmt: skip


@dataclass
class _Recording:
    """What is read of one file. image: the frames' names, where the file has them."""

    rows: list[list[list]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    frame: list[int] = field(default_factory=list)
    identity: list[int | None] = field(default_factory=list)
    image: list[str] = field(default_factory=list)
    empty: list[int] = field(default_factory=list)


def open_source(inputs: Inputs, settings: ArchiveConfig, executor: Executor) -> Source:
    """A sequence a person and file. Raises InputError for bad files."""
    return detections_source("tfjs", inputs, settings, executor, inputs.files(".json"), partial(_read, inputs))


def recognise(sample: Sample) -> Seen | None:
    """JSON whose first pose has keypoints with the names of COCO's joints."""
    content = sample.json
    if isinstance(content, dict):
        content = content["frames"] if "frames" in content else content if _is_frame(content) else list(content.values())
    keypoints = content
    while isinstance(keypoints, list) and not _is_keypoints(keypoints):
        keypoints = next(filter(None, keypoints), None)
    if isinstance(keypoints, dict):
        pose = next(iter(dicts(keypoints.get("poses"))), keypoints)
        keypoints = _unwrapped(pose).get("keypoints")
    if not _is_keypoints(keypoints) or not _FEWEST <= len(keypoints) <= len(COCO_17.joints):
        return None
    named = "part" if "part" in keypoints[0] else "name"
    return Seen("TensorFlow.js poses", f"keypoints with '{named}', such as '{keypoints[0][named]}'")


def _is_keypoints(value: Any) -> TypeGuard[list[dict]]:
    """Whether a list is the keypoints of one pose, with a score and the name of one of COCO's joints each."""
    if not isinstance(value, list) or not value:
        return False
    return all(
        isinstance(point, dict)
        and "score" in point
        and ({"x", "y"} <= set(point) or "position" in point)
        and simplified(str(point.get("name", point.get("part", "")))) in _PLACES
        for point in value
    )


def _is_frame(content: dict) -> bool:
    return any(key in content for key in ("poses", "keypoints", "pose"))


def _unwrapped(pose: dict) -> dict:
    """The pose of what ml5 returns, {pose, skeleton}."""
    inner = pose.get("pose")
    return inner if isinstance(inner, dict) else pose


def _read(inputs: Inputs, path: str) -> list[Detections]:
    found = _Recording()
    entries: dict[int, str] = {}
    for number, image, entry, where in _frames(parsing.read_json(path), path):
        if number in entries:
            raise InputError(f"{where}: frame {number} is there twice, also in {entries[number]}")
        entries[number] = where.removeprefix(f"{path}: ")
        people = _people(entry, where)
        if not people:
            found.empty.append(number)
        for person in people:
            found.rows.append(_joints(person, where))
            found.places.append(where)
            found.frame.append(number)
            found.image.append(image)
            found.identity.append(_identity(person, where))
    return [_detections(path, inputs.stem(path), found)]


def _frames(content: Any, path: str) -> list[tuple[int, str, Any, str]]:
    """Each frame's number, image name ("" without one), content, and place for errors."""
    if isinstance(content, dict) and "frames" not in content and not _is_frame(content):
        named = [(name, entry, f"{path}: '{name[:60]}'") for name, entry in content.items()]
        return [(parsing.frame_number(name, where), name, entry, where) for name, entry, where in named]
    if isinstance(content, dict):
        content = parsing.field(content, "frames", list, path) if "frames" in content else [content]
    if not isinstance(content, list):
        raise InputError(f"{path}: expected a list of frames, got {type(content).__name__}")
    if _is_keypoints(content) or _is_one_moment(content):
        content = [content]
    elif len(content) > 1 and all(isinstance(entry, dict) and not _numbered(entry) for entry in content):
        log.warning(
            "%s: a list of %d poses without frame numbers; each is read as a frame. If they are people of one picture, put "
            "them into a list in the list", path, len(content),
        )  # fmt: skip
    frames = []
    for index, entry in enumerate(content):
        where = f"{path}: frame entry {index}"
        key = _numbered(entry) if isinstance(entry, dict) else None
        frames.append((index if key is None else parsing.frame_number(entry[key], where), "", entry, where))
    return frames


def _numbered(entry: dict) -> str | None:
    return next((key for key in FRAME_KEYS if key in entry), None)


def _is_one_moment(content: list) -> bool:
    """Whether a list is the people of one picture: poses with ids that all differ."""
    poses = [_unwrapped(entry) for entry in content if isinstance(entry, dict) and not _numbered(entry)]
    ids = [pose["id"] for pose in poses if isinstance(pose.get("id"), int)]
    return len(content) > 1 and len(ids) == len(content) == len(set(ids))


def _people(entry: Any, where: str) -> list[dict]:
    """The poses of a frame."""
    if isinstance(entry, dict):
        if "poses" in entry:
            return _people(entry["poses"], where)
        if not entry or any(key in entry and not entry[key] for key in ("keypoints", "pose")):
            return []
        return [_unwrapped(entry)]
    if _is_keypoints(entry):
        return [{"keypoints": entry}]
    if entry is None or entry == []:
        return []
    poses = dicts(entry)
    if not isinstance(entry, list) or len(poses) != len(entry):
        raise InputError(f"{where}: expected a pose with 'keypoints', or a list of poses, got {type(entry).__name__}")
    return [_unwrapped(pose) for pose in poses]


def _identity(pose: dict, where: str) -> int | None:
    identity = pose.get("id")
    if identity is not None and (not isinstance(identity, int) or isinstance(identity, bool)):
        raise InputError(f"{where}: key 'id': expected a whole number, got {identity!r}")
    return identity


def _joints(pose: dict, where: str) -> list[list]:
    """x, y and score of a pose's 17 joints, 0 for those that are not there."""
    found: dict[int, list] = {}
    for point in parsing.field(pose, "keypoints", list, where):
        if not isinstance(point, dict):
            raise InputError(f"{where}: expected keypoints with x, y, score and name, got {type(point).__name__}")
        name = str(point.get("name", point.get("part", "")))
        place = _PLACES.get(simplified(name))
        if place is None:
            raise InputError(
                f"{where}: keypoint '{name[:40]}', expected a name of COCO's joints such as 'left_hip' or 'leftHip'"
            )
        if place in found:
            raise InputError(f"{where}: keypoint '{COCO_17.joints[place]}' is there twice")
        position = point.get("position", point)
        if not isinstance(position, dict) or not {"x", "y"} <= set(position):
            raise InputError(f"{where}: keypoint '{name[:40]}': expected x and y, or a 'position' with both")
        found[place] = [position["x"], position["y"], point.get("score", 1.0)]
    return [found.get(place, [0.0, 0.0, 0.0]) for place in range(len(COCO_17.joints))]


def _detections(path: str, name: str, found: _Recording) -> Detections:
    flat = [[value for joint in person for value in joint] for person in found.rows]
    width = 3 * len(COCO_17.joints)
    points = parsing.number_table(flat, found.places.__getitem__, width) if flat else np.zeros((0, width))
    points = points.reshape(-1, len(COCO_17.joints), 3)
    with_id = [identity for identity in found.identity if identity is not None]
    is_tracked = bool(with_id) and len(with_id) == len(found.identity) and len(set(found.frame)) > 1
    return Detections(
        where=path,
        name=name,
        layout=COCO_17,
        points=points,
        frame=np.array(found.frame, np.int64),
        person=[f"track {identity}" for identity in with_id] if is_tracked else None,
        image=found.image if any(found.image) else None,
        empty=found.empty,
        unit=pixels_or_shares(points),
    )
