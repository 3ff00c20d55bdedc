"""COCO keypoints (cocodataset.org, data and results format): a results list or an annotation file, or a folder of them.

Results: [{image_id, category_id, keypoints: [x, y, score] * J, score, (track_id)}]. Annotations: {images: [{id, file_name,
width, height}], annotations: [{image_id, keypoints: [x, y, visibility] * J, (track_id)}], categories: [{keypoints:
[names]}]}; visibility 0 is missing, 1 (hidden) counts as confidence 0.5, 2 as 1. Joints are matched by the category's names
where they are there. People are told apart by track_id where all have one; image ids become frame numbers (their rank, where
they are too large for that). Images of several video_ids (or vid_ids), else of several folders, are so many recordings.
"""

from __future__ import annotations

import logging
from array import array
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np

from pose_diffusion.config import CocoConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections.archive import detections_source
from pose_diffusion.data.sources.detections.detections import Detections, fit_layout
from pose_diffusion.data.sources.file_format import FOLLOWED, NO_SIZE, FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.sample import Sample, Seen, dicts, is_numbers
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, HALPE_26, Layout, by_names
from pose_diffusion.runtime.executor import Executor

log = logging.getLogger(__name__)
_VISIBILITY = np.array([0.0, 0.5, 1.0])
_NAMED = (HALPE_26, COCO_17)

FORMATS = (
    FileFormat(
        "COCO annotations, and data sets of their form", "JSON with `images`, `annotations` and `categories`",
        f"in the file, else {NO_SIZE}", f"`track_id`, else {FOLLOWED} with `tracking=true`", ("coco17", "halpe26"),
    ),
    FileFormat(
        "COCO results: MMPose 0.x, detectors' evaluation", "JSON, a list of {image_id, keypoints, score}", NO_SIZE,
        f"`track_id`, else {FOLLOWED} with `tracking=true`", ("coco17", "halpe26"),
    ),
)  # fmt: skip
_BOXES = "boxes without keypoints, a person detector's file; give the pose estimator's"


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
    if isinstance(content, list):
        return _detections(path, name, content, settings, None, None)
    if not isinstance(content, dict) or "annotations" not in content:
        raise InputError(
            f"{path}: expected COCO keypoints, a list of {{image_id, keypoints}} or a mapping with 'images' and 'annotations'"
        )
    images: dict[Any, dict] = {}
    for index, image in enumerate(parsing.field(content, "images", list, path)):
        identity = parsing.field(image, "id", (int, str), f"{path}: images[{index}]")
        if identity in images:
            raise InputError(f"{path}: images[{index}]: id {identity!r} is there twice")
        images[identity] = image
    people = [
        entry
        for entry in parsing.field(content, "annotations", list, path)
        if not (isinstance(entry, dict) and (entry.get("num_keypoints") == 0 or "keypoints" not in entry))
    ]
    recordings = _detections(path, name, people, settings, images, _names(content))
    for found in recordings:
        visibility = found.points[..., 2]
        if not np.isin(visibility, (0, 1, 2)).all():
            raise InputError(f"{path}: annotations: expected visibilities of 0, 1 or 2")
        found.points[..., 2] = _VISIBILITY[visibility.astype(int)]
    return recordings


