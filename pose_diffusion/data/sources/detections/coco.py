"""COCO keypoints (cocodataset.org, data and results format): a results list or an annotation file, or a folder of them.

Results: [{image_id, category_id, keypoints: [x, y, score] * J, score, (track_id)}]. Annotations: {images: [{id, file_name,
width, height}], annotations: [{image_id, keypoints: [x, y, visibility] * J, (track_id)}], categories: [{keypoints:
[names]}]}. Trackers' results have the form of annotations with (scores: [J]), as PoseTrack18's evaluation takes them, or with
scores in place of visibilities. PoseTrack18, CrowdPose, AI Challenger, COCO-WholeBody, Halpe, Human-Art and MHP publish the
same form with other joints, which are matched by the category's names where they are there, else by their number. People are
told apart by track_id where all have one. See `coco_joints` for visibilities and `coco_images` for videos and frame numbers.
"""

from __future__ import annotations

import logging
from array import array
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pose_diffusion.config import CocoConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections import ai_challenger, coco_images, coco_joints
from pose_diffusion.data.sources.detections.archive import detections_source
from pose_diffusion.data.sources.detections.coco_images import Images
from pose_diffusion.data.sources.detections.detections import Detections
from pose_diffusion.data.sources.file_format import FOLLOWED, NO_SIZE, FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.sample import Sample, Seen, dicts, is_numbers
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, Layout, simplified
from pose_diffusion.runtime.executor import Executor

log = logging.getLogger(__name__)
_BODY = frozenset(map(simplified, COCO_17.joints))
_LAYOUTS = (
    "coco17", "crowdpose14", "aic14", "mpii16", "posetrack18", "humanart21", "halpe26", "coco_wholebody133", "halpe136",
)  # fmt: skip
FORMATS = (
    FileFormat(
        "COCO annotations, and data sets of their form", "JSON with `images`, `annotations` and `categories`",
        f"in the file, else {NO_SIZE}", f"`track_id`, else {FOLLOWED} with `tracking=true`", _LAYOUTS,
    ),
    FileFormat(
        "COCO results: MMPose 0.x, detectors' evaluation", "JSON, a list of {image_id, keypoints, score}", NO_SIZE,
        f"`track_id`, else {FOLLOWED} with `tracking=true`", _LAYOUTS,
    ),
    FileFormat(
        "AI Challenger annotations", "JSON, a list of {image_id, keypoint_annotations}", NO_SIZE, "pictures", ("aic14",),
    ),
)  # fmt: skip
_BOXES = "boxes without keypoints, a person detector's file; give the pose estimator's"


@dataclass(frozen=True)
class Found:
    """The people of a file. ids: of the images that they are in. tracks: who each is, None where not all say it."""

    layout: Layout
    points: np.ndarray
    ids: list
    tracks: list[str] | None


def open_source(inputs: Inputs, settings: CocoConfig, executor: Executor) -> Source:
    """A sequence a person, video and file. Raises InputError for bad files."""
    paths = inputs.files(".json")
    return detections_source("coco", inputs, settings, executor, paths, lambda path: read(path, inputs.stem(path), settings))


def recognise(sample: Sample) -> Seen | None:
    """Annotations with their images, or a list of results whose entries have an image_id."""
    content = sample.json
    if isinstance(content, dict):
        annotations, images = content.get("annotations"), dicts(content.get("images"))
        if isinstance(annotations, list) and ("images" in content or "categories" in content):
            seen = Seen("COCO annotations", "a mapping with 'annotations'")
            people = dicts(annotations)
            return replace(seen, wrong=_BOXES) if people and not any("keypoints" in entry for entry in people) else seen
        is_coco = bool(images) and {"id", "file_name"} <= set(images[0])
        return Seen("COCO annotations", "a mapping with 'images', each with id and file_name") if is_coco else None
    if ai_challenger.is_own(content):
        return Seen("AI Challenger annotations", "a list of {image_id, keypoint_annotations}")
    entry = next(iter(dicts(content)), {})
    if not isinstance(entry.get("image_id"), int | str) or {"idx", "box"} & set(entry):
        return None
    if is_numbers(entry.get("keypoints"), 3):
        is_coco = isinstance(entry["image_id"], int) or bool({"id", "bbox", "track_id", "center", "area"} & set(entry))
        return Seen("COCO results", "a list of {image_id, keypoints, score}") if is_coco else None
    if "keypoints" not in entry and "bbox" in entry:
        return Seen("COCO detections", "a list of {image_id, bbox, score}", _BOXES)
    return None


def read(path: str, name: str, settings: CocoConfig) -> list[Detections]:
    """One file, a Detections for each video in it."""
    content = parsing.read_json(path, parsing.packed)
    if ai_challenger.is_own(content):
        return [ai_challenger.read(path, name, content)]
    if isinstance(content, list):
        if content and all(isinstance(entry, dict) and "bbox" in entry and "keypoints" not in entry for entry in content):
            raise InputError(
                f"{path}: entry 0: boxes without a key 'keypoints', a person detector's file; give the pose estimator's"
            )
        return _detections(path, name, content, settings, None, None)
    if not isinstance(content, dict) or "annotations" not in content:
        raise InputError(
            f"{path}: expected COCO keypoints, a list of {{image_id, keypoints}} or a mapping with 'images' and 'annotations'"
        )
    images = coco_images.by_id(path, parsing.field(content, "images", list, path))
    return _detections(path, name, _annotated(path, content), settings, images, _names(content))


