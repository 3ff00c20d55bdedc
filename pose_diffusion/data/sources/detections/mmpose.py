"""MMPose's predictions as JSON: the demo's file, the inferencer's file of a video, or its files of single images.

Demo: {meta_info, instance_info: [{frame_id, instances: [...]}]}. Inferencer, video: [{frame_id, instances: [...]}].
Inferencer, image: [instance, ...], a file an image; the files of one folder are one recording, and the number in a file's
name is its frame (an image without a number is a recording of its own). Instance: {keypoints: [[x, y]] * J, keypoint_scores:
[J], (track_id)}. J is 17 (COCO), 26 (Halpe) or 133 (COCO-WholeBody, its body); meta_info's joint names win over that.
(mmpose/apis/inferencers, mmpose 1.x.)

MMPose 0.x has pose_results, which people write as JSON: [[instance, ...] for each frame], {keypoints: [[x, y, score]] * J,
(bbox), (track_id)}. The body3d demo's file looks like the first, but for three numbers a joint, in metres: it is refused.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from pose_diffusion import storage
from pose_diffusion.config import ArchiveConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections.archive import detections_source
from pose_diffusion.data.sources.detections.detections import Detections, fit_layout
from pose_diffusion.data.sources.file_format import FOLLOWED, NO_SIZE, FileFormat
from pose_diffusion.data.sources.inputs import Inputs, scan
from pose_diffusion.data.sources.sample import Sample, Seen, dicts
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, H36M_17, HALPE_26, largest_by_names
from pose_diffusion.runtime.executor import Executor

_VIDEO = re.compile(rb'\s*(\{|\[\s*\{\s*"(frame_id|instances)")')  # how the files of videos begin
_HEAD = 256  # bytes that are enough to see that
Frame = tuple[int, list, str]  # number, instances, place for errors

FORMATS = (
    FileFormat(
        "MMPose: demo (`--save-predictions`) and inferencer (`pred_out_dir`)", "JSON, a file a video, or a file an image",
        NO_SIZE, f"`track_id`, else {FOLLOWED}", ("coco17", "halpe26", "h36m17", "coco_wholebody133"),
    ),
)  # fmt: skip
_DEPTH = (
    "holds a 3D result of MMPose's body3d demo, three numbers a joint; give the predictions of its 2D detector, "
    "as topdown_demo_with_mmdet.py --save-predictions writes them"
)


def open_source(inputs: Inputs, settings: ArchiveConfig, executor: Executor) -> Source:
    """A sequence a person and recording. Raises InputError for bad files."""
    paths = inputs.files(".json")
    skipped: list[str] = []
    # The files of images make up one recording.
    recordings: dict[str, list[str]] = {}
    for path, is_image in scan(inputs, _is_image, paths, skipped):
        of_folder = is_image and len(paths) > 1 and _has_number(path)
        recordings.setdefault(path.rpartition("/")[0] if of_folder else path, []).append(path)

    def read(recording: tuple[str, list[str]]) -> list[Detections]:
        where, files = recording
        return [_recording(where, inputs.stem(where) or "images", files, settings)]

    return detections_source("mmpose", inputs, settings, executor, list(recordings.items()), read, skipped)


def recognise(sample: Sample) -> Seen | None:
    """The demo's mapping, the inferencer's list of frames, or its list of one image's instances."""
    content = sample.json
    if isinstance(content, dict) and ("instance_info" in content or "dataset_name" in str(content.get("meta_info"))):
        instances = [one for frame in dicts(content.get("instance_info")) for one in dicts(frame.get("instances"))]
        return _recognised("MMPose predictions of a video", "a mapping with 'meta_info' and 'instance_info'", instances)
    frames = dicts(content)
    if frames and "instances" in frames[0]:
        instances = [one for frame in frames for one in dicts(frame.get("instances"))]
        return _recognised("MMPose predictions of a video", "a list of {frame_id, instances}", instances)
    if frames and "keypoint_scores" in frames[0]:
        return _recognised("MMPose predictions of an image", "a list of {keypoints, keypoint_scores}", frames)
    return None


def _recognised(tool: str, why: str, instances: list[dict]) -> Seen:
    points = instances[0].get("keypoints") if instances else None
    in_space = isinstance(points, list) and bool(points) and isinstance(points[0], list) and len(points[0]) == 3
    return Seen(tool, why, _DEPTH if in_space else "")


def _has_number(path: str) -> bool:
    return re.search(r"\d", path.rpartition("/")[2].rpartition(".")[0]) is not None


def _is_image(path: str) -> bool:
    """Whether a file is of one image. One that is not sure to be of a video is read whole."""
    with storage.open_file(path) as file:
        head = file.read(_HEAD)
        return not _VIDEO.match(head) and _frames(path, head + file.read())[0]


def _recording(where: str, name: str, paths: list[str], settings: ArchiveConfig) -> Detections:
    contents = [_frames(path, content) for path, content in zip(paths, storage.read_ahead(paths), strict=True)]
    frames = [frame for _, frames, _ in contents for frame in frames]
    return _detections(where, name, frames, contents[-1][2], settings)


