"""The images of a COCO file: which of them are one video, and what their frame numbers, sizes and file names are.

A video's frames are numbered by its images' ids; where those are too large for that, by the numbers in their file names
(PoseTrack18 and Human-Art), else by their order. Images of several video_ids (or vid_ids), else of several folders, are so many
videos.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import numpy as np

from pose_diffusion.data.sources import parsing
from pose_diffusion.errors import InputError

log = logging.getLogger(__name__)
_LARGEST_FRAME = 2**31 - 1
_FEWEST = 5  # images whose numbers tell whether they are of a video
Images = dict[Any, dict]  # by their ids; empty for results, which have none


def by_id(path: str, entries: list) -> Images:
    """The images of an annotation file. Raises InputError for one without an id, or an id that is there twice."""
    images: Images = {}
    for index, image in enumerate(entries):
        identity = parsing.field(image, "id", (int, str), f"{path}: images[{index}]")
        if identity in images:
            raise InputError(f"{path}: images[{index}]: id {identity!r} is there twice")
        images[identity] = image
    return images


def video(identity: Any, image: dict) -> str:
    """What an image says of its video: an id, or the folder that it lies in; '' where it says nothing."""
    told = image.get("video_id", image.get("vid_id"))
    if isinstance(told, int | str):
        return str(told)
    name = image.get("file_name", identity)
    return name.rpartition("/")[0] if isinstance(name, str) else ""


def frames(path: str, ids: list, images: Images) -> tuple[np.ndarray, list[int]]:
    """The frame of each row, whose image ids are given, and the frames of the images that no row is of."""
    with_person = set(ids)
    others = [identity for identity in images if identity not in with_person]
    numbers = _numbers(path, [*ids, *others], images)
    return numbers[: len(ids)], numbers[len(ids) :].tolist()


def _numbers(path: str, ids: list, images: Images) -> np.ndarray:
    numbers = [parsing.frame_number(identity, f"{path}: image_id") for identity in ids]
    if len(set(zip(numbers, map(str, ids), strict=True))) > len(set(numbers)):
        raise InputError(f"{path}: image ids such as {ids[0]!r} do not differ in their number")
    if max(numbers, default=0) <= _LARGEST_FRAME:
        return np.array(numbers, np.int64)
    named = _of_names(ids, images)
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64) if named is None else named


def _of_names(ids: list, images: Images) -> np.ndarray | None:
    """The numbers in the images' file names, None where some have none, or two images have the same."""
    try:
        numbers = {identity: parsing.frame_number(image.get("file_name"), "") for identity, image in images.items()}
    except InputError:
        return None
    if not numbers or len(set(numbers.values())) < len(numbers) or max(numbers.values()) > _LARGEST_FRAME:
        return None
    return np.array([numbers[identity] for identity in ids], np.int64)


def sizes(path: str, ids: list, images: Images) -> np.ndarray | None:
    """(n, 2) width and height of each row's image, None where not all images say it."""
    if not images or not all("width" in image and "height" in image for image in images.values()):
        return None
    rows = [[images[identity]["width"], images[identity]["height"]] for identity in ids]
    return parsing.number_table(rows, lambda index: f"{path}: size of image {ids[index]!r}", 2) if rows else None


def names(ids: list, images: Images) -> list[str] | None:
    """The file name of each row's image, None where not all have one."""
    if images:
        found = [images[identity].get("file_name") for identity in ids]
        return [str(name) for name in found] if all(found) else None
    return ids if all(isinstance(identity, str) and "." in identity for identity in ids) else None


def warn_of_unrelated(path: str, frame: np.ndarray, size: np.ndarray | None) -> None:
    """Logs where images look like pictures of their own: numbers without a common step, or of several sizes."""
    numbers = np.unique(frame)
    if len(numbers) < _FEWEST:
        return
    several = size is not None and len(np.unique(size, axis=0)) > 1
    steps = Counter(np.diff(numbers).tolist())
    if not several and steps.most_common(1)[0][1] >= len(numbers) / 2:
        return
    log.warning(
        "%s: %d images, numbers %s, ...%s: single pictures rather than a video; people are not followed between them",
        path, len(numbers), ", ".join(map(str, numbers[:3].tolist())), " of several sizes" if several else "",
    )  # fmt: skip