def _annotated(path: str, content: dict) -> list:
    """The annotations that have keypoints. Raises InputError where the file shows why there are none."""
    entries = parsing.field(content, "annotations", list, path)
    people = [entry for entry in entries if not isinstance(entry, dict) or "keypoints" in entry]
    if entries and not people:
        raise InputError(f"{path}: none of {len(entries)} annotations has keypoints, as in a file of boxes or outlines")
    labels = [category.get("name") for category in _categories(content)]
    if not people and len(_BODY & {simplified(str(label)) for label in labels}) > 1:
        raise InputError(
            f"{path}: no annotations, and {len(labels)} categories that are joints ({labels[0]}, ...), as CVAT exports points "
            "with a label a joint; draw them as one skeleton 'person' and export 'COCO Keypoints'"
        )
    without = [isinstance(entry, dict) and entry.get("num_keypoints") == 0 for entry in people]
    if all(without):  # counted by visibilities that are all 0
        return [entry for entry in people if not isinstance(entry["keypoints"], list | array) or any(entry["keypoints"])]
    return [entry for entry, none in zip(people, without, strict=True) if not none]


def _detections(
    path: str, name: str, people: list, settings: CocoConfig, images: Images | None, names: list[str] | None
) -> list[Detections]:
    """images: None for results. names: of the joints, where the file says them."""

    def where(index: int) -> str:
        return f"{path}: {'entry' if images is None else 'annotations'} {index}"

    ids = [parsing.field(person, "image_id", (int, str), where(index)) for index, person in enumerate(people)]
    rows = [parsing.field(person, "keypoints", (list, array), where(index)) for index, person in enumerate(people)]
    points = parsing.keypoints(rows, lambda index: f"{where(index)}, keypoints")
    for index, identity in enumerate(ids):
        if images is not None and identity not in images:
            raise InputError(f"{where(index)}: image_id {identity!r} is not among the images")
    scores = _scores(people, points.shape[1])
    if scores is not None:
        points[..., 2] = parsing.number_table(scores, lambda index: f"{where(index)}, scores", points.shape[1])
    layout, points = coco_joints.joints(path, points, settings, names) if people else (COCO_17, points)
    if scores is None:
        points[..., 2] = coco_joints.confidence(path, points, annotated=images is not None)
    return _recordings(path, name, settings, Found(layout, points, ids, _tracks(people)), images or {})


def _recordings(path: str, name: str, settings: CocoConfig, found: Found, images: Images) -> list[Detections]:
    """The people of each video."""
    videos: dict[str, tuple[list[int], Images]] = defaultdict(lambda: ([], {}))  # the rows and images of each
    for identity, image in images.items():
        videos[coco_images.video(identity, image)][1][identity] = image
    for row, identity in enumerate(found.ids):
        videos[coco_images.video(identity, images.get(identity, {}))][0].append(row)
    shown = sorted((video for video, (of_it, _) in videos.items() if of_it), key=parsing.natural)
    if shown and (nobody := sorted(videos.keys() - shown)):
        log.warning("%s: no person in %d of its videos, the first is '%s'", path, len(nobody), nobody[0])
    recordings = []
    for video in shown or [""]:
        of_it, own = videos[video]
        ids = [found.ids[row] for row in of_it]
        frame, empty = coco_images.frames(path, ids, own)
        size = coco_images.sizes(path, ids, own)
        if found.tracks is None and not settings.tracking:
            coco_images.warn_of_unrelated(path, frame, size)
        recordings.append(
            Detections(
                where=path,
                name=f"{name}/{video}" if video and len(shown) > 1 else name,
                layout=found.layout,
                points=found.points[of_it],
                frame=frame,
                person=None if found.tracks is None else [found.tracks[row] for row in of_it],
                size=size,
                image=coco_images.names(ids, own),
                empty=empty,
            )
        )
    return recordings


def _categories(content: dict) -> list[dict]:
    categories = content.get("categories")
    return [one for one in categories if isinstance(one, dict)] if isinstance(categories, list) else []


def _names(content: dict) -> list[str] | None:
    for category in _categories(content):
        if isinstance(category.get("keypoints"), list) and category["keypoints"]:
            return [str(name) for name in category["keypoints"]]
    return None


def _scores(people: list[dict], joints: int) -> list[Any] | None:
    """The joints' own scores beside their keypoints, which annotations have as an empty list."""
    scores = [person.get("scores") for person in people]
    return scores if scores and all(isinstance(one, list) and len(one) == joints for one in scores) else None


def _tracks(people: list[dict]) -> list[str] | None:
    tracks = [person.get("track_id") for person in people]
    if tracks and all(isinstance(track, int | str) for track in tracks):
        return [str(track) for track in tracks]
    return None
