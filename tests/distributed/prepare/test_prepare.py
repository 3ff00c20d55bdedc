"""From a source to a shard folder: restarting, workers, what is left out, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from uploads import upload

from pose_diffusion import storage
from pose_diffusion.cli import VERBS, exit_code
from pose_diffusion.config import Config, loading
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data import shards
from pose_diffusion.distributed.prepare.driver import prepare
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import H36M_17


def settings(tmp_path, *overrides: str) -> Config:
    return loading.load(
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
    with pytest.raises(RuntimeError, match="killed"), storage.publish(lost) as half:
        half.write_bytes(b"half a file")
        left = half.with_name(half.name + "-of-a-killed-process")
        shutil.copy(half, left)
        raise RuntimeError("killed")
    assert prepare(settings(tmp_path)) == whole
    assert os.stat(kept).st_mtime_ns == before and not left.exists()


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


def test_a_broken_run_verifies_what_it_keeps_without_a_manifest(ray_session, tmp_path):
    whole = prepare(settings(tmp_path))
    os.remove(f"{tmp_path}/shards/{manifests.NAME}")
    damaged = tmp_path / "shards" / whole.files[1].path
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    assert prepare(settings(tmp_path)) == whole
    assert storage.sha256(str(damaged)) == whole.files[1].sha256


def table(folder: Path, **frames: int | None) -> Path:
    """A folder of CSV files, each a video of so many frames; None is one that is broken."""
    folder.mkdir()
    names = ",".join(f"{joint}_{axis}" for joint in H36M_17.joints for axis in "xy")
    for name, rows in frames.items():
        lines = [f"{n},{','.join(str(100 + n + joint) for joint in range(34))}" for n in range(rows or 1)]
        (folder / f"{name}.csv").write_text("\n".join([f"frame,{names}" if rows else "nonsense", *lines]))
    return folder


def test_auto_and_the_source_that_it_finds_make_the_same_shards_and_finish_each_other(ray_session, tmp_path, caplog):
    named = archive(tmp_path, table(tmp_path / "in", a=3, b=2))
    auto = loading.from_dict(named.model_dump() | {"prepare": named.prepare.model_dump() | {"source": "auto"}})
    with caplog.at_level("INFO"):
        found = prepare(auto)
    assert "a table of joints (a.csv: columns such as 'Hip_x'), read as prepare.source=table" in caplog.text
    assert "a table of joints, 17 joints (h36m17), no ids, people are followed; 5 people in 5 frames, 2 tracks" in caplog.text
    assert found.settings["source"] == "table"
    (tmp_path / "shards" / found.files[0].path).unlink()
    assert prepare(named) == found
    (tmp_path / "shards" / found.files[0].path).unlink()
    assert prepare(auto) == found


def archive(tmp_path, folder: Path, *overrides: str) -> Config:
    return loading.load(
        None,
        [
            "prepare.source=table",
            f"prepare.input={folder}",
            f"prepare.output={tmp_path}/shards",
            "table.image_size=[1000, 1000]",
            *overrides,
        ],
    )


def test_2d_archives_are_ready_to_be_lifted_without_a_word_on_splits(ray_session, tmp_path):
    assert prepare(archive(tmp_path, table(tmp_path / "in", a=5, b=7))).rows == {"test": 12}


def test_a_broken_file_ends_the_job_unless_it_may_be_left_out(ray_session, tmp_path):
    folder = table(tmp_path / "in", a=5, b=None, c=7)
    with pytest.raises(InputError, match=r"b\.csv"):
        prepare(archive(tmp_path, folder))
    manifest = prepare(archive(tmp_path, folder, "prepare.on_error=skip"))
    assert manifest.rows == {"test": 12}
    assert len(manifest.skipped) == 1 and "b.csv" in manifest.skipped[0]
    assert manifests.read(f"{tmp_path}/shards") == manifest


def test_files_that_tasks_read_give_the_same_shards_and_errors(ray_session, tmp_path):
    folder = table(tmp_path / "in", a=5, b=6, c=None, d=7)
    here = prepare(archive(tmp_path / "here", folder, "prepare.on_error=skip"))
    with pytest.raises(InputError, match=r"c\.csv: not a table"):
        prepare(archive(tmp_path / "there", folder), local_seconds=0)  # the first file is read here in any case
    there = prepare(archive(tmp_path / "there", folder, "prepare.on_error=skip"), local_seconds=0)
    assert (there.files, there.skipped, there.source) == (here.files, here.skipped, here.source)


def test_what_tasks_warn_of_is_said_here(ray_session, tmp_path, caplog):
    (tmp_path / "in").mkdir()
    for name in "ab":
        people = [{"pose_keypoints_2d": [100.0 + n for n in range(75)]}]
        for frame, found in enumerate((people, [])):
            content = json.dumps({"people": found})
            (tmp_path / "in" / f"{name}_{frame}_keypoints.json").write_text(content)
    keys = ["prepare.source=openpose", f"prepare.input={tmp_path}/in", f"prepare.output={tmp_path}/out"]
    prepare(loading.load(None, [*keys, "openpose.image_size=[1000,1000]"]), local_seconds=0)
    said = [record.getMessage() for record in caplog.records if "without a person" in record.getMessage()]
    assert [line.split("/")[-1] for line in said] == [
        f"{name}: 1 frames without a person, the first is frame 1" for name in "ab"
    ]


def test_files_of_an_earlier_plan_are_removed(ray_session, tmp_path):
    folder = table(tmp_path / "in", a=5, b=5, c=5)
    prepare(archive(tmp_path, folder, "prepare.rows_per_file=5"))
    os.remove(folder / "c.csv")
    assert prepare(archive(tmp_path, folder, "prepare.rows_per_file=5")).rows == {"test": 10}
    assert manifests.read(f"{tmp_path}/shards").rows == {"test": 10}


def write_human36m(folder: Path, broken: str = "") -> Path:
    """Two actions in the layout of VideoPose3D's files; one may have 2D that only shows to be broken when it is loaded."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    actions = ("Walking", "Sitting")
    world = {action: rng.normal(0, 0.5, (30, 32, 3)).astype(np.float32) for action in actions}
    seen = {action: [rng.uniform(300, 700, (30, 17, 2)).astype(np.float32) for _ in range(4)] for action in actions}
    if broken:
        seen[broken][1][7] = np.nan
    np.savez(folder / "poses.npz", positions_3d={"S1": world})
    np.savez(folder / "points.npz", positions_2d={"S1": seen})
    return folder


