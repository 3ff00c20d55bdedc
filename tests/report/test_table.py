from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from fakes import table as rows

from pose_diffusion.report import table as tables
from pose_diffusion.report.report_stats import merge, of_table
from pose_diffusion.report.summary import report_dict
from pose_diffusion.report.table import table


def report(predicted: pa.Table) -> dict:
    return report_dict(merge([of_table(predicted, "x")]))


def line(text: str, name: str) -> list[str]:
    return next(found for found in text.splitlines() if found.startswith(name + " ")).split()[len(name.split()) :]


def actions(text: str) -> list[str]:
    """The lines of the first table."""
    return text.split("\n\n")[0].splitlines()


def test_has_the_published_head() -> None:
    assert "===Action===   ==p#1 mm== =p#2 mm=" in table(report(rows()))


def test_average_is_the_action_mean_with_two_decimals() -> None:
    figures = report(rows())
    mean = {method: figures["headline"][method]["action_mean"] for method in ("lifter", "diffusion")}
    cells = [f"{mean[method][key]:.2f}" for method in ("lifter", "diffusion") for key in ("mpjpe_mm", "p_mpjpe_mm")]
    assert line(table(figures), "Average") == cells


def test_frame_weighted_mean_stands_below_the_average() -> None:
    figures = report(rows())
    assert line(table(figures), "All poses")[0] == f"{figures['headline']['lifter']['frame_mean']['mpjpe_mm']:.2f}"


def test_every_action_has_a_line() -> None:
    text = table(report(rows()))
    assert all(line(text, action) for action in ("Sitting", "SittingDown", "Walking", "Photo"))


def test_of_many_actions_the_first_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = report(rows())
    whole = actions(table(figures))
    monkeypatch.setattr(tables, "MOST_ROWS", 2)
    few = actions(table(figures))
    assert len(whole) == 8
    assert few == [*whole[:4], "... and 2 more actions, which report.json has", *whole[-2:]]


def test_columns_are_aligned_whatever_the_names() -> None:
    text = table(report(rows(names=lambda action: action.replace("Sitting", "Sitting in a very high chair"))))
    assert len({found.index(".") for found in actions(text)[2:]}) == 1


def test_control_characters_in_names_do_not_reach_the_terminal() -> None:
    text = table(report(rows(names=lambda action: "\x1b[2J" + action)))
    assert "\x1b" not in text


def test_says_so_where_no_truth_is_known() -> None:
    assert table(report(rows(truth=False))) == "121 poses, none with a known truth: no errors to report"


def test_the_jitter_of_each_method_stands_below() -> None:
    figures = report(rows(recorded=True, hypotheses=3))
    text = table(figures).split("\n\n")[1]
    assert "at 50 frames a second" in text
    for method in ("lifter", "diffusion"):
        mean, seconds = figures["headline"][method]["frame_mean"], figures["jitter"]["methods"][method]
        frames = [f"{mean[key]:.2f}" for key in ("mpjve_mm", "acceleration_mm")]
        assert line(text, method) == [*frames, *(f"{value:.0f}" for value in seconds.values())]
    assert "oracle" not in text


def test_without_a_frame_rate_the_jitter_is_by_frames() -> None:
    text = table(report(rows())).split("\n\n")[1]
    assert len(line(text, "lifter")) == 2 and "mm/s" not in text


def test_what_was_assumed_of_cameras_is_one_line() -> None:
    text = table(report(rows(recorded=True)))
    assert text.endswith("\n\nCameras: known for 78 poses, focal length assumed as the image's diagonal for 43 poses")


def test_the_field_of_view_that_was_given_is_told() -> None:
    found = merge([of_table(rows(recorded=True), "x")])
    found.intrinsics = Counter(field_of_view=1)
    assert "Cameras: field of view of 60 degrees given for 1 pose" in table(report_dict(found, settings={"field_of_view": 60}))


def test_cameras_are_told_without_truth_too() -> None:
    assert "Cameras: known for 78 poses" in table(report(rows(truth=False, recorded=True)))
