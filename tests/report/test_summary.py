from __future__ import annotations

import json
import pickle
import random

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import reference
from fakes import Run, table

from pose_diffusion.data import predictions
from pose_diffusion.data.schema import tensor_values
from pose_diffusion.errors import InputError
from pose_diffusion.report.report_stats import merge, of_table, summarise
from pose_diffusion.report.summary import FIGURES, Skipped, report_dict

ACTIONS = ("Photo", "Sitting", "SittingDown", "Walking")


def flat(value: object, path: str = "") -> dict[str, object]:
    """Every leaf of nested dicts and lists by its path."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {k: v for key, inner in items for k, v in flat(inner, f"{path}/{key}").items()}
    return {path: value}


def assert_same(one: dict, other: dict) -> None:
    one, other = flat(one), flat(other)
    assert one.keys() == other.keys()
    for path, value in one.items():
        if isinstance(value, float):
            assert other[path] == pytest.approx(value, rel=1e-6, abs=1e-9), path
        else:
            assert other[path] == value, path


def figures_of(rows: pa.Table) -> dict:
    return report_dict(merge([of_table(rows, "x")]))


def by_name(rows: list[dict], name: str) -> dict:
    return next(row for row in rows if row["name"] == name)


@pytest.mark.parametrize("method", reference.METHODS)
@pytest.mark.parametrize("action", ["Sitting", "SittingDown", "Walking"])
def test_figures_of_an_action_agree_with_slow_plain_code(action: str, method: str) -> None:
    rows = table()
    row = by_name(figures_of(rows)["actions"], action)
    assert row["methods"][method] == pytest.approx(reference.figures(rows, method, action=action), rel=1e-5)


@pytest.mark.parametrize("method", reference.METHODS)
def test_figures_of_a_subject_and_a_camera_agree_with_slow_plain_code(method: str) -> None:
    rows = table()
    report = figures_of(rows)
    for kind, name in (("subject", "S11"), ("camera", "c2")):
        row = by_name(report[f"{kind}s"], name)
        assert row["methods"][method] == pytest.approx(reference.figures(rows, method, **{kind: name}), rel=1e-5)


@pytest.mark.parametrize("method", reference.METHODS)
def test_frame_mean_weighs_each_pose_alike(method: str) -> None:
    rows = table()
    assert figures_of(rows)["headline"][method]["frame_mean"] == pytest.approx(reference.figures(rows, method), rel=1e-5)


@pytest.mark.parametrize("method", reference.METHODS)
def test_action_mean_weighs_each_action_alike(method: str) -> None:
    rows = table()
    actions = [reference.figures(rows, method, action=action) for action in ACTIONS]
    mean = {key: np.mean([action[key] for action in actions if key in action]) for key in FIGURES}
    assert figures_of(rows)["headline"][method]["action_mean"] == pytest.approx(mean, rel=1e-5)


def test_errors_by_joint_are_means_over_all_poses() -> None:
    rows = table()
    means = tensor_values(rows["diffusion_joint_mm"]).mean(0, dtype=np.float64)
    joints = [row["methods"]["diffusion"]["mpjpe_mm"] for row in figures_of(rows)["joints"]]
    np.testing.assert_allclose(joints, means, rtol=1e-6)


@pytest.mark.parametrize("per_file", [1, 2, 7, 30, 64])
def test_file_size_changes_no_figure(per_file: int, run: Run) -> None:
    rows = table(hypotheses=4, recorded=True)
    whole, parts = (merge(map(summarise, run(rows, size, str(size)))) for size in (1000, per_file))
    one, other = report_dict(whole), report_dict(parts)
    assert other["counts"].pop("files") >= one["counts"].pop("files")
    assert_same(one, other)


def test_order_of_merging_changes_no_figure(run: Run) -> None:
    partials = [summarise(path) for path in run(table(recorded=True), 13)]
    shuffled = partials.copy()
    random.Random(1).shuffle(shuffled)
    half = len(shuffled) // 2
    assert_same(report_dict(merge(partials)), report_dict(merge([merge(shuffled[:half]), merge(shuffled[half:])])))


def test_merging_leaves_its_inputs_as_they_were(run: Run) -> None:
    partials = [summarise(path) for path in run(table(), 50)]
    first = report_dict(merge(partials))
    assert report_dict(merge(partials)) == first


def test_a_partial_survives_pickling(run: Run) -> None:
    partial = summarise(run(table())[0])
    assert_same(report_dict(merge([pickle.loads(pickle.dumps(partial))])), report_dict(merge([partial])))


def test_the_report_is_plain_json() -> None:
    report = figures_of(table(hypotheses=4, recorded=True))
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_the_keys_of_version_1_are_these() -> None:
    """Who reads report.json relies on them: a key may be added here, and with another meaning the version rises."""
    errors = set(FIGURES)
    group = {"name", "poses", "poses_with_truth", "methods"}
    report = figures_of(table(hypotheses=4, recorded=True))
    assert report["version"] == 1
    assert report.keys() == {
        *("version", "counts", "methods", "final", "oracle", "headline", "actions", "subjects", "cameras", "joints"),
        *("distribution", "spread", "root", "jitter", "views", "intrinsics", "skipped", "settings", "throughput"),
    }
    assert report["counts"].keys() == {"files", "poses", "poses_with_truth", "skipped"}
    for method in report["methods"]:
        assert report["headline"][method].keys() == {"action_mean", "frame_mean"}
        assert report["headline"][method]["frame_mean"].keys() == errors
        assert report["distribution"][method].keys() == {"mpjpe_mm", "edges_mm", "counts", "pck_thresholds_mm", "pck_percent"}
        assert report["distribution"][method]["mpjpe_mm"].keys() == {"p10", "median", "p90", "p99"}
        assert report["joints"][0]["methods"][method].keys() == {"mpjpe_mm"}
        for rows in ("actions", "subjects", "cameras"):
            assert report[rows][0].keys() == group and report[rows][0]["methods"][method].keys() == errors
    assert report["spread"].keys() == {"mean_mm", "scale", "coverage", "regions", "risk"}
    assert report["spread"]["coverage"][0].keys() == {"region_percent", "joints_percent"}
    assert report["jitter"].keys() == {"frame_rate", "methods"}
    assert report["jitter"]["methods"]["diffusion"].keys() == {"mpjve_mm_s", "acceleration_mm_s2"}
    assert report["views"].keys() == {"elevation_deg", "distance_m", "person_px"}
    assert report["views"]["distance_m"][0].keys() == {"from", "to", "poses", "methods"}
    assert report["views"]["distance_m"][0]["methods"]["oracle"].keys() == {"mpjpe_mm", "p_mpjpe_mm"}
    assert report["intrinsics"].keys() == {"known", "field_of_view", "image_diagonal"}
    assert report["spread"]["risk"][0].keys() == {"kept_percent", "mpjpe_mm", "lowest_mpjpe_mm"}


def test_poses_without_truth_are_counted_and_have_no_figures(run: Run) -> None:
    report = report_dict(merge(map(summarise, run(table(truth=False)))))
    assert report["counts"] == {"files": 1, "poses": 121, "poses_with_truth": 0, "skipped": 0}
    assert set(flat(report["headline"]).values()) == {None}
    assert report["spread"] is None


def test_poses_without_truth_change_no_figure_of_the_others(run: Run) -> None:
    known = table()
    both = report_dict(merge(map(summarise, [*run(known), *run(table(truth=False), folder="unknown")])))
    assert both["headline"] == report_dict(merge(map(summarise, run(known))))["headline"]
    assert both["counts"]["poses"] == 2 * both["counts"]["poses_with_truth"]


def test_a_file_without_rows_adds_nothing(run: Run) -> None:
    rows = table()
    assert_same(
        figures_of(rows)["headline"], report_dict(merge([of_table(rows, "x"), of_table(rows.slice(0, 0), "y")]))["headline"]
    )


def test_only_empty_files_make_an_empty_report() -> None:
    assert figures_of(table().slice(0, 0))["counts"]["poses"] == 0


def test_no_files_are_refused() -> None:
    with pytest.raises(InputError, match="no predictions"):
        merge([])


def test_predictions_of_two_runs_are_refused() -> None:
    lifter = predictions.layout(table().schema, "x")
    with pytest.raises(InputError, match="y: holds lifter, diffusion, oracle, but x holds lifter, diffusion"):
        merge([of_table(table(), "x"), of_table(table(hypotheses=3), "y")])
    assert lifter.final == "diffusion"


def test_skipped_inputs_are_listed_by_path() -> None:
    skipped = [Skipped("b.parquet", "truncated"), Skipped("a.parquet", "row 3, column 'mixture': a value is not finite")]
    report = report_dict(merge([of_table(table(), "x")]), skipped)
    assert [row["path"] for row in report["skipped"]] == ["a.parquet", "b.parquet"]
    assert report["counts"]["skipped"] == 2


def test_pck_curve_ends_in_pck_and_averages_to_auc() -> None:
    report = figures_of(table())
    curve = report["distribution"]["diffusion"]["pck_percent"]
    mean = report["headline"]["diffusion"]["frame_mean"]
    assert curve[0] == 0
    assert curve[-1] == pytest.approx(mean["pck_percent"])
    assert np.mean(curve) == pytest.approx(mean["auc_percent"])


def test_quantiles_are_within_a_bin_of_the_exact_ones() -> None:
    rows = table()
    errors = tensor_values(rows["diffusion_joint_mm"]).mean(1)
    found = figures_of(rows)["distribution"]["diffusion"]["mpjpe_mm"]
    for name, share in (("p10", 10), ("median", 50), ("p90", 90)):
        low, high = (np.percentile(errors, share, method=method) for method in ("lower", "higher"))
        assert low - 1 <= found[name] <= high + 1, name


def test_histogram_holds_every_pose() -> None:
    distribution = figures_of(table())["distribution"]["lifter"]
    assert sum(distribution["counts"]) == 121
    assert len(distribution["edges_mm"]) == len(distribution["counts"]) + 1


def test_root_error_is_averaged_over_the_poses_that_have_one() -> None:
    rows = table()
    error = np.linspace(10, 300, len(rows))
    known = np.arange(len(rows)) % 3 > 0
    rows = rows.append_column("root_mm", pa.array(error, pa.float32(), mask=~known))
    rows = rows.replace_schema_metadata({**rows.schema.metadata, b"pose_diffusion.roots": b"1"})
    root = report_dict(merge([of_table(rows.slice(0, 50), "x"), of_table(rows.slice(50), "x")]))["root"]
    assert root["poses"] == known.sum()
    assert root["mean_mm"] == pytest.approx(error[known].mean())
    assert root["median_mm"] == pytest.approx(np.median(error[known]), rel=0.03)


def test_without_roots_there_is_no_root_error() -> None:
    assert figures_of(table())["root"] is None


def test_errors_of_the_motion_by_seconds_know_the_frame_rate_and_the_stride() -> None:
    rows = table(recorded=True)
    for action, stride in (("Walking 2", 1), ("Sitting", 4)):
        found = figures_of(rows.filter(pc.equal(rows["action"], action)))
        frames, seconds = found["headline"]["diffusion"]["frame_mean"], found["jitter"]["methods"]["diffusion"]
        assert found["jitter"]["frame_rate"] == 50
        assert seconds["mpjve_mm_s"] == pytest.approx(frames["mpjve_mm"] * 50 / stride)
        assert seconds["acceleration_mm_s2"] == pytest.approx(frames["acceleration_mm"] * (50 / stride) ** 2)


def test_without_a_frame_rate_there_are_no_errors_by_seconds() -> None:
    assert figures_of(table())["jitter"] is None


def test_files_that_differ_in_their_rate_have_no_errors_by_seconds(run: Run) -> None:
    paths = [*run(table(recorded=True)), *run(table(), folder="older")]
    assert report_dict(merge(map(summarise, paths)))["jitter"] is None


def test_poses_are_counted_by_where_their_lens_came_from() -> None:
    assert figures_of(table(recorded=True))["intrinsics"] == {"known": 78, "field_of_view": 0, "image_diagonal": 43}


def test_files_that_do_not_say_how_they_were_recorded_are_reported_without_it(run: Run) -> None:
    rows = table(recorded=True)
    older = rows.drop(["distance_m", "elevation_deg", "intrinsics"])
    report = report_dict(merge(map(summarise, run(older))))
    assert report["intrinsics"] is None
    assert report["views"].keys() == {"person_px"}
    assert_same(report["headline"], figures_of(rows)["headline"])