def _frames(path: str, stored: bytes) -> tuple[bool, list[Frame], list[str] | None]:
    """Whether a file of this content is of one image, its frames, and its joint names where it has them."""
    content = parsing.json_of(stored, path)
    names = None
    if isinstance(content, dict):
        names = _joint_names(content.get("meta_info"))
        content = parsing.field(content, "instance_info", list, path)
    elif not isinstance(content, list):
        raise InputError(f"{path}: expected MMPose's predictions, got {type(content).__name__}")
    elif not content or (isinstance(content[0], dict) and "keypoints" in content[0]):
        return True, [(parsing.frame_number(path, path) if _has_number(path) else 0, content, path)], None
    elif all(isinstance(entry, list) for entry in content):
        return False, [(number, entry, f"{path}: frame entry {number}") for number, entry in enumerate(content)], None
    frames = []
    for index, entry in enumerate(content):
        where = f"{path}: frame entry {index}"
        number = parsing.frame_number(parsing.field(entry, "frame_id", (int, str), where), where)
        frames.append((number, parsing.field(entry, "instances", list, where), where))
    return False, frames, names


def _joint_names(meta: Any) -> list[str] | None:
    if not isinstance(meta, dict):
        return None
    if meta.get("dataset_name") == "h36m":
        return list(H36M_17.joints)
    names = meta.get("keypoint_id2name")
    if isinstance(names, dict) and all(str(key).isdecimal() for key in names):
        return [str(names[key]) for key in sorted(names, key=int)]
    return None


def _detections(where: str, name: str, frames: list[Frame], names: list[str] | None, settings: ArchiveConfig) -> Detections:
    places, people, frame_of, empty = [], [], [], []
    for number, instances, place in sorted(frames, key=lambda frame: frame[0]):
        if not instances:
            empty.append(number)
        for index, instance in enumerate(instances):
            places.append(f"{place}: instance {index}")
            people.append(instance)
            frame_of.append(number)
    numbers = [number for number, _, _ in frames]
    if len(set(numbers)) < len(numbers):
        raise InputError(f"{where}: frame {next(n for n in numbers if numbers.count(n) > 1)} is there twice")
    points = _points(people, places)
    layout = COCO_17
    if names is not None and settings.layout == "auto" and people:
        match = largest_by_names(names)
        if match is None or len(names) != points.shape[1]:
            raise InputError(f"{where}: meta_info: the joints {', '.join(names[:5])}, ... are not those of a known layout")
        layout, points = match[0], points[:, match[1]]
    elif people:
        layout, points = fit_layout("mmpose", settings, points, (COCO_17, HALPE_26), where)
    tracks = [person.get("track_id") for person in people]
    tracked = bool(tracks) and all(isinstance(track, int | str) for track in tracks)
    return Detections(
        where=where,
        name=name,
        layout=layout,
        points=points,
        frame=np.array(frame_of, np.int64),
        person=[str(track) for track in tracks] if tracked else None,
        empty=empty,
    )


def _points(people: list, places: list[str]) -> np.ndarray:
    """(n, J, 3) of instances, whose joints and scores must be as many."""
    if not people:
        return np.zeros((0, len(COCO_17.joints), 3))
    joints = [parsing.field(person, "keypoints", list, at) for person, at in zip(people, places, strict=True)]
    count, old = len(joints[0]), "keypoint_scores" not in people[0]  # before 1.0 the score is a joint's third number
    numbers = 3 if old else 2
    for joint, at in zip(joints, places, strict=True):
        _check(joint, count, numbers, at)
    flat = [[value for point in joint for value in point] for joint in joints]
    points = parsing.number_table(flat, lambda index: f"{places[index]}, keypoints", numbers * count)
    points = points.reshape(len(people), count, numbers)
    if not old:
        scores = [parsing.field(person, "keypoint_scores", list, at) for person, at in zip(people, places, strict=True)]
        table = parsing.number_table(scores, lambda index: f"{places[index]}, keypoint_scores", count)
        points = np.concatenate([points, table[..., None]], axis=2)
    points[..., 2] = points[..., 2].clip(0)  # heatmap-free heads give scores slightly below 0 for joints that they do not see
    return points


def _check(joint: list, count: int, numbers: int, at: str) -> None:
    """Raises InputError unless an instance's joints are so many, of so many numbers each."""
    if joint and all(isinstance(point, list) and len(point) == 3 for point in joint) and numbers == 2:
        raise InputError(
            f"{at}: keypoints of three numbers with scores beside them are 3D results in metres, of MMPose's body3d demo; "
            "expected 2D predictions x, y, as the topdown demo and the inferencer with pose2d save them"
        )
    if numbers == 3 and any(isinstance(point, list) and len(point) == 2 for point in joint):
        raise InputError(f"{at}: expected a key 'keypoint_scores' beside keypoints of two numbers")
    if len(joint) != count or not all(isinstance(point, list) and len(point) == numbers for point in joint):
        found = type(joint[0]).__name__ if joint and not isinstance(joint[0], list) else "list"
        form = "pairs x, y" if numbers == 2 else "lists x, y, score"
        raise InputError(f"{at}: keypoints: expected {count} {form}, got {len(joint)} items ({found})")
