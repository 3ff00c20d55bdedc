"""2D detections of any tool as its file has them, checked: the joint layout, the image sizes, points in pixels."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np

from pose_diffusion.config import ArchiveConfig
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections import images
from pose_diffusion.data.sources.detections.layout_choice import choose
from pose_diffusion.errors import ImageSizeUnknown, InputError
from pose_diffusion.geometry.layouts import LAYOUTS, Layout, of_size

log = logging.getLogger(__name__)
_LARGEST_IMAGE = 100_000
_LARGEST_NUMBER = 1e30  # well within float32
_LARGEST_SHARE = 2.0  # of the image that half the joints of a file lie within
_OUTSIDE = 0.1  # of the image's size, by which a joint lies clearly outside
_UNSURE = 0.5  # visibility below which a tool that extrapolates has not seen a joint
# Of layouts with faces and hands the joints that come first and are those of the body: COCO-WholeBody, and Halpe's.
_WHOLE_BODY = {133: 17, 136: 26, 94: 26, 68: 26}


@dataclass
class Detections:
    """The people of one recording, a row each.

    where: the file, for errors. name: the recording's; it becomes the action. points: (n, J, 3) x, y in pixels and
    confidence. frame: (n,) ints. person: (n,) names, the same in all frames, None where the file does not tell people apart.
    size: (n, 2) or (2,) image width and height, None where the file does not say. image: (n,) image file names, where the
    file has them. empty: frames without a person. unit: what x and y are, pixels or shares of the image from 0 to 1 or from
    -1 to 1. extrapolates: whether the tool places joints that it does not see, also outside the image. wrong: why the
    recording cannot be used, where its reader has found that; the rest may be anything then.
    """

    where: str
    name: str
    layout: Layout
    points: np.ndarray
    frame: np.ndarray
    person: Sequence[str] | None = None
    size: np.ndarray | None = None
    image: Sequence[str] | None = None
    empty: list[int] = field(default_factory=list)
    subject: str = ""
    camera: str = ""
    unit: Literal["pixels", "unit", "symmetric"] = "pixels"
    extrapolates: bool = False
    wrong: str = ""


def covers(layout: Layout, joints: int) -> bool:
    """Whether people of so many joints begin with those of the layout: it has as many, or is the body of a whole-body one."""
    return len(layout.joints) in (joints, _WHOLE_BODY.get(joints))


def fit_layout(
    tool: str, settings: ArchiveConfig, points: np.ndarray, usual: Sequence[Layout], where: str
) -> tuple[Layout, np.ndarray]:
    """The layout that the config names, else the one that the tool has for (n, J, 3) points, and the points that it covers.

    Where the tool has several layouts of so many joints, the poses themselves tell which. Whole-body layouts begin with
    those of the body, and the rest is left out. tool: whose section has `layout`. Raises InputError for any other J, and
    where the poses do not tell.
    """
    joints = points.shape[1]
    if settings.layout != "auto":
        layout = LAYOUTS[settings.layout]
        if not covers(layout, joints):
            raise InputError(f"{where}: {joints} joints a person, '{tool}.layout' is {layout.name} with {len(layout.joints)}")
        return layout, points[:, : len(layout.joints)]
    body = joints if any(len(layout.joints) == joints for layout in usual) else _WHOLE_BODY.get(joints, joints)
    candidates = [layout for layout in usual if len(layout.joints) == body]
    if not candidates:
        known = ", ".join(f"{len(layout.joints)} ({layout.name})" for layout in usual)
        others = [layout.name for layout in of_size(joints)]
        hint = f"; {' or '.join(others)} has as many: '{tool}.layout={others[0]}'" if others else ""
        raise InputError(f"{where}: {joints} joints a person, expected {known}{hint}")
    if len(candidates) == 1:
        return candidates[0], points[:, :body]
    names = " or ".join(layout.name for layout in candidates)
    chosen = choose(candidates, points)
    if chosen is None:
        raise InputError(f"{where}: {joints} joints a person: {names}, and the poses do not tell which; set '{tool}.layout'")
    log.info("%s: %d joints a person: %s, by the poses (%s)", where, joints, chosen.name, names)
    return chosen, points[:, :body]


def image_sizes(converter: str, settings: ArchiveConfig, found: Detections) -> np.ndarray:
    """(n, 2) width and height: from the file, the images or the config, which must agree where more than one says it."""
    shape = (len(found.points), 2)
    told = None if found.size is None else np.broadcast_to(found.size, shape)
    if told is None and settings.images:
        told = np.broadcast_to(images.sizes(settings.images, found.image, found.frame, found.name), shape)
    given = None if settings.image_size is None else np.broadcast_to(settings.image_size, shape)
    size = given if told is None else told
    if size is None:
        choice = f"'{converter}.image_size' or '{converter}.images'"
        raise ImageSizeUnknown(f"{found.where}: the image size is not in the file; set {choice}", found.where)
    bad = ~((size >= 1) & (size <= _LARGEST_IMAGE) & (size == np.floor(size))).all(1)
    if bad.any():
        raise InputError(f"{_row(found, bad)}: an image size that is not 1 to {_LARGEST_IMAGE} whole pixels")
    differs = np.zeros(shape, bool) if given is None else size != given
    if differs.any():
        width, height = size[np.argmax(differs.any(1))]
        raise InputError(f"{found.where}: images are {width:.0f} x {height:.0f}, but '{converter}.image_size' says otherwise")
    return size.astype(np.int64)


def pixels_or_shares(points: np.ndarray) -> Literal["pixels", "unit"]:
    """The unit of (..., 3) points x, y, confidence, by their values: half the joints lie in the image, and are no more than 1.

    The median is taken, as joints that are not seen may lie far outside.
    """
    seen = np.isfinite(points).all(-1) & (points[..., :2] != 0).any(-1)
    largest = abs(points[..., :2]).max(-1, initial=0)[seen]
    return "unit" if len(largest) and np.median(largest) <= _LARGEST_SHARE else "pixels"


def in_pixels(found: Detections, size: np.ndarray, way_out: str = "") -> np.ndarray:
    """The points in pixels, float32, confidence 0 where missing. Refuses what no detector finds.

    way_out: behind the line for shares of the image where pixels are expected.
    """
    where = partial(_row, found)
    points = found.points
    if points.ndim != 3 or points.shape[1:] != (len(found.layout.joints), 3):
        raise InputError(f"{found.where}: expected points {(len(found.layout.joints), 3)}, got {points.shape[1:]}")
    bad = ~(abs(points) < _LARGEST_NUMBER).all((1, 2))
    if bad.any():
        raise InputError(f"{where(bad)}: a coordinate or confidence is not a finite number")
    bad = (points[..., 2] < 0).any(1)
    if bad.any():
        raise InputError(f"{where(bad)}: a confidence is negative")
    bad = (found.frame < 0) | (found.frame >= 2**31)
    if bad.any():
        raise InputError(f"{where(bad)}: frame numbers must lie between 0 and {2**31 - 1}")

    missing = points[..., 2] == 0
    if found.unit != "symmetric":
        missing |= (points[..., :2] == 0).all(-1)
    joints = np.empty(points.shape, np.float32)
    joints[..., 2] = np.where(missing, 0, points[..., 2])
    scale = {"pixels": 1.0, "unit": size[:, None], "symmetric": size[:, None] / 2}[found.unit]
    joints[..., :2] = points[..., :2] * scale + (scale if found.unit == "symmetric" else 0)
    limit = size[:, None]
    if found.extrapolates:
        missing |= _unseen(found, joints, limit)
        joints[..., 2] = np.where(missing, 0, joints[..., 2])
    bad = (((joints[..., :2] < -limit) | (joints[..., :2] > 2 * limit)).any(-1) & ~missing).any(1)
    if bad.any():
        width, height = size[np.argmax(bad)]
        raise InputError(
            f"{where(bad)}: a joint lies far outside the image of {width} x {height} pixels, as in {bad.sum()} of {len(bad)} "
            "poses; expected the images' size, and joints that nobody saw with confidence 0"
        )
    if (abs(joints[..., :2]) <= 1.5).all() and not missing.all() and size.min() > 16:
        raise InputError(
            f"{found.where}: every coordinate is between -1.5 and 1.5; expected pixels, not shares of the image{way_out}"
        )
    return joints


def _unseen(found: Detections, joints: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """(n, J): joints that a tool has placed without seeing them.

    Those that lie outside the image by more than a tenth of its size, with a visibility below 0.5. Those that lie further
    outside than the image is wide or high, whatever their visibility is; of which more than half would mean another image
    size or unit. joints: (n, J, 3) in pixels. limit: (n, 1, 2) width and height.
    """
    places, sure = joints[..., :2], joints[..., 2] >= _UNSURE
    outside = ((places < -_OUTSIDE * limit) | (places > (1 + _OUTSIDE) * limit)).any(-1)
    far = ((places < -limit) | (places > 2 * limit)).any(-1) & (joints[..., 2] > 0)
    if sure.any() and (far & sure).sum() > sure.sum() / 2:
        width, height = limit[np.argmax((far & sure).any(1)), 0]
        raise InputError(
            f"{_row(found, (far & sure).any(1))}: most joints lie far outside the image of {width} x {height} pixels; "
            "expected its size, and coordinates in it"
        )
    if (far & sure).any():
        log.warning("%s: %d joints lie far outside the image and are taken as missing", found.where, (far & sure).sum())
    return np.asarray((outside & ~sure) | far)


def _row(found: Detections, bad: np.ndarray | np.bool) -> str:
    row = int(np.argmax(bad))
    person = parsing.ranks(found.frame.tolist()) if found.person is None else found.person
    return f"{found.where}: frame {found.frame[row]}, person {person[row]}"
