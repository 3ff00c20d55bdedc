"""What the numbers of a COCO file's keypoints mean: which joints they are of, and how sure each is.

The third number of a joint is a visibility where a whole file has no values but 0, 1 and 2, else a detector's score.
Visibility 2 counts as confidence 1, and 1 (hidden) as 0.5, or as 1 in files without a 2, such as PoseTrack18's. Visibility 0 is
a missing joint in annotations. Detectors' results may have 0 for joints that they have placed: it counts as 0.5 there, and as 1
where a file has nothing but 0.
"""

from __future__ import annotations

import logging

import numpy as np

from pose_diffusion.config import CocoConfig
from pose_diffusion.data.sources.detections.detections import fit_layout
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, HALPE_26, LAYOUTS, Layout, largest_by_names

log = logging.getLogger(__name__)
_HIDDEN = 0.5
_USUAL = (COCO_17, HALPE_26, *(LAYOUTS[name] for name in ("crowdpose14", "aic14", "mpii16", "humanart21")))


def joints(path: str, points: np.ndarray, settings: CocoConfig, names: list[str] | None) -> tuple[Layout, np.ndarray]:
    """The layout of (n, J, 3) points, and those of them that it has.

    names: of the joints, where the file says them. Files list the joints beyond COCO's 17 in their category or their keypoints
    alone: Human-Art's category names 21 joints for 17, and merged COCO-WholeBody files have 133 joints for 17 names.
    """
    count = points.shape[1]
    if names is None or settings.layout != "auto":
        return fit_layout("coco", settings, points, _USUAL, path)
    match = largest_by_names(names[:count])
    if match is None:
        unknown = f"{path}: categories: the joints {', '.join(names[:5])}, ... are not those of a known layout"
        raise InputError(f"{unknown}; {_way_out(count)}")
    layout, places = match
    unequal = InputError(f"{path}: {count} joints a person, but categories names {len(names)}; set 'coco.layout'")
    if len(names) < count:
        whole, points = fit_layout("coco", settings, points, _USUAL, path)
        if whole.joints[: len(names)] != layout.joints or places != sorted(places):
            raise unequal
        return whole, points
    if len(names) > count and len(layout.joints) < count:
        raise unequal
    return layout, points[:, places]


def _way_out(count: int) -> str:
    choices = " or ".join(layout.name for layout in LAYOUTS.values() if len(layout.joints) == count)
    if not choices:
        return f"no layout has {count} joints; write one, as docs/add-a-source.md says"
    return f"if their order is that of {choices}, set 'coco.layout'"


def confidence(path: str, points: np.ndarray, annotated: bool) -> np.ndarray:
    """(n, J) confidences of (n, J, 3) points. annotated: by people, so that visibility 0 is a missing joint."""
    values = points[..., 2]
    if not np.isin(values, (0, 1, 2)).all():
        return values
    most = values.max(initial=0)
    found = np.where(values == most, 1.0, np.where(values > 0, _HIDDEN, 0.0))
    placed = (values == 0) & (points[..., :2] != 0).any(-1)
    if most == 0:
        log.warning("%s: every joint has visibility 0; all that are placed are taken as seen", path)
        return placed.astype(float)
    if annotated or not placed.any():
        return np.where(values > 0, found, 0.0)
    share = placed.sum() / max((points[..., :2] != 0).any(-1).sum(), 1)
    log.warning("%s: %.0f%% of the placed joints have visibility 0; they count as hidden (confidence 0.5)", path, 100 * share)
    return np.where(placed, _HIDDEN, found)
