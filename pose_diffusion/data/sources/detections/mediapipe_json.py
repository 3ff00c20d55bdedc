"""MediaPipe's landmarks in JSON, in the forms that people write.

A file is a list of frames, or {width, height, frames: [...]}. A frame is

    null, [] or {}                                       nobody
    landmarks                                            one person
    a list of people, each landmarks or {landmarks}      several
    {frame, landmarks} or {frame, people}                either of these, with the frame's number

`frame` may also be frame_number, frameNum, ...; `landmarks` may also be pose_landmarks (as Holistic's results have them, beside
those of the face and the hands), poseLandmarks, or keypoints with names (TensorFlow.js).
Landmarks are a list of all 33 or, in a mapping or where each has an `id` or `name`, some of them. A landmark is {x, y, z,
visibility}, also with score in place of visibility or without either, or [x, y, z, visibility].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.sample import dicts
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import MEDIAPIPE_33, simplified

_JOINTS = len(MEDIAPIPE_33.joints)
_PLACES = {simplified(joint): place for place, joint in enumerate(MEDIAPIPE_33.joints)}
FRAME_KEYS = ("frame", "frame_number", "frame_index", "frame_id", "frame_idx", "frameNum", "frameNumber", "frameIndex")
_LANDMARKS = ("landmarks", "pose_landmarks", "poseLandmarks", "landmark")
_VISIBILITY = ("visibility", "score", "confidence", "v")
_IDENTITY = ("id", "name", "index", "landmark_id")
_MISSING = [0.0, 0.0, 0.0]


@dataclass(frozen=True)
class JsonLandmarks:
    """points: (n, 33, 3) x, y, visibility. frame: (n,). empty: frames without anybody. size: (1, 2), where the file has it."""

    points: np.ndarray
    frame: np.ndarray
    empty: list[int]
    size: np.ndarray | None


def read(path: str) -> JsonLandmarks:
    """A file's landmarks. Raises InputError with the frame of an entry that cannot be used."""
    content = parsing.read_json(path)
    size = None
    if isinstance(content, dict):
        if "width" in content and "height" in content:
            size = parsing.number_table([[content["width"], content["height"]]], lambda _: f"{path}: width, height", 2)
        if "frames" not in content:
            found = ", ".join(list(content)[:5]) or "nothing"
            raise InputError(f"{path}: expected a list of frames, or a mapping with one as 'frames', got {found}")
        content = parsing.field(content, "frames", list, path)
    if not isinstance(content, list):
        raise InputError(f"{path}: expected a list of frames, got {type(content).__name__}")
    rows: list[list] = []
    places: list[str] = []
    frame: list[int] = []
    empty: list[int] = []
    entries: dict[int, int] = {}
    for index, entry in enumerate(content):
        where = f"{path}: frame entry {index}"
        number, people = _frame(entry, index, where)
        if number in entries:
            raise InputError(f"{where}: frame {number} is there twice, also in entry {entries[number]}")
        entries[number] = index
        if not people:
            empty.append(number)
        for person in people:
            rows.append([value for landmark in _person(person, where) for value in landmark])
            places.append(where)
            frame.append(number)
    points = parsing.number_table(rows, places.__getitem__, 3 * _JOINTS) if rows else np.zeros((0, 3 * _JOINTS))
    return JsonLandmarks(points.reshape(-1, _JOINTS, 3), np.array(frame, np.int64), empty, size)


def frame_of_landmarks(entry: Any) -> str | None:
    """What shows that an entry of a JSON list is a frame of landmarks."""
    if isinstance(entry, dict):
        named = [key for key in _LANDMARKS if isinstance(entry.get(key), list | dict)]
        if named:
            return f"frames with '{named[0]}'"
        people = dicts(entry.get("people"))
        if people and any(key in people[0] for key in _LANDMARKS):
            return "frames of 'people' with 'landmarks'"
        if {"0", "32"} <= set(entry) and isinstance(entry["0"], dict) and "visibility" in entry["0"]:
            return "frames of landmarks '0' to '32'"
        first = next(iter(entry.values()), None)
        if isinstance(first, dict) and "visibility" in first and _by_name(entry):
            return f"frames of landmarks by their names, such as '{next(iter(entry))}'"
        return "frames of 33 'keypoints' with names" if _is_tfjs(entry) else None
    if isinstance(entry, list) and entry and all(map(_is_tfjs, entry)):
        return "frames of poses with 33 'keypoints'"
    while isinstance(entry, list) and len(entry) and isinstance(entry[0], list) and len(entry) != _JOINTS:
        entry = entry[0]
    if not isinstance(entry, list) or len(entry) != _JOINTS:
        return None
    is_point = (isinstance(entry[0], dict) and {"x", "y"} <= set(entry[0])) or (
        isinstance(entry[0], list) and len(entry[0]) == 4
    )
    return "frames of 33 landmarks" if is_point else None


