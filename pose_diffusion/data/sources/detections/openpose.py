"""OpenPose's --write_json, a file a frame, and what other programs write like it (Pose2Sim, Sports2D, rtmlib, converters).

Each file: {version, people: [{person_id, pose_keypoints_2d: [x, y, confidence] * J}]}, J 25 (BODY_25 or BODY_25B, told apart by
the poses), 18 (COCO), 26 (HALPE_26) or 17. Some write pairs x, y without a confidence, or a person without joints. Missing
joints are 0, 0, 0. The frame is the last number in a file's name, and the video what stands before it:
'<video>_000000000012_keypoints.json', 'cam01_000012.json', 'cam01.0012.json', '012.json'; a file without one is an image.
Where some files of the input end in _keypoints.json, only those are read. People are told apart by person_id where OpenPose
tracked (not -1) in all frames.
(CMU Perceptual Computing Lab, openpose/doc/02_output.md; perfanalytics/pose2sim, poseEstimation.py.)
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from pose_diffusion import storage
from pose_diffusion.config import OpenPoseConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections.archive import detections_source
from pose_diffusion.data.sources.detections.detections import Detections, fit_layout
from pose_diffusion.data.sources.file_format import FOLLOWED, NO_SIZE, FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.sample import Sample, Seen
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import BODY_25, COCO_17, COCO_18, HALPE_26, LAYOUTS
from pose_diffusion.runtime.executor import Executor

USUAL = (BODY_25, LAYOUTS["body25b"], COCO_18, HALPE_26, COCO_17)
_KEYPOINTS = "_keypoints.json"
_NAME = re.compile(r"(?P<video>.*?)[_.\-]?(?P<frame>\d+)(_keypoints)?\.json", re.IGNORECASE)

FORMATS = (
    FileFormat(
        "OpenPose", "`--write_json`: a file a frame", NO_SIZE, f"`person_id` where OpenPose tracked, else {FOLLOWED}",
        ("body25", "body25b", "coco18"),
    ),
    FileFormat(
        "Pose2Sim, Sports2D, rtmlib and others that write as OpenPose does",
        "JSON, a file a frame, the frame's number in its name", NO_SIZE, FOLLOWED, ("halpe26", "body25b", "coco17", "body25"),
    ),
)  # fmt: skip


def open_source(inputs: Inputs, settings: OpenPoseConfig, executor: Executor) -> Source:
    """A sequence a person and video. Raises InputError for bad files."""
    paths = inputs.files(".json")
    paths = [path for path in paths if path.lower().endswith(_KEYPOINTS)] or paths
    videos: dict[str, dict[int, str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        match = _NAME.fullmatch(name)
        video = match["video"] if match else re.sub(r"(_keypoints)?\.json$", "", name, flags=re.IGNORECASE)
        frames = videos.setdefault(f"{folder}/{video}", {})
        frame = parsing.frame_number(int(match["frame"]), path) if match else 0
        if frame in frames:
            raise InputError(f"{path}: frame {frame} is there twice, also as {frames[frame]}")
        frames[frame] = path

    def read(item: tuple[str, dict[int, str]]) -> list[Detections]:
        video, frames = item
        return [_video(video, inputs.stem(video).strip("_") or "video", frames, settings)]

    return detections_source("openpose", inputs, settings, executor, list(videos.items()), read)


def recognise(sample: Sample) -> Seen | None:
    """A mapping with 'people', each with 'pose_keypoints_2d' or nothing."""
    content = sample.json
    if not isinstance(content, dict) or not isinstance(content.get("people"), list):
        return None
    people = content["people"]
    if not all(person == {} or (isinstance(person, dict) and "pose_keypoints_2d" in person) for person in people):
        return None
    if not any(people) and "version" not in content and not _NAME.fullmatch(sample.name):
        return None
    return Seen("OpenPose JSON, a file a frame", "a mapping with 'people' and their 'pose_keypoints_2d'")


def _video(video: str, name: str, frames: dict[int, str], settings: OpenPoseConfig) -> Detections:
    rows: list[list] = []
    places: list[str] = []
    frame_of: list[int] = []
    person_of: list[int | None] = []
    empty: list[int] = []
    contents = storage.read_ahead(frames[frame] for frame in sorted(frames))
    for frame, content in zip(sorted(frames), contents, strict=True):
        path = frames[frame]
        people = parsing.field(parsing.json_of(content, path), "people", list, path)
        before = len(rows)
        for index, person in enumerate(people):
            where = f"{path}: people[{index}]"
            if keypoints := _keypoints(person, where):
                rows.append(keypoints)
                places.append(where)
                frame_of.append(frame)
                person_of.append(_identity(person))
        if len(rows) == before:
            empty.append(frame)
    points = _points(rows, places, settings)
    layout, points = fit_layout("openpose", settings, points, USUAL, video) if rows else (BODY_25, points)
    return Detections(
        where=video,
        name=name,
        layout=layout,
        points=points,
        frame=np.array(frame_of, np.int64),
        person=None if None in person_of else [f"track {identity}" for identity in person_of],
        empty=empty,
        unit=settings.coordinates,
    )


def _keypoints(person: Any, where: str) -> list:
    """A person's numbers; none where only a face or hands were found, or nothing."""
    if person == {} or (isinstance(person, dict) and person.get("pose_keypoints_2d", 0) is None):
        return []
    keypoints = parsing.field(person, "pose_keypoints_2d", list, where)
    return [] if not any(keypoints) else keypoints


def _points(rows: list[list], places: list[str], settings: OpenPoseConfig) -> np.ndarray:
    """(n, J, 3) of lists x, y, confidence, ..., or of pairs x, y, whose joints at 0, 0 are missing and all others certain."""
    if not rows:
        return np.zeros((0, len(BODY_25.joints), 3))
    sizes = {len(layout.joints) for layout in (USUAL if settings.layout == "auto" else [LAYOUTS[settings.layout]])}
    numbers = len(rows[0])
    for row, place in zip(rows, places, strict=True):
        if len(row) != numbers:
            raise InputError(
                f"{place}: {len(row)} numbers, but {numbers} at {places[0].rsplit('/', 1)[-1]}: joints of two models in one"
                " recording; keep the files of one"
            )
    if numbers % 2 or numbers // 2 not in sizes or (numbers % 3 == 0 and numbers // 3 in sizes):
        return parsing.keypoints(rows, places.__getitem__)
    pairs = parsing.number_table(rows, places.__getitem__, numbers).reshape(len(rows), -1, 2)
    return np.concatenate([pairs, (pairs != 0).any(-1, keepdims=True)], axis=2)


def _identity(person: Any) -> int | None:
    """OpenPose's own track id, or None where it did not track."""
    given = person.get("person_id")
    given = given[0] if isinstance(given, list) and given else given
    return int(given) if isinstance(given, int | float) and given >= 0 else None
