"""The plan of a shard folder's files."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from pose_diffusion.config import PrepareConfig, loading
from pose_diffusion.data.plan import PlannedFile, batches, plan, rows_of_a_file
from pose_diffusion.data.sequence import LazySequence, Source
from pose_diffusion.errors import InputError
from tests.data.poses import sequence


def source(*clips: tuple[str, int], with_3d: bool = True) -> Source:
    """A source of one clip for each (subject, rows)."""
    made = [
        LazySequence(subject, f"Walking {n}", "c1", rows, partial(sequence, subject, f"Walking {n}", rows=rows))
        for n, (subject, rows) in enumerate(clips)
    ]
    return Source(made, kernels=3, cameras={}, description={"converter": "test"}, with_3d=with_3d)


def layout(files: list[PlannedFile]) -> list[tuple[str, list[tuple[str, int, int]]]]:
    return [(f.path, [(p.clip.action, p.start, p.stop) for p in f.slices]) for f in files]


def settings(*overrides: str) -> PrepareConfig:
    return loading.load(None, ["prepare.rows_per_file=10", *overrides]).prepare


def test_clips_fill_files_in_order_and_none_is_cut_that_fits():
    files = plan(source(("S1", 6), ("S9", 4), ("S5", 6), ("S5", 4)), settings())
    assert layout(files) == [
        ("split=train/part-00000.parquet", [("Walking 0", 0, 6)]),
        ("split=train/part-00001.parquet", [("Walking 2", 0, 6), ("Walking 3", 0, 4)]),
        ("split=test/part-00000.parquet", [("Walking 1", 0, 4)]),
    ]


def test_a_clip_longer_than_a_file_gets_files_of_equal_length_to_itself():
    files = plan(source(("S1", 3), ("S1", 25), ("S1", 2)), settings())
    assert [[(p.start, p.stop) for p in file.slices] for file in files] == [[(0, 3)], [(0, 8)], [(8, 16)], [(16, 25)], [(0, 2)]]
    assert [file.is_part for file in files] == [False, True, True, True, False]


def of_files(*clips: tuple[str, int]) -> Source:
    """A source of one clip for each (file that is read for it, rows)."""
    plain = source(*(("S1", rows) for _, rows in clips))
    return replace(plain, sequences=[replace(one, file=file) for one, (file, _) in zip(plain.sequences, clips, strict=True)])


def test_clips_of_a_large_input_file_share_no_file_with_others():
    large = [("large", 9)] * 5
    files = plan(of_files(("", 3), *large, ("small", 1), ("other", 1)), settings())
    assert [[p.clip.file for p in file.slices] for file in files] == [[""], *[["large"]] * 5, ["small", "other"]]


def test_files_are_made_by_one_worker_that_reads_their_input_once():
    clips = [("", 9), ("", 9), *[("large", 9)] * 5, ("small", 9), ("", 25)]
    made = [[p.clip.file for file in batch for p in file.slices] for batch in batches(plan(of_files(*clips), settings()), 20)]
    assert made == [[""], [""], ["large"] * 3, ["large"] * 2, ["small"], [""] * 3]


def test_a_file_ends_where_its_bytes_are_reached():
    few = settings("prepare.mib_per_file=0.005")
    assert rows_of_a_file(1, few) < rows_of_a_file(1, settings()) == 10
    assert rows_of_a_file(50, few) == 1


def test_poses_without_3d_are_all_in_the_test_split():
    files = plan(source(("someone", 4), ("S9", 4), with_3d=False), settings())
    assert {file.split for file in files} == {"test"}


def test_the_split_that_a_clip_states_goes_before_the_test_subjects():
    plain = source(("S1", 4), ("S9", 4), ("S9", 4))
    stated = [replace(clip, split=split) for clip, split in zip(plain.sequences, ("test", "train", None), strict=True)]
    files = plan(replace(plain, sequences=stated), settings())
    assert layout(files) == [
        ("split=train/part-00000.parquet", [("Walking 1", 0, 4)]),
        ("split=test/part-00000.parquet", [("Walking 0", 0, 4), ("Walking 2", 0, 4)]),
    ]


def test_clips_without_3d_are_for_testing_whatever_split_they_state():
    plain = source(("S1", 4), with_3d=False)
    files = plan(replace(plain, sequences=[replace(plain.sequences[0], split="train")]), settings())
    assert {file.split for file in files} == {"test"}


def test_a_split_that_is_stated_as_the_test_subjects_have_it_leaves_the_marks_of_files():
    plain = source(("S1", 5), ("S9", 5))
    stated = [replace(clip, split=split) for clip, split in zip(plain.sequences, ("train", "test"), strict=True)]
    one, other = (plan(found, settings()) for found in (plain, replace(plain, sequences=stated)))
    assert [file.fingerprint for file in one] == [file.fingerprint for file in other]


def test_the_mark_of_a_file_tells_its_content():
    (one,), (two,) = (plan(source(("S1", rows)), settings()) for rows in (5, 6))
    assert one.fingerprint != two.fingerprint
    assert plan(source(("S1", 5)), settings())[0].fingerprint == one.fingerprint


def test_nothing_to_do_is_an_error():
    with pytest.raises(InputError, match="no sequences found"):
        plan(source(), settings())


def test_a_sequence_that_is_there_twice_is_refused():
    twice = source(("S1", 5))
    with pytest.raises(InputError, match="S1 / Walking 0 / c1 is there twice"):
        plan(Source(twice.sequences * 2, 3, {}, {}), settings())
