"""OpenPose's --write_json: a file a frame, '<video>_<frame>_keypoints.json', in a folder or in folders of several videos.

Each file: {version, people: [{person_id, pose_keypoints_2d: [x, y, confidence] * J}]}, J 25 (BODY_25) or 18 (COCO).
Missing joints are 0, 0, 0. People are told apart by person_id where OpenPose tracked (not -1) in all frames.
(CMU Perceptual Computing Lab, openpose/doc/02_output.md.)
"""

from __future__ import annotations

import re

import numpy as np

from pose_diffusion import storage
from pose_diffusion.config import OpenPoseConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections.archive import detections_source
from pose_diffusion.data.sources.detections.detections import Detections, fit_layout
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import BODY_25, COCO_18
from pose_diffusion.runtime.executor import Executor

_NAME = re.compile(r"(?P<video>.*?)_?(?P<frame>\d+)_keypoints\.json", re.IGNORECASE)


def open_source(inputs: Inputs, settings: OpenPoseConfig, executor: Executor) -> Source:
    """A sequence a person and video. Raises InputError for bad files."""
    videos: dict[str, dict[int, str]] = {}
    for path in inputs.files("_keypoints.json"):
        folder, _, name = path.rpartition("/")
        match = _NAME.fullmatch(name)
        if match is None:
            raise InputError(f"{path}: expected a name like video_000000000012_keypoints.json")
        frames = videos.setdefault(f"{folder}/{match['video']}", {})
        frame = parsing.frame_number(int(match["frame"]), path)
        if frame in frames:
            raise InputError(f"{path}: frame {frame} is there twice, also as {frames[frame]}")
        frames[frame] = path

    def read(item: tuple[str, dict[int, str]]) -> list[Detections]:
        video, frames = item
        return [_video(video, inputs.stem(video).strip("_") or "video", frames, settings)]

    return detections_source("openpose", inputs, settings, executor, list(videos.items()), read)


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
        if not people:
            empty.append(frame)
        for index, person in enumerate(people):
            where = f"{path}: people[{index}]"
            rows.append(parsing.field(person, "pose_keypoints_2d", list, where))
            places.append(where)
            frame_of.append(frame)
            person_of.append(_identity(person))
    points = parsing.keypoints(rows, places.__getitem__)
    layout, points = fit_layout(settings, points, (BODY_25, COCO_18), video) if rows else (BODY_25, points)
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


def _identity(person: object) -> int | None:
    """OpenPose's own track id, or None where it did not track."""
    given = person.get("person_id") if isinstance(person, dict) else None
    given = given[0] if isinstance(given, list) and given else given
    return int(given) if isinstance(given, int | float) and given >= 0 else None
