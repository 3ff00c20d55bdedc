"""Making planned files: bad clips, long clips, and files that are there already."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pose_diffusion.config import PrepareConfig
from pose_diffusion.data import schema, shard_writer, shards
from pose_diffusion.data.plan import PlannedFile, plan
from pose_diffusion.data.sequence import LazySequence, PoseSequence, Source
from pose_diffusion.data.shard_writer import WriteResult
from pose_diffusion.errors import InputError, StorageError
from tests.data.poses import sequence


def clip(action: str, rows: int = 6, load=None) -> LazySequence:
    return LazySequence("S1", action, "c1", rows, load or partial(sequence, "S1", action, "c1", rows))


def broken(rows: int = 6) -> PoseSequence:
    one = sequence("S1", "Broken", "c1", rows)
    one.mixture[-1] = np.nan
    return one


def unreachable() -> PoseSequence:
    raise StorageError("s3://bucket/file: SlowDown")


def planned(*clips: LazySequence, rows_per_file: int = 100) -> list[PlannedFile]:
    return plan(Source(list(clips), 3, {}, {}), PrepareConfig(rows_per_file=rows_per_file))


def made_again(folder: Path, file: PlannedFile, known=None) -> WriteResult | None:
    return shard_writer.load_existing(str(folder), file.path, file.split, file.fingerprint, known)


def test_a_bad_clip_stops_the_work_and_leaves_no_file(tmp_path):
    with pytest.raises(InputError, match="S1 / Broken / camera c1: row 5, column 'mixture': a value is not finite"):
        shard_writer.write_files(str(tmp_path), planned(clip("Walking"), clip("Broken", load=broken)), skip=False)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_bad_clip_is_left_out_and_told_where_that_is_asked_for(tmp_path):
    files = planned(clip("Walking"), clip("Broken", load=broken), clip("Sitting"))
    (made,) = shard_writer.write_files(str(tmp_path), files, skip=True)
    assert [span.action for span in made.file.spans] == ["Walking", "Sitting"]
    assert len(made.skipped) == 1 and "Broken" in made.skipped[0]
    assert made_again(tmp_path, files[0]) == made


def test_a_file_of_bad_clips_alone_is_not_there(tmp_path):
    (made,) = shard_writer.write_files(str(tmp_path), planned(clip("Broken", load=broken)), skip=True)
    assert made.file is None and len(made.skipped) == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_all_parts_of_a_bad_clip_are_left_out_for_one_reason(tmp_path):
    files = planned(clip("Broken", 20, partial(broken, 20)), rows_per_file=10)
    made = shard_writer.write_files(str(tmp_path), files, skip=True)
    assert [one.file for one in made] == [None, None]
    assert sum(len(one.skipped) for one in made) == 1


def test_storage_that_does_not_answer_is_no_bad_clip(tmp_path):
    with pytest.raises(StorageError):
        shard_writer.write_files(str(tmp_path), planned(clip("Walking", load=unreachable)), skip=True)


def test_another_number_of_rows_than_announced_is_refused(tmp_path):
    with pytest.raises(InputError, match="6 rows, 7 were announced"):
        shard_writer.write_files(
            str(tmp_path), planned(clip("Walking", 7, partial(sequence, "S1", "Walking", "c1", 6))), skip=False
        )


def test_a_long_clip_is_read_once_and_its_parts_hold_all_of_it(tmp_path):
    loads = []

    def load() -> PoseSequence:
        loads.append(1)
        return sequence("S1", "Walking", "c1", 25)

    files = planned(clip("Walking", 25, load), rows_per_file=10)
    shard_writer.write_files(str(tmp_path), files, skip=False)
    tables = [shards.read(str(tmp_path / file.path)) for file in files]
    assert len(loads) == 1 and [len(table) for table in tables] == [8, 8, 9]
    whole = sequence("S1", "Walking", "c1", 25)
    for name in ("mixture", "pose_3d", "root_3d"):
        read = np.concatenate([schema.tensor_values(table[name]) for table in tables])
        np.testing.assert_array_equal(read, getattr(whole, name))


def test_what_readers_count_is_summed(tmp_path):
    def counted(action: str) -> PoseSequence:
        return dataclasses.replace(sequence("S1", action, "c1", 6), counts={"joints_flat": 2})

    files = planned(*(clip(action, load=partial(counted, action)) for action in ("Walking", "Sitting")))
    (made,) = shard_writer.write_files(str(tmp_path), files, skip=False)
    assert made.counts == {"joints_flat": 4}


def test_a_file_is_kept_by_its_mark(tmp_path):
    files = planned(clip("Walking"))
    (made,) = shard_writer.write_files(str(tmp_path), files, skip=False)
    assert made_again(tmp_path, files[0]) == made
    assert made_again(tmp_path, dataclasses.replace(files[0], fingerprint="another")) is None


@pytest.mark.parametrize("with_manifest", [True, False])
def test_a_file_with_a_changed_byte_is_not_kept(tmp_path, with_manifest):
    files = planned(clip("Walking", 50))
    (made,) = shard_writer.write_files(str(tmp_path), files, skip=False)
    path = tmp_path / files[0].path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert made_again(tmp_path, files[0], made.file if with_manifest else None) is None


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not a shard at all"])
def test_what_is_no_shard_is_not_kept(tmp_path, content):
    files = planned(clip("Walking"))
    shard_writer.write_files(str(tmp_path), files, skip=False)
    (tmp_path / files[0].path).write_bytes(content)
    assert made_again(tmp_path, files[0]) is None
