"""Ultralytics' YOLO pose: label files of `save_txt`, and the JSON of `results.to_json()`.

Label files: `labels/<video>_<frame>.txt`, or `labels/<image>.txt`; see `yolo_labels` for their lines. A frame without a person
has no file. JSON: a list of {name, class, confidence, box, keypoints: {x, y, visible}, track_id} a frame. Either a file is one
frame, and its name ends in the frame's number, or it is a video, a list of such lists (or of what to_json() returned, as
text). Coordinates in JSON are pixels, or shares of the image where normalize=True was given: told by the values.
Joints at 0, 0 are missing. Where all people of all frames have a track id, it tells them apart.
(Ultralytics, ultralytics/engine/results.py: Results.save_txt, Results.summary.)
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from pose_diffusion import storage
from pose_diffusion.config import ArchiveConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections import yolo_labels
from pose_diffusion.data.sources.detections.archive import detections_source
from pose_diffusion.data.sources.detections.detections import Detections, fit_layout, pixels_or_shares
from pose_diffusion.data.sources.file_format import FOLLOWED, NO_SIZE, FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.sample import Sample, Seen, dicts
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17
from pose_diffusion.runtime.executor import Executor

log = logging.getLogger(__name__)
USUAL = (COCO_17,)
_NAME = re.compile(r"(?P<video>.*?)[_.\-]?(?P<frame>\d+)\.(txt|json)", re.IGNORECASE)
_NOT_LABELS = {"classes.txt", "notes.txt", "readme.txt", "requirements.txt"}
_SAME_BOX = 0.9  # overlap of two boxes that no picture has: suppression leaves none above 0.7
_LOOKED_AT = 100  # entries of a JSON list

FORMATS = (
    FileFormat(
        "Ultralytics YOLO pose", "`save_txt`: labels/<video>_<frame>.txt", NO_SIZE,
        f"track ids of `yolo track`, else {FOLLOWED}", ("coco17",),
    ),
    FileFormat(
        "Ultralytics YOLO pose", "JSON of `results.to_json()`, a file a frame or a list of frames", NO_SIZE,
        f"`track_id`, else {FOLLOWED}", ("coco17",),
    ),
)  # fmt: skip


@dataclass
class _Recording:
    """What is read of one recording. crowded: the file or frame in which two people have the same box."""

    rows: list[np.ndarray] = field(default_factory=list)
    frame: list[int] = field(default_factory=list)
    identity: list[int | None] = field(default_factory=list)
    empty: list[int] = field(default_factory=list)
    crowded: str = ""


def open_source(inputs: Inputs, settings: ArchiveConfig, executor: Executor) -> Source:
    """A sequence a person and video. Raises InputError for bad files."""
    videos: dict[str, dict[int, str]] = {}
    for path in _files(inputs):
        folder, _, name = path.rpartition("/")
        match = _NAME.fullmatch(name)
        frames = videos.setdefault(f"{folder}/{match['video'] if match else name.rpartition('.')[0]}", {})
        frame = parsing.frame_number(int(match["frame"]), path) if match else 0
        if frame in frames:
            raise InputError(f"{path}: frame {frame} is there twice, also as {frames[frame]}")
        frames[frame] = path
    return detections_source("yolo", inputs, settings, executor, list(videos.items()), partial(_read, inputs, settings))


def _files(inputs: Inputs) -> list[str]:
    """Label files in folders named labels; without any the JSON files, and without those all label files."""
    paths = [path for path in inputs.files(".txt", ".json") if path.rsplit("/", 1)[-1].lower() not in _NOT_LABELS]
    labels = [path for path in paths if "/labels/" in path and path.lower().endswith(".txt")]
    found = labels or [path for path in paths if path.lower().endswith(".json")] or paths
    if not found:
        raise InputError(f"{inputs.path}: a folder without label files or JSON of YOLO")
    return found


def recognise(sample: Sample) -> Seen | None:
    """Label files of save_txt: class, box and keypoints as shares of the image; or the JSON of results.to_json()."""
    if sample.suffix == ".txt":
        count = yolo_labels.looks_like_labels(sample.text.splitlines())
        return Seen("YOLO pose labels", f"lines of {count} numbers: class, box, keypoints") if count else None
    content = sample.json if isinstance(sample.json, list) else []
    try:
        frames = [_as_json(entry, sample.path) for entry in content[:_LOOKED_AT]]
    except InputError:  # texts of another kind
        return None
    entry = next(iter(dicts(frames) or [one for frame in frames for one in dicts(frame)]), {})
    keypoints = entry.get("keypoints")
    if isinstance(keypoints, dict) and {"x", "y"} <= set(keypoints):
        return Seen("YOLO pose results as JSON", "a list of {name, class, box, keypoints: {x, y, visible}}")
    return None


def _read(inputs: Inputs, settings: ArchiveConfig, item: tuple[str, dict[int, str]]) -> list[Detections]:
    """The files of one name: a recording, and one more for each JSON file among them that is a whole video."""
    video, frames = item
    alone = inputs.path in frames.values()
    name = video.rpartition("/")[2] if alone else inputs.stem(video).removeprefix("labels/").replace("/labels/", "/")
    name = name.strip("_") or "video"
    if next(iter(frames.values())).lower().endswith(".txt"):
        return [_labels(video, name, frames, settings)]
    found, one = [], _Recording()
    contents = storage.read_ahead(frames[frame] for frame in sorted(frames))
    for frame, content in zip(sorted(frames), contents, strict=True):
        path = frames[frame]
        entries = _as_json(parsing.json_of(content, path), path)
        if not isinstance(entries, list):
            raise InputError(f"{path}: expected a list of people, or of frames with people, got {type(entries).__name__}")
        if all(isinstance(entry, dict) for entry in entries):
            _add_people(one, frame, entries, path)
            continue
        whole = _Recording()
        for number, people in enumerate(entries):
            _add_people(whole, number, _as_json(people, path), f"{path}: frame {number}")
        found.append(_detections(path, inputs.stem(path), whole, settings))
    if one.frame or one.empty:
        found.append(_detections(video if len(frames) > 1 else path, name, one, settings))
    return found


def _as_json(entry: Any, path: str) -> Any:
    """An entry as it is, or what it says where it is the text that to_json() returned."""
    return (
        parsing.json_of(entry.encode("utf-8", "replace"), path)
        if isinstance(entry, str) and entry.lstrip()[:1] == "["
        else entry
    )


def _add_people(recording: _Recording, frame: int, people: Any, where: str) -> None:
    """Adds a frame of {keypoints: {x, y, visible}, box, track_id}. Raises InputError for entries of another form."""
    if not isinstance(people, list):
        raise InputError(f"{where}: expected a list of people, got {type(people).__name__}")
    if not people:
        recording.empty.append(frame)
    boxes = []
    for number, person in enumerate(people):
        place = f"{where}, person {number}"
        points = _keypoints(person, place)
        identity = person.get("track_id")
        if identity is not None and (not isinstance(identity, int) or isinstance(identity, bool)):
            raise InputError(f"{place}: key 'track_id': expected a whole number, got {identity!r}")
        recording.rows.append(points)
        recording.frame.append(frame)
        recording.identity.append(identity)
        box = person.get("box")
        if isinstance(box, dict) and all(isinstance(box.get(key), int | float) for key in ("x1", "y1", "x2", "y2")):
            boxes.append([float(box[key]) for key in ("x1", "y1", "x2", "y2")])
    _note_crowd(recording, np.array(boxes).reshape(-1, 4), where)


def _keypoints(person: Any, where: str) -> np.ndarray:
    """(J, 3) of a person's {x, y, visible}, lists that are equally long; all joints are visible without the last."""
    keypoints = parsing.field(person, "keypoints", dict, where)
    axes = [parsing.field(keypoints, key, list, where) for key in ("x", "y")]
    axes.append(keypoints.get("visible") or [1.0] * len(axes[0]))
    return parsing.number_table(axes, lambda _: f"{where}: keypoints x, y, visible", len(axes[0])).T


