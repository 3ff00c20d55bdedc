"""Errors by how the camera saw the person: its elevation, its distance, and the person's size in the image.

elevation_deg  degrees of the camera over the horizontal plane through the true pelvis, negative below it
distance_m     metres of the true pelvis from the camera
person_px      the longer side, in pixels, of the box around the joints that were lifted

The first two are columns of the prediction files (see `data.recording`), null where unknown: such poses are in no bin.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pose_diffusion.data import recording
from pose_diffusion.data.schema import tensor_values

# Edges between a view's bins, of which the first and the last are open.
EDGES: dict[str, tuple[float, ...]] = {
    recording.ELEVATION: (-10, 0, 10, 20, 30, 45),
    recording.DISTANCE: (2, 3, 4, 6, 8, 12, 20),
    "person_px": (50, 100, 200, 400, 800),
}


def view_sums(table: pa.Table, errors: np.ndarray) -> dict[str, np.ndarray]:
    """View -> (bins, 1 + errors), the count and the sum of each error. errors: (rows, errors), NaN where unknown."""
    known = np.isfinite(errors).all(1)
    found = {}
    for name, edges in EDGES.items():
        value = _person_px(table) if name == "person_px" else _numbers(table, name)
        rows = known & np.isfinite(value)
        place = np.digitize(value[rows], edges)
        columns = (np.ones(rows.sum()), *errors[rows].T.astype(np.float64))
        found[name] = np.stack([np.bincount(place, weights, len(edges) + 1) for weights in columns], 1)
    return found


def no_sums(errors: int) -> dict[str, np.ndarray]:
    """`view_sums` of no rows."""
    return {name: np.zeros((len(edges) + 1, 1 + errors)) for name, edges in EDGES.items()}


def view_rows(sums: dict[str, np.ndarray], errors: Sequence[tuple[str, str]]) -> dict[str, list[dict]]:
    """report.json's "views". errors: method and figure of each column of errors."""
    return {name: _bins(sums[name], (None, *edges, None), errors) for name, edges in EDGES.items() if sums[name][:, 0].any()}


def _bins(sums: np.ndarray, edges: Sequence[float | None], errors: Sequence[tuple[str, str]]) -> list[dict]:
    """The bins from the first to the last with a pose."""
    filled = np.flatnonzero(sums[:, 0])
    rows = []
    for place in range(int(filled[0]), int(filled[-1]) + 1):
        count, *totals = sums[place].tolist()
        methods: dict[str, dict[str, float | None]] = {}
        for (method, figure), total in zip(errors, totals, strict=True):
            methods.setdefault(method, {})[figure] = total / count if count else None
        rows.append({"from": edges[place], "to": edges[place + 1], "poses": int(count), "methods": methods})
    return rows


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    """(rows,) float64, NaN where unknown."""
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    return table[name].to_numpy().astype(np.float64)


def _person_px(table: pa.Table) -> np.ndarray:
    pose_2d = tensor_values(table["pose_2d"]).astype(np.float64)  # (rows, 17, 2), in half widths of the image
    return np.ptp(pose_2d, axis=1).max(1) * table["width"].to_numpy() / 2
