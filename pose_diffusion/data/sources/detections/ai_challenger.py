"""AI Challenger's own keypoint annotations: a list of images, with each person's 14 joints under a name.

[{image_id, url, human_annotations: {human1: [x1, y1, x2, y2]}, keypoint_annotations: {human1: [x, y, v] * 14}}]: v is 1 for
visible, 2 for hidden, 3 for a joint that is not labelled, which is not COCO's order. image_id is the name of a picture without
its suffix, a hash; pictures are no video, so that frames are their places in the list. There are no image sizes.
(arXiv 1711.06475, keypoint task.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.detections.detections import Detections
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import LAYOUTS

_LAYOUT = LAYOUTS["aic14"]
_CONFIDENCE = np.array([0.0, 1.0, 0.5, 0.0])  # of v; 0 is not described, and a missing joint


def is_own(content: Any) -> bool:
    """Whether a file's content is AI Challenger's own JSON."""
    return isinstance(content, list) and bool(content) and isinstance(content[0], dict) and "keypoint_annotations" in content[0]


def read(path: str, name: str, content: list) -> Detections:
    """The people of a file. name: of the recording."""
    rows, places, frame, image, empty = [], [], [], [], []
    for number, entry in enumerate(content):
        where = f"{path}: entry {number}"
        identity = parsing.field(entry, "image_id", str, where)
        people = parsing.field(entry, "keypoint_annotations", dict, where)
        if not people:
            empty.append(number)
        for human in sorted(people, key=parsing.natural):
            rows.append(people[human])
            places.append(f"{where}: {human}")
            frame.append(number)
            image.append(identity if "." in identity else f"{identity}.jpg")
    points = parsing.number_table(rows, places.__getitem__, 3 * len(_LAYOUT.joints)).reshape(-1, len(_LAYOUT.joints), 3)
    visibility = points[..., 2]
    bad = ~np.isin(visibility, (0, 1, 2, 3)).all(1)
    if bad.any():
        raise InputError(f"{places[int(bad.argmax())]}: expected visibilities of 1 (visible), 2 (hidden) or 3 (not labelled)")
    points[..., 2] = _CONFIDENCE[visibility.astype(int)]
    return Detections(path, name, _LAYOUT, points, np.array(frame, np.int64), image=image, empty=empty)
