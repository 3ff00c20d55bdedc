from __future__ import annotations

import random

import numpy as np
from fakes import Run, table

from pose_diffusion.data.manifest import action_name
from pose_diffusion.data.schema import tensor_values
from pose_diffusion.report.gallery import Gallery
from pose_diffusion.report.report_stats import merge, summarise


def gallery(paths: list[str]) -> Gallery:
    return merge(map(summarise, paths)).gallery


def errors() -> np.ndarray:
    return tensor_values(table()["diffusion_joint_mm"]).mean(1, dtype=np.float64)


def test_best_and_worst_are_the_extremes_of_all_files(run: Run) -> None:
    found = gallery(run(table(), 9))
    assert found.best[0].error_mm == errors().min()
    assert found.worst[0].error_mm == errors().max()


def test_each_shown_pose_is_of_another_action(run: Run) -> None:
    found = gallery(run(table(), 9))
    for examples in (found.best, found.worst, found.median(40.0)):
        actions = [action_name(example.action) for example in examples]
        assert len(set(actions)) == len(actions) == 3


def test_the_median_pose_is_near_the_median(run: Run) -> None:
    median = float(np.median(errors()))
    assert abs(gallery(run(table(), 9)).median(median)[0].error_mm - median) < 0.1 * median


def test_an_examples_poses_are_those_of_its_row(run: Run) -> None:
    rows = table()
    example = gallery(run(rows, 9)).worst[0]
    row = int(errors().argmax())
    for name in ("pose_2d", "pose_3d", "truth_3d"):
        np.testing.assert_array_equal(getattr(example, name), tensor_values(rows[name])[row])
    assert [example.action, example.frame] == [rows["action"][row].as_py(), rows["frame"][row].as_py()]


def test_order_of_files_changes_no_example(run: Run) -> None:
    paths = run(table(), 9)
    shuffled = random.Random(0).sample(paths, len(paths))
    one, other = gallery(paths), gallery(shuffled)
    for name in ("best", "worst"):
        assert [e.order for e in getattr(one, name)] == [e.order for e in getattr(other, name)]
    assert {k: e.order for k, e in one.middle.items()} == {k: e.order for k, e in other.middle.items()}
    assert one.excerpts == other.excerpts


def test_excerpts_are_the_longest_of_each_action(run: Run) -> None:
    excerpts = gallery(run(table())).excerpts
    assert {action: excerpt.rows for action, excerpt in excerpts.items()} == {
        "Walking": 40,
        "Sitting": 31,
        "SittingDown": 12,
        "Photo": 1,
    }


def test_without_truth_there_are_clips_but_no_examples(run: Run) -> None:
    found = gallery(run(table(truth=False)))
    assert not (found.best or found.worst or found.middle)
    assert len(found.excerpts) == 4
