from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from fakes import table

from pose_diffusion.data import predictions, schema
from pose_diffusion.data.mixture import from_points
from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.report.report_stats import merge, of_table
from pose_diffusion.report.summary import report_dict


def spread_of(sigma_m: np.ndarray, claimed: float, seed: int = 0) -> dict:
    """The report's part on spread, for errors of this sigma an axis and joint and a spread `claimed` times the right one."""
    rng = np.random.default_rng(seed)
    rows = len(sigma_m)
    pose = np.zeros((rows, 17, 3), np.float32)
    mixture = from_points(np.zeros((rows, 17, 2)), 0.01)
    sequence = PoseSequence("S9", "Walking", "c", np.arange(rows, dtype=np.int32), mixture, 1000, 1000, pose, pose[:, 0])
    error = rng.normal(0, 1, pose.shape) * sigma_m[:, None, None]
    error[:, 0] = 0
    spread = np.repeat(1000 * sigma_m[:, None] * 3**0.5 * claimed, 17, 1)
    spread[:, 0] = 0
    built: pa.Table = predictions.build(schema.to_table(sequence), {"diffusion": error}, spread)
    return report_dict(merge([of_table(built, "x")]))["spread"]


def test_regions_of_a_right_spread_cover_what_they_say() -> None:
    found = spread_of(np.full(3000, 0.05), 1.0)
    for row in found["coverage"]:
        assert row["joints_percent"] == pytest.approx(row["region_percent"], abs=1)


def test_regions_of_too_small_a_spread_cover_too_little() -> None:
    assert all(row["joints_percent"] < row["region_percent"] - 5 for row in spread_of(np.full(500, 0.05), 0.5)["coverage"])


@pytest.mark.parametrize("claimed", [0.25, 1.0, 2.0])
def test_scale_is_the_factor_that_a_wrong_spread_lacks(claimed: float) -> None:
    assert spread_of(np.full(500, 0.05), claimed)["scale"] == pytest.approx(1 / claimed, rel=0.02)


def test_regions_hold_each_moving_joint_once() -> None:
    assert sum(spread_of(np.full(200, 0.05), 1.0)["regions"]) == 200 * 16


def test_dropping_uncertain_poses_lowers_the_error_where_spread_tells_it() -> None:
    risk = spread_of(np.geomspace(0.01, 0.2, 2000), 1.0)["risk"]
    kept = np.array([row["kept_percent"] for row in risk])
    error = np.array([row["mpjpe_mm"] for row in risk])
    assert np.interp(50, kept, error) < 0.6 * error[-1]


def test_risk_of_all_poses_is_the_frame_mean() -> None:
    report = report_dict(merge([of_table(table(hypotheses=4), "x")]))
    last = report["spread"]["risk"][-1]
    assert last["kept_percent"] == pytest.approx(100)
    mean = report["headline"]["diffusion"]["frame_mean"]["mpjpe_mm"]
    assert last["mpjpe_mm"] == pytest.approx(mean)
    assert last["lowest_mpjpe_mm"] == pytest.approx(mean)


def test_no_ranking_beats_the_ranking_by_error() -> None:
    risk = report_dict(merge([of_table(table(hypotheses=4), "x")]))["spread"]["risk"]
    assert all(row["lowest_mpjpe_mm"] <= row["mpjpe_mm"] + 1e-6 for row in risk)


def test_one_hypothesis_has_no_spread_to_report() -> None:
    assert report_dict(merge([of_table(table(), "x")]))["spread"] is None
