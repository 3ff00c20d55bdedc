"""Errors by how the camera saw the person, against plain loops and by what they must not depend on."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from fakes import recording, table

from pose_diffusion.data.recording import Recording
from pose_diffusion.data.schema import tensor_values
from pose_diffusion.report.report_stats import merge, of_table
from pose_diffusion.report.summary import report_dict
from pose_diffusion.report.views import EDGES


def views(rows: pa.Table) -> dict:
    return report_dict(merge([of_table(rows, "x")]))["views"]


def sizes(rows: pa.Table) -> list[float]:
    """The longer side of each person's box, pixels."""
    return [max(np.ptp(pose, axis=0)) * 1000 / 2 for pose in tensor_values(rows["pose_2d"])]


@pytest.mark.parametrize("name", list(EDGES))
def test_each_bin_has_the_mean_error_and_the_count_of_its_poses(name: str) -> None:
    rows = table(recorded=True)
    values = sizes(rows) if name == "person_px" else rows[name].to_pylist()
    errors = tensor_values(rows["diffusion_joint_mm"]).mean(1)
    expected = defaultdict(list)
    for value, error, p_mpjpe in zip(values, errors, rows["diffusion_p_mpjpe_mm"].to_pylist(), strict=True):
        if value is not None:
            expected[sum(value >= edge for edge in EDGES[name])].append((error, p_mpjpe))
    edges = (None, *EDGES[name], None)
    for row in views(rows)[name]:
        found = expected.pop(edges.index(row["from"]) if row["from"] is not None else 0, [])
        assert row["poses"] == len(found)
        if found:
            assert list(row["methods"]["diffusion"].values()) == pytest.approx(np.mean(found, 0).tolist(), rel=1e-5)
    assert not expected


def test_bins_follow_each_other_without_a_gap() -> None:
    for rows in views(table(recorded=True)).values():
        assert all(before["to"] == after["from"] for before, after in itertools.pairwise(rows))


def test_a_bin_without_poses_between_two_with_some_has_no_error() -> None:
    rows = table(recorded=True)
    near_and_far = rows.filter(pa.array([not 3 <= distance < 4 for distance in rows["distance_m"].to_pylist()]))
    empty = [row for row in views(near_and_far)["distance_m"] if row["from"] == 3]
    assert [(row["poses"], row["methods"]["lifter"]["mpjpe_mm"]) for row in empty] == [(0, None)]


def test_a_person_whose_camera_is_unknown_is_in_no_bin_of_elevation() -> None:
    rows = table(recorded=True)
    count = {name: sum(row["poses"] for row in found) for name, found in views(rows).items()}
    assert count == {"elevation_deg": 78, "distance_m": 121, "person_px": 121}


def test_without_truth_there_are_no_views() -> None:
    assert views(table(truth=False, recorded=True)) == {}


@pytest.mark.parametrize(
    ("root", "expected"),
    [([0, 0, 4], 0), ([0, 4, 4], 45), ([3, -4, 0], -np.degrees(np.arctan2(4, 3))), ([0, 2, 0], 90)],
)
def test_a_camera_is_above_a_person_who_is_below_it(root: list[float], expected: float) -> None:
    """The camera frame's y is down, as its level camera has it; a person at y = 4 m is below the camera."""
    found = Recording(up=np.array([[0.0, -1.0, 0.0]])).columns(np.array([root], np.float32))
    assert found["elevation_deg"].to_pylist() == pytest.approx([expected])
    assert found["distance_m"].to_pylist() == pytest.approx([np.linalg.norm(root)])


@pytest.mark.parametrize("root", [[0, 0, 0], [np.nan] * 3])
def test_a_person_at_no_distance_or_nobody_knows_where_has_no_elevation(root: list[float]) -> None:
    found = Recording(up=np.array([[0.0, -1.0, 0.0]])).columns(np.array([root], np.float32))
    assert found["elevation_deg"].to_pylist() == [None]


def test_elevation_does_not_depend_on_how_the_camera_is_turned() -> None:
    """Pitched, rolled and panned cameras at one place see a person from one elevation."""
    rows = table()
    root, up = np.array([[0.3, 1.2, 5.0]]), recording(rows).up[-1:]
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    one, other = (Recording(up=u).columns(r)["elevation_deg"].to_pylist() for u, r in ((up, root), (up @ turn, root @ turn)))
    assert one == pytest.approx(other, abs=1e-4)
