"""The journal of trials and their table."""

from __future__ import annotations

import dataclasses
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pose_diffusion.errors import InputError
from pose_diffusion.tuning import trials
from pose_diffusion.tuning.trials import Journal, Point, Trial

SPACE = {
    "diffusion.beta_end": {"loguniform": [1e-3, 1e-2]},
    "diffusion.steps": {"randint": [20, 60]},
    "diffusion.step_list": {"choice": [[0, 6], [6]]},
    "diffusion.schedule": {"choice": ["linear", "quad"]},
    "train.flip": {"choice": [True, False]},
}
SETTINGS = {
    "diffusion.beta_end": 0.002,
    "diffusion.steps": 51,
    "diffusion.step_list": [0, 6],
    "diffusion.schedule": "quad",
    "train.flip": False,
}
CURVE = [Point(1, 71.0, 9.0, 10.0), Point(2, None, 8.0, 20.0), Point(3, 69.5, 7.0, 30.0)]


def entry(stage: str, epoch: int, mpjpe: float | None, **more) -> dict:
    values = {"stage": stage, "epoch": epoch, "loss": 9.0 - epoch, "samples": 100, "samples_per_second": 10.0, **more}
    return values if mpjpe is None else {**values, "diffusion_mpjpe": mpjpe}


def test_a_journal_is_read_back_as_it_was_written(tmp_path):
    journal = Journal(str(tmp_path))
    first, second = journal.begin(SETTINGS, "cpu"), journal.begin({**SETTINGS, "diffusion.steps": 30}, "cuda")
    journal.record(dataclasses.replace(first.with_curve(CURVE), status="failed", reason="the loss is not finite"))
    again = Journal(str(tmp_path))
    assert list(again) == list(journal) and len(again) == 2
    assert again["0001"].reason == "the loss is not finite" and again["0001"].curve == tuple(CURVE)
    assert again["0002"] == second and second.status == "running"


def test_trials_are_numbered_on_after_those_in_the_folder(tmp_path):
    Journal(str(tmp_path)).begin(SETTINGS, "cpu")
    assert Journal(str(tmp_path)).begin(SETTINGS, "cpu").id == "0002"


def test_a_broken_record_is_named(tmp_path):
    Journal(str(tmp_path)).begin(SETTINGS, "cpu")
    (tmp_path / "trials" / "0001.json").write_text("{}")
    with pytest.raises(InputError, match=r"trials/0001\.json: not the record of a trial"):
        Journal(str(tmp_path))


def test_the_curve_is_that_of_the_denoiser_with_seconds_added_up():
    entries = [entry("lifter", 0, 90.0), entry("denoiser", 0, 70.0), entry("denoiser", 1, 69.0)]
    assert trials.points(entries) == [Point(1, 70.0, 9.0, 10.0), Point(2, 69.0, 8.0, 20.0)]


def test_the_curve_of_a_lifter_alone_is_its_own():
    assert trials.points([entry("lifter", 0, 90.0)]) == [Point(1, 90.0, 9.0, 10.0)]


def test_the_curve_of_the_video_model_is_its_held_out_clips():
    assert trials.points([{**entry("video", 0, None), "mpjpe": 88.0}]) == [Point(1, 88.0, 9.0, 10.0)]


def test_epochs_without_an_evaluation_or_a_finite_one_have_no_error():
    entries = [entry("denoiser", 0, None), entry("denoiser", 1, float("nan"))]
    assert [point.mpjpe for point in trials.points(entries)] == [None, None]


def test_a_trial_is_as_good_as_its_best_epoch():
    assert (Trial("0001", {}).with_curve(CURVE).mpjpe, Trial("0001", {}).with_curve(CURVE).epochs) == (69.5, 3)


def test_the_curve_is_read_from_what_the_run_wrote(tmp_path):
    journal = Journal(str(tmp_path))
    journal.begin(SETTINGS, "cpu")
    assert journal.read_curve("0001").epochs == 0
    (tmp_path / "trials" / "0001").mkdir()
    (tmp_path / "trials" / "0001" / "metrics.jsonl").write_text(json.dumps(entry("denoiser", 0, 70.0)) + "\n")
    assert journal.read_curve("0001").mpjpe == 70.0


def test_what_a_run_of_an_ended_trial_leaves_is_bounded(tmp_path):
    journal = Journal(str(tmp_path))
    journal.begin(SETTINGS, "cpu")
    for name in ("checkpoints/a/state.pt", "metrics.jsonl"):
        path = tmp_path / "trials" / "0001" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    journal.tidy("0001")
    assert [path.name for path in (tmp_path / "trials" / "0001").rglob("*")] == ["metrics.jsonl"]


@pytest.mark.parametrize(
    ("ends", "best"),
    [
        ([("finished", 70.0), ("finished", 69.0)], "0002"),
        ([("finished", 70.0), ("pruned", 69.0)], "0001"),
        ([("failed", 60.0), ("running", 69.0)], "0002"),
        ([("failed", 60.0)], None),
        ([("running", None)], None),
    ],
)
def test_the_best_has_finished_where_one_has(tmp_path, ends, best):
    journal = Journal(str(tmp_path))
    for status, mpjpe in ends:
        journal.record(dataclasses.replace(journal.begin(SETTINGS, "cpu"), status=status, mpjpe=mpjpe))
    assert (journal.best.id if journal.best else None) == best


class TestTable:
    def table(self) -> pa.Table:
        rows = [
            dataclasses.replace(Trial("0001", SETTINGS).with_curve(CURVE), status="finished"),
            Trial("0002", SETTINGS, status="failed", reason="out of memory"),
        ]
        return trials.table(rows, SPACE, "training", "0001")

    def test_a_row_holds_a_trial_and_what_came_of_it(self):
        first, second = self.table().to_pylist()
        assert (first["trial"], first["status"], first["epochs"], first["mpjpe"], first["seconds"]) == (
            "0001",
            "finished",
            3,
            69.5,
            30.0,
        )
        assert first["curve"][2] == {"epoch": 3, "mpjpe": 69.5, "loss": 7.0, "seconds": 30.0}
        assert (second["reason"], second["mpjpe"], second["curve"]) == ("out of memory", None, [])

    def test_settings_are_columns_of_their_own_types(self):
        types = {key: self.table().schema.field(key).type for key in SPACE}
        assert list(types.values()) == [pa.float64(), pa.int64(), pa.string(), pa.string(), pa.bool_()]
        assert self.table()["diffusion.step_list"][0].as_py() == "[0, 6]"

    def test_whole_numbers_among_others_make_a_column_of_numbers(self):
        rows = [Trial("0001", {"model.dropout": 0}), Trial("0002", {"model.dropout": 0.5})]
        column = trials.table(rows, {"model.dropout": {"choice": [0, 0.5]}}, "training", None)["model.dropout"]
        assert column.type == pa.float64()

    def test_it_tells_of_its_search_and_survives_a_file(self, tmp_path):
        trials.publish_table(str(tmp_path), self.table())
        read = pq.read_table(tmp_path / "trials.parquet")
        assert read.to_pylist() == self.table().to_pylist() and read.schema.names == self.table().schema.names
        assert trials.about(read) == {
            "space": SPACE,
            "keys": list(SPACE),
            "metric": "held-out MPJPE, mm",
            "best": "0001",
            "mode": "training",
        }

    def test_a_search_without_trials_has_a_table_without_rows(self):
        assert trials.table([], SPACE, "training", None).num_rows == 0
