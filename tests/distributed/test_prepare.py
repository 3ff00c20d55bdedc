"""From a source to a shard folder: the plan, restarting, and what is refused."""

from __future__ import annotations

import os
from functools import partial

import pytest

from pose_diffusion import config_file, storage
from pose_diffusion.config import Config
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data import shards
from pose_diffusion.data.sequence import Clip, Source
from pose_diffusion.distributed.prepare import plan, prepare
from pose_diffusion.errors import InputError
from tests.data.poses import sequence


def source(*clips: tuple[str, int]) -> Source:
    """A source of one clip for each (subject, rows)."""
    made = [
        Clip(subject, f"Walking {n}", "c1", rows, partial(sequence, subject, f"Walking {n}", rows=rows))
        for n, (subject, rows) in enumerate(clips)
    ]
    return Source(made, kernels=3, cameras={}, description={"converter": "test"})


def layout(files) -> list[tuple[str, list[tuple[str, int, int]]]]:
    return [(f.path, [(p.clip.action, p.start, p.stop) for p in f.pieces]) for f in files]


def settings(tmp_path, *overrides: str) -> Config:
    return config_file.load(
        None,
        [
            f"prepare.output={tmp_path}/shards",
            "prepare.rows_per_file=60",
            "synthetic.frames=30",
            "synthetic.actions=[Walking]",
            "synthetic.subjects=[S1, S9]",
            *overrides,
        ],
    )


def test_clips_fill_files_in_order_and_none_is_cut_that_fits():
    config = config_file.load(None, ["prepare.rows_per_file=10"])
    files = plan(source(("S1", 6), ("S9", 4), ("S5", 6), ("S5", 4)), config)
    assert layout(files) == [
        ("split=train/part-00000.parquet", [("Walking 0", 0, 6)]),
        ("split=train/part-00001.parquet", [("Walking 2", 0, 6), ("Walking 3", 0, 4)]),
        ("split=test/part-00000.parquet", [("Walking 1", 0, 4)]),
    ]


def test_a_clip_longer_than_a_file_is_cut():
    config = config_file.load(None, ["prepare.rows_per_file=10"])
    files = plan(source(("S1", 3), ("S1", 25), ("S1", 2)), config)
    assert [[(p.start, p.stop) for p in file.pieces] for file in files] == [[(0, 3)], [(0, 10)], [(10, 20)], [(20, 25), (0, 2)]]
    assert sum(file.rows for file in files) == 30


def test_the_mark_of_a_file_tells_its_content():
    config = config_file.load(None, ["prepare.rows_per_file=10"])
    (one,), (two,) = (plan(source(("S1", rows)), config) for rows in (5, 6))
    assert one.mark != two.mark
    assert plan(source(("S1", 5)), config)[0].mark == one.mark


def test_synthetic_motion_becomes_a_complete_folder(ray_session, tmp_path):
    manifest = prepare(settings(tmp_path))
    assert manifest.rows == {"train": 120, "test": 120}
    folder = f"{tmp_path}/shards"
    assert manifests.read(folder) == manifest
    for file in manifest.files:
        assert len(shards.read(f"{folder}/{file.path}", kernels=5, require_3d=True)) == file.rows


def test_the_same_seed_gives_the_same_files_and_another_seed_others(ray_session, tmp_path):
    hashes = [
        [file.sha256 for file in prepare(settings(tmp_path / name, f"prepare.seed={seed}")).files]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert hashes[0] == hashes[1]
    assert not set(hashes[0]) & set(hashes[2])


def test_a_broken_run_goes_on_and_keeps_what_is_done(ray_session, tmp_path):
    whole = prepare(settings(tmp_path))
    folder = f"{tmp_path}/shards"
    kept, lost = (f"{folder}/{whole.files[n].path}" for n in (0, 1))
    os.remove(f"{folder}/{manifests.NAME}")
    os.remove(lost)
    before = os.stat(kept).st_mtime_ns
    assert prepare(settings(tmp_path)) == whole
    assert os.stat(kept).st_mtime_ns == before


def test_a_file_that_was_changed_is_made_again(ray_session, tmp_path):
    whole = prepare(settings(tmp_path))
    damaged = tmp_path / "shards" / whole.files[0].path
    content = bytearray(damaged.read_bytes())
    content[100] ^= 1
    damaged.write_bytes(content)
    assert prepare(settings(tmp_path)) == whole
    assert storage.sha256(str(damaged)) == whole.files[0].sha256


def test_shards_are_written_to_s3_as_to_a_folder(ray_session, s3_bucket, tmp_path):
    local = prepare(settings(tmp_path))
    remote = prepare(settings(tmp_path, f"prepare.output={s3_bucket}/shards"))
    assert [file.sha256 for file in remote.files] == [file.sha256 for file in local.files]
    assert manifests.read(f"{s3_bucket}/shards") == remote


def test_another_run_in_the_same_folder_is_refused(ray_session, tmp_path):
    prepare(settings(tmp_path))
    with pytest.raises(InputError, match=r"another run \(prepare.seed: there 0, now 5\)"):
        prepare(settings(tmp_path, "prepare.seed=5"))


def test_an_output_is_asked_for():
    with pytest.raises(InputError, match=r"key 'prepare\.output'"):
        prepare(Config())