def _detections(
    path: str, name: str, people: list, settings: CocoConfig, images: dict[Any, dict] | None, names: list[str] | None
) -> list[Detections]:
    """names: of the joints, where the file says them."""

    def where(index: int) -> str:
        return f"{path}: {'entry' if images is None else 'annotations'} {index}"

    ids = [parsing.field(person, "image_id", (int, str), where(index)) for index, person in enumerate(people)]
    rows = [parsing.field(person, "keypoints", (list, array), where(index)) for index, person in enumerate(people)]
    points = parsing.keypoints(rows, lambda index: f"{where(index)}, keypoints")
    for index, identity in enumerate(ids):
        if images is not None and identity not in images:
            raise InputError(f"{where(index)}: image_id {identity!r} is not among the images")
    layout, points = _joints(path, points, settings, names) if people else (COCO_17, points)
    tracks = _tracks(people)
    videos: dict[str, tuple[list[int], dict[Any, dict]]] = defaultdict(lambda: ([], {}))  # the rows and images of each
    for identity, image in (images or {}).items():
        videos[_video(identity, image)][1][identity] = image
    for row, identity in enumerate(ids):
        videos[_video(identity, images[identity] if images else {})][0].append(row)
    shown = sorted((video for video, (of_it, _) in videos.items() if of_it), key=parsing.natural)
    if shown and (nobody := sorted(videos.keys() - shown)):
        log.warning("%s: no person in %d of its videos, the first is '%s'", path, len(nobody), nobody[0])
    recordings = []
    for video in shown or [""]:
        of_it, own = videos[video]
        its_ids = [ids[row] for row in of_it]
        recordings.append(
            Detections(
                where=path,
                name=f"{name}/{video}" if video and len(shown) > 1 else name,
                layout=layout,
                points=points[of_it],
                frame=_frames(path, its_ids),
                person=None if tracks is None else [tracks[row] for row in of_it],
                size=_sizes(path, its_ids, own),
                image=_image_names(its_ids, own),
                empty=_empty(path, its_ids, own),
            )
        )
    return recordings


def _video(identity: Any, image: dict) -> str:
    """What an image says of its video: an id, or the folder that it lies in; '' where it says nothing."""
    told = image.get("video_id", image.get("vid_id"))
    if isinstance(told, int | str):
        return str(told)
    name = image.get("file_name", identity)
    return name.rpartition("/")[0] if isinstance(name, str) else ""


def _joints(path: str, points: np.ndarray, settings: CocoConfig, names: list[str] | None) -> tuple[Layout, np.ndarray]:
    if names is not None and settings.layout == "auto":
        match = by_names(names, _NAMED)
        if match is None:
            raise InputError(f"{path}: categories: the joints {', '.join(names[:5])}, ... are not those of a known layout")
        if len(names) != points.shape[1]:
            raise InputError(f"{path}: {points.shape[1]} joints a person, but categories names {len(names)}")
        layout, places = match
        return layout, points[:, places]
    return fit_layout("coco", settings, points, (COCO_17, HALPE_26), path)


def _names(content: dict) -> list[str] | None:
    categories = content.get("categories")
    for category in categories if isinstance(categories, list) else []:
        if isinstance(category, dict) and isinstance(category.get("keypoints"), list) and category["keypoints"]:
            return [str(name) for name in category["keypoints"]]
    return None


def _frames(path: str, ids: list) -> np.ndarray:
    numbers = np.array([parsing.frame_number(identity, f"{path}: image_id") for identity in ids], np.int64)
    texts = {number: identity for number, identity in zip(numbers.tolist(), ids, strict=True)}
    if any(texts[number] != identity for number, identity in zip(numbers.tolist(), ids, strict=True)):
        raise InputError(f"{path}: image ids such as {ids[0]!r} do not differ in their number")
    if len(numbers) and numbers.max() >= 2**31:
        return np.unique(numbers, return_inverse=True)[1]
    return numbers


def _tracks(people: list[dict]) -> list[str] | None:
    tracks = [person.get("track_id") for person in people]
    if tracks and all(isinstance(track, int | str) for track in tracks):
        return [str(track) for track in tracks]
    return None


def _sizes(path: str, ids: list, images: dict[Any, dict]) -> np.ndarray | None:
    if not images or not all("width" in image and "height" in image for image in images.values()):
        return None
    rows = [[images[identity]["width"], images[identity]["height"]] for identity in ids]
    return parsing.number_table(rows, lambda index: f"{path}: size of image {ids[index]!r}", 2) if rows else None


def _image_names(ids: list, images: dict[Any, dict]) -> list[str] | None:
    if images:
        names = [images[identity].get("file_name") for identity in ids]
        return [str(name) for name in names] if all(names) else None
    return ids if all(isinstance(identity, str) and "." in identity for identity in ids) else None


def _empty(path: str, ids: list, images: dict[Any, dict]) -> list[int]:
    with_person = set(ids)
    return [parsing.frame_number(identity, f"{path}: images") for identity in images if identity not in with_person]
