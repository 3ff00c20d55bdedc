"""MediaPipe Pose's 33 landmarks, as people write them to JSON, or as arrays in .npy.

JSON: a list of frames, or {width, height, frames: [...]}. A frame is null or [] (no person), one person (33 landmarks), a
list of people, or {frame, landmarks: one of these} ('pose_landmarks' is taken too). A landmark is {x, y, (z), visibility}
or [x, y, z, visibility]. .npy: (T, 33, 4), rows of NaN for frames without a person. x and y are shares of the image's
width and height, as MediaPipe gives them. (Google, MediaPipe Pose Landmarker.)
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from pose_diffusion.config import ArchiveConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections.archive import detections_source
from pose_diffusion.data.sources.detections.detections import Detections
from pose_diffusion.data.sources.file_format import FOLLOWED, NO_SIZE, FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.sample import Sample, Seen, dicts
from pose_diffusion.data.untrusted import npz
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import MEDIAPIPE_33, simplified
from pose_diffusion.runtime.executor import Executor

_JOINTS = len(MEDIAPIPE_33.joints)

FORMATS = (
    FileFormat(
        "MediaPipe Pose, its landmarks as people save them",
        "JSON with frames of `landmarks` or `pose_landmarks`; .npy (T, 33, 4)",
        f"`width` and `height` in the JSON, else {NO_SIZE}", FOLLOWED, ("mediapipe33",),
    ),
)  # fmt: skip
_NUMBERED = re.compile(r"(?:landmark)?x?(\d+)x?")  # x1 and landmark_0_x
_NUMBERS = (_JOINTS, _JOINTS + 468, 4 * _JOINTS)  # landmarks; with those of the face; plain numbers
_NO_TABLES = "landmarks in a table are not read; save an .npy array (frames, 33, 4) of x, y, z, visibility"
_LANDMARKS = ("landmarks", "pose_landmarks")
_PICKLED = (
    "holds pickled objects, which are not loaded; save numbers: np.array([[p.x, p.y, p.z, p.visibility] for p in landmarks])"
)


def open_source(inputs: Inputs, settings: ArchiveConfig, executor: Executor) -> Source:
    """A sequence a person and file. Raises InputError for bad files."""
    paths = inputs.files(".json", ".npy")
    return detections_source("mediapipe", inputs, settings, executor, paths, lambda path: [read(path, inputs.stem(path))])


def recognise(sample: Sample) -> Seen | None:
    """Frames of 33 landmarks: JSON, a table or an .npy array."""
    if "" in sample.arrays:
        header = sample.arrays[""]
        if header.kind == "O" and b"mediapipe" in sample.head:
            return Seen("MediaPipe landmarks", "an .npy of landmark objects", _PICKLED)
        is_landmarks = header.kind == "f" and header.shape[1:] == (_JOINTS, 4)
        return Seen("MediaPipe landmarks", f"an .npy array {header.shape}") if is_landmarks else None
    if sample.rows:
        return _recognise_table(sample)
    content = sample.json
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list)]
        content = content["frames"] if isinstance(content.get("frames"), list) else next(iter(lists), None)
    if not isinstance(content, list):
        return None
    why = next((why for entry in content if (why := _frame_of_landmarks(entry))), None)
    return Seen("MediaPipe landmarks", why) if why else None


def _frame_of_landmarks(entry: Any) -> str | None:
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
        points = dicts(entry.get("keypoints"))
        if points and len(points) >= _JOINTS and {"x", "y", "name"} <= set(points[0]):
            return "frames of 33 'keypoints' with names"
        return None
    while isinstance(entry, list) and len(entry) and isinstance(entry[0], list) and len(entry) != _JOINTS:
        entry = entry[0]
    if not isinstance(entry, list) or len(entry) != _JOINTS:
        return None
    is_point = (isinstance(entry[0], dict) and {"x", "y"} <= set(entry[0])) or (
        isinstance(entry[0], list) and len(entry[0]) == 4
    )
    return "frames of 33 landmarks" if is_point else None


def _recognise_table(sample: Sample) -> Seen | None:
    """A CSV with columns for 33 landmarks, named or numbered, or with a row a landmark."""
    why = _table_of_landmarks(sample)
    return Seen("MediaPipe landmarks", why, _NO_TABLES) if why else None


def _table_of_landmarks(sample: Sample) -> str | None:
    """What shows that a table is one of landmarks."""
    names = {simplified(name) for name in sample.columns}
    named = {simplified(name[:-2]) for name in sample.columns if name.lower().endswith("_x")}
    if {simplified(joint) for joint in MEDIAPIPE_33.joints} <= named:
        return "a table with columns for each of 33 landmarks"
    row_a_landmark = {"x", "y"} <= {name.removeprefix("landmark") for name in names} and (
        "landmarkid" in names or names <= {"landmarkx", "landmarky", "landmarkz", "landmarkvisibility"}
    )
    if row_a_landmark:
        return "a table with a row for each landmark"
    numbered = {int(match[1]) for name in names if (match := _NUMBERED.fullmatch(name))}
    if len(numbered) in _NUMBERS and max(numbered) - min(numbered) < len(numbered):
        return f"a table with numbered coordinates of {len(numbered)} landmarks"
    return None


def read(path: str, name: str) -> Detections:
    """One file. name: of the recording."""
    return _from_npy(path, name) if path.lower().endswith(".npy") else _from_json(path, name)


def _from_npy(path: str, name: str) -> Detections:
    values = npz.load_npy(path)
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.shape[1:] != (_JOINTS, 4):
        raise InputError(f"{path}: expected numbers (frames, {_JOINTS}, 4): x, y, z, visibility")
    present = ~np.isnan(values).all((1, 2))
    frame = np.flatnonzero(present)
    empty = np.flatnonzero(~present).tolist()
    return _detections(path, name, values[present][..., [0, 1, 3]], frame, ["0"] * len(frame), empty, None)


def _from_json(path: str, name: str) -> Detections:
    content = parsing.read_json(path)
    size = None
    if isinstance(content, dict):
        if "width" in content and "height" in content:
            size = parsing.number_table([[content["width"], content["height"]]], lambda _: f"{path}: width, height", 2)
        content = parsing.field(content, "frames", list, path)
    if not isinstance(content, list):
        raise InputError(f"{path}: expected a list of frames, got {type(content).__name__}")
    rows: list[list[float]] = []
    places: list[str] = []
    frame_of: list[int] = []
    empty: list[int] = []
    for index, entry in enumerate(content):
        where, number = f"{path}: frame entry {index}", index
        if isinstance(entry, dict):
            number = parsing.frame_number(entry.get("frame", index), where)
            key = "landmarks" if "landmarks" in entry else "pose_landmarks"
            entry = parsing.field(entry, key, (list, type(None)), where)
        people = _people(entry, where)
        if not people:
            empty.append(number)
        for person in people:
            rows.append([value for landmark in person for value in _landmark(landmark, where)])
            places.append(where)
            frame_of.append(number)
    points = parsing.number_table(rows, places.__getitem__, 3 * _JOINTS) if rows else np.zeros((0, 3 * _JOINTS))
    frame = np.array(frame_of, np.int64)
    return _detections(path, name, points.reshape(-1, _JOINTS, 3), frame, None, empty, size)


def _people(entry: Any, where: str) -> list[list]:
    """The people of a frame, each a list of landmarks."""
    if entry is None or entry == []:
        return []
    if not isinstance(entry, list):
        raise InputError(f"{where}: expected landmarks, got {type(entry).__name__}")
    nested = isinstance(entry[0], list) and bool(entry[0]) and isinstance(entry[0][0], dict | list)
    people = entry if nested else [entry]
    for person in people:
        if not isinstance(person, list) or len(person) != _JOINTS:
            count = len(person) if isinstance(person, list) else type(person).__name__
            raise InputError(f"{where}: expected {_JOINTS} landmarks, got {count}")
    return people


def _landmark(landmark: Any, where: str) -> list:
    if isinstance(landmark, dict) and {"x", "y", "visibility"} <= set(landmark):
        return [landmark["x"], landmark["y"], landmark["visibility"]]
    if isinstance(landmark, list) and len(landmark) == 4:
        return [landmark[0], landmark[1], landmark[3]]
    raise InputError(f"{where}: expected landmarks with x, y and visibility, or lists of x, y, z, visibility")


def _detections(
    path: str, name: str, points: np.ndarray, frame: np.ndarray, person: list[str] | None,
    empty: list[int],
    size: np.ndarray | None,
) -> Detections:  # fmt: skip
    return Detections(
        where=path, name=name, layout=MEDIAPIPE_33, points=points, frame=frame, person=person,
        size=None if size is None else size[0], empty=empty, unit="unit",
    )  # fmt: skip