def _labels(video: str, name: str, frames: dict[int, str], settings: ArchiveConfig) -> Detections:
    """The label files of one video."""
    recording, lines, places = _Recording(), list[list[float]](), list[str]()
    contents = storage.read_ahead(frames[frame] for frame in sorted(frames))
    for frame, content in zip(sorted(frames), contents, strict=True):
        path = frames[frame]
        of_frame = yolo_labels.numbers(content, path)
        if len(frames) == 1 and not of_frame:
            raise InputError(f"{path}: is empty")
        if not of_frame:
            recording.empty.append(frame)
        lines += of_frame.values()
        places += [f"{path}: line {number}" for number in of_frame]
        recording.frame += [frame] * len(of_frame)
        boxes = np.array([line[1:5] for line in of_frame.values()]).reshape(-1, 4)
        _note_crowd(recording, np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1), path)
    people = yolo_labels.people(lines, places, settings)
    recording.rows, recording.identity = list(people.points), people.identity
    return _detections(video if len(frames) > 1 else path, name, recording, settings, "unit")


def _note_crowd(recording: _Recording, boxes: np.ndarray, where: str) -> None:
    """Notes a frame in which two of (n, 4) boxes x1, y1, x2, y2 are nearly the same."""
    if len(boxes) < 2 or recording.crowded:
        return
    low, high = np.maximum(boxes[:, None, :2], boxes[None, :, :2]), np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = (high - low).clip(0).prod(-1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    overlap = shared / np.maximum(area[:, None] + area - shared, 1e-12)
    if (np.triu(overlap, 1) > _SAME_BOX).any():
        recording.crowded = where


def _detections(
    where: str, name: str, recording: _Recording, settings: ArchiveConfig, unit: Literal["pixels", "unit"] | None = None
) -> Detections:
    """unit: of the coordinates, None to tell it by the values."""
    if recording.crowded:
        log.warning(
            "%s: %s has two people in one place; predict appends to a file of that name, so that it may hold several frames or "
            "runs: delete the folder and predict again, on the video itself", where, recording.crowded,
        )  # fmt: skip
    counts = Counter(map(len, recording.rows))
    if len(counts) > 1:
        raise InputError(f"{where}: people of {' and '.join(map(str, sorted(counts)))} keypoints; expected one model's")
    points, layout = np.zeros((0, len(COCO_17.joints), 3)), COCO_17
    if recording.rows:
        layout, points = fit_layout("yolo", settings, np.stack(recording.rows), USUAL, where)
    given = [identity for identity in recording.identity if identity is not None]
    if given and len(given) < len(recording.identity):
        told = f"{len(recording.identity) - len(given)} of {len(recording.identity)}"
        log.warning(
            "%s: %s people have no track id; people are followed from frame to frame without the others' ids", where, told
        )
    return Detections(
        where=where,
        name=name,
        layout=layout,
        points=points,
        frame=np.array(recording.frame, np.int64),
        person=[f"track {identity}" for identity in given] if len(given) == len(recording.identity) and given else None,
        empty=recording.empty,
        unit=unit or pixels_or_shares(points),
    )