def human36m(tmp_path, folder: Path | str, *overrides: str) -> list[str]:
    return [
        "prepare.source=human36m",
        f"prepare.input={folder}",
        f"prepare.output={tmp_path}/shards",
        "human36m.poses=poses.npz",
        "human36m.detections=points.npz",
        "prepare.rows_per_file=60",
        *overrides,
    ]


def test_a_sequence_that_breaks_when_it_is_loaded_is_left_out_and_stays_so(ray_session, tmp_path):
    keys = human36m(tmp_path, write_human36m(tmp_path / "in", broken="Sitting"), "prepare.on_error=skip")
    manifest = prepare(loading.load(None, keys))
    assert manifest.rows == {"train": 210}
    assert len(manifest.skipped) == 1 and "Sitting" in manifest.skipped[0] and "frame 7" in manifest.skipped[0]
    assert prepare(loading.load(None, keys)) == manifest
    with pytest.raises(InputError, match=r"Sitting.*frame 7"):
        prepare(loading.load(None, [*keys, "prepare.on_error=fail"]))


def test_the_exit_code_says_that_something_was_left_out(ray_session, tmp_path):
    folder = write_human36m(tmp_path / "in", broken="Sitting")
    assert exit_code(VERBS["prepare"], human36m(tmp_path, folder, "prepare.on_error=skip")) == 1
    assert exit_code(VERBS["prepare"], human36m(tmp_path / "whole", write_human36m(tmp_path / "good"))) == 0


def test_input_is_read_from_s3_as_from_a_folder(ray_session, s3_bucket, tmp_path):
    folder = write_human36m(tmp_path / "in")
    upload(folder, f"{s3_bucket}/in")
    local = prepare(loading.load(None, human36m(tmp_path, folder)))
    remote = prepare(loading.load(None, human36m(tmp_path / "s3", f"{s3_bucket}/in")))
    assert [file.sha256 for file in remote.files] == [file.sha256 for file in local.files]


def test_detectors_are_merged(ray_session, tmp_path):
    one, two = (table(tmp_path / name, a=5, b=7) for name in ("hrnet", "cpn"))
    manifest = prepare(archive(tmp_path, one, f"prepare.ensemble=[{two}]"))
    assert manifest.kernels == 2 and manifest.rows == {"test": 12}


def test_detectors_of_other_frames_are_refused(ray_session, tmp_path):
    one, two = table(tmp_path / "hrnet", a=5), table(tmp_path / "cpn", a=6)
    with pytest.raises(InputError, match=r"cpn: .* has 6 frames, but 5 in .*hrnet"):
        prepare(archive(tmp_path, one, f"prepare.ensemble=[{two}]"))


def test_as_many_workers_as_you_like_write_the_same_files(tmp_path, shared, repository):
    subprocess.run([sys.executable, shared / "mocap17" / "expand.py", tmp_path / "in", "--every", "64"], check=True)
    manifests_json = []
    for cpus in (1, 2):
        output = tmp_path / f"cpus{cpus}"
        command = [sys.executable, "jobs/prepare.py", "prepare.source=human36m", f"prepare.input={tmp_path}/in"]
        command += [f"prepare.output={output}", "prepare.rows_per_file=1000", f"ray.num_cpus={cpus}"]
        environment = {**os.environ, "HOME": str(tmp_path)}
        environment.pop("RAY_ADDRESS", None)
        subprocess.run(command, check=True, cwd=repository, env=environment, capture_output=True)
        manifests_json.append(json.loads((output / manifests.NAME).read_text()))
    assert manifests_json[0] == manifests_json[1]
    hashes = [{file["path"]: storage.sha256(f"{tmp_path}/cpus{cpus}/{file['path']}") for file in manifests_json[0]["files"]}
              for cpus in (1, 2)]  # fmt: skip
    assert hashes[0] == hashes[1] and len(hashes[0]) > 2


def test_gpus_that_are_not_there_are_refused(ray_session, tmp_path):
    np.save(tmp_path / "clip.npy", np.ones((2, 17, 32, 24), np.float32))
    given = ["prepare.source=heatmaps", f"prepare.input={tmp_path / 'clip.npy'}", f"prepare.output={tmp_path / 'out'}"]
    with pytest.raises(InputError, match=r"key 'heatmaps\.gpus': no machines for 1 worker of 1 CPU and 64 GPUs"):
        prepare(loading.load(None, [*given, "heatmaps.layout=h36m17", "heatmaps.stride=4", "heatmaps.gpus=64"]))


def test_an_output_is_asked_for():
    with pytest.raises(InputError, match=r"key 'prepare\.output'"):
        prepare(Config())