def _is_tfjs(pose: Any) -> bool:
    points = dicts(pose.get("keypoints")) if isinstance(pose, dict) else []
    return len(points) >= _JOINTS and {"x", "y", "name"} <= set(points[0])


def _frame(entry: Any, index: int, where: str) -> tuple[int, list]:
    """A frame's number and its people."""
    if not isinstance(entry, dict):
        return index, _people(entry, where)
    key = next((key for key in FRAME_KEYS if key in entry), None)
    number = index if key is None else parsing.frame_number(entry[key], where)
    if "people" in entry:
        return number, parsing.field(entry, "people", list, where)
    key = next((key for key in (*_LANDMARKS, "keypoints") if key in entry), None)
    if key is not None:
        return number, _people(entry[key], where)
    if _by_name(entry):
        return number, [entry]
    if entry and key is None:
        found = ", ".join(map(str, list(entry)[:6]))
        raise InputError(f"{where}: expected a key 'landmarks', 'pose_landmarks', 'keypoints' or 'people', got {found}")
    return number, []


def _people(value: Any, where: str) -> list:
    """The people of what is one person's landmarks, or a list of people."""
    if not value and (value is None or isinstance(value, list | dict)):
        return []
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise InputError(f"{where}: expected landmarks, got {type(value).__name__}")
    first = value[0]
    nested = isinstance(first, list) and bool(first) and isinstance(first[0], dict | list)
    is_pose = isinstance(first, dict) and any(key in first for key in (*_LANDMARKS, "keypoints"))
    return value if nested or is_pose else [value]


def _person(value: Any, where: str) -> list[list]:
    """x, y and visibility of a person's 33 landmarks, 0 for those that are not there."""
    key = next((key for key in (*_LANDMARKS, "keypoints") if isinstance(value, dict) and key in value), None)
    if key is not None:
        return _person(value[key], where)
    if isinstance(value, dict):
        named = list(value.items())
    elif isinstance(value, list) and value and all(isinstance(point, dict) and _identity(point) is not None for point in value):
        named = [(_identity(point), point) for point in value]
    elif isinstance(value, list) and len(value) == _JOINTS:
        return [_landmark(point, where) for point in value]
    else:
        count = len(value) if isinstance(value, list) else type(value).__name__
        raise InputError(f"{where}: expected {_JOINTS} landmarks, or some with their 'id' or 'name', got {count}")
    found: dict[int, list] = {}
    for name, point in named:
        place = landmark_place(name)
        if place is None:
            raise InputError(f"{where}: landmark {str(name)[:40]!r}, expected 0 to {_JOINTS - 1} or a name such as 'left_hip'")
        if place in found:
            raise InputError(f"{where}: landmark '{MEDIAPIPE_33.joints[place]}' is there twice")
        found[place] = _landmark(point, where)
    return [found.get(place, _MISSING) for place in range(_JOINTS)]


def _by_name(entry: dict) -> bool:
    """Whether a mapping is landmarks by their numbers or names."""
    return bool(entry) and all(landmark_place(key) is not None for key in entry)


def landmark_place(name: Any) -> int | None:
    """A landmark's place among the 33, by its number or name."""
    if isinstance(name, str) and not name.strip().isdecimal():
        return _PLACES.get(simplified(name))
    try:
        number = int(name)
    except (TypeError, ValueError):
        return None
    return number if not isinstance(name, bool) and number == float(name) and 0 <= number < _JOINTS else None


def _identity(point: dict) -> Any:
    return next((point[key] for key in _IDENTITY if key in point), None)


def _landmark(landmark: Any, where: str) -> list:
    """x, y, visibility. TensorFlow.js's keypoints without a name are another model's."""
    if isinstance(landmark, dict) and {"x", "y"} <= set(landmark):
        return [landmark["x"], landmark["y"], next((landmark[key] for key in _VISIBILITY if key in landmark), 1.0)]
    if isinstance(landmark, list) and len(landmark) == 4:
        return [landmark[0], landmark[1], landmark[3]]
    raise InputError(f"{where}: expected landmarks with x, y and visibility, or lists of x, y, z, visibility")
