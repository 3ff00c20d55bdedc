"""Lifting an archive: what is published, going on after an end, and what does not change the poses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from uploads import upload

from pose_diffusion import storage
from pose_diffusion.data import predictions
from pose_diffusion.data.schema import tensor_values
from pose_diffusion.distributed.infer.driver import infer
from pose_diffusion.errors import InputError, RunError
from tests.data.poses import sequence, write_folder
from tests.distributed.archives import hashes, keys, settings, write_archive, write_bundle
from tests.distributed.prometheus import exported

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    write_archive(folder)
    return folder


@pytest.fixture(scope="module")
def lifted(bundle: str, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """Output folder and report of an undisturbed run with three hypotheses."""
    output = tmp_path_factory.mktemp("lifted")
    return output, infer(settings(bundle, archive, output, "infer.hypotheses=3"))


def test_every_shard_has_a_prediction_file_of_its_name(archive: Path, lifted: tuple[Path, dict]) -> None:
    assert set(hashes(lifted[0])) == set(storage.list_files(str(archive), ".parquet"))


def test_no_pose_is_missing_or_twice(lifted: tuple[Path, dict]) -> None:
    assert keys(lifted[0]) == sorted(("S9", f"Walking {i}", "c1", frame) for i in range(4) for frame in range(30))


def test_the_report_counts_every_pose(lifted: tuple[Path, dict]) -> None:
    report = json.loads((lifted[0] / "report.json").read_text())
    assert report["counts"] == {"files": 4, "poses": 120, "poses_with_truth": 120, "skipped": 0}
    assert report["methods"] == ["lifter", "diffusion", "mean", "oracle"]
    assert report["oracle"] == "oracle"


def test_prometheus_sees_how_many_poses_were_lifted(lifted: tuple[Path, dict]) -> None:
    name = "ray_pose_diffusion_lifted_poses_total"
    assert exported(str(lifted[0]), {name}, {name: 120})[name] == 120


def test_running_again_makes_nothing_anew(bundle: str, archive: Path, lifted: tuple[Path, dict]) -> None:
    output, report = lifted
    times = {path: path.stat().st_mtime_ns for path in (output / "predictions").rglob("*.parquet")}
    again = infer(settings(bundle, archive, output, "infer.hypotheses=3"))
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert again["headline"]["mean"]["frame_mean"] == pytest.approx(report["headline"]["mean"]["frame_mean"], abs=1e-9)


def test_what_is_missing_broken_or_of_another_run_is_made_again(
    bundle: str, archive: Path, lifted: tuple[Path, dict], tmp_path: Path
) -> None:
    shutil.copytree(lifted[0], tmp_path / "out")
    missing, truncated, foreign = sorted((tmp_path / "out" / "predictions").rglob("*.parquet"))[:3]
    missing.unlink()
    truncated.write_bytes(truncated.read_bytes()[:-50])
    predictions.write(str(foreign), predictions.read(str(foreign)), {"pose_diffusion.run": "another"})
    infer(settings(bundle, archive, tmp_path / "out", "infer.hypotheses=3"))
    assert hashes(tmp_path / "out") == hashes(lifted[0])


def test_workers_and_batch_do_not_change_the_poses(
    bundle: str, archive: Path, lifted: tuple[Path, dict], tmp_path: Path
) -> None:
    other = infer(settings(bundle, archive, tmp_path, "infer.hypotheses=3", "infer.workers=2", "infer.batch=7"))
    for name in hashes(tmp_path):
        one, two = (predictions.read(str(Path(folder) / "predictions" / name)) for folder in (lifted[0], tmp_path))
        for column in ("pose_3d", "spread_mm", "mean_joint_mm", "oracle_joint_mm"):
            np.testing.assert_allclose(tensor_values(one[column]), tensor_values(two[column]), atol=1e-3, rtol=1e-5)
    assert_same_figures(other, lifted[1])


def test_workers_and_threads_that_nobody_names_are_those_of_the_machine(
    bundle: str, archive: Path, lifted: tuple[Path, dict], tmp_path: Path
) -> None:
    infer(settings(bundle, archive, tmp_path, "infer.hypotheses=3", "infer.threads=0", "infer.workers=0"))
    assert hashes(tmp_path) == hashes(lifted[0])
    throughput = json.loads((tmp_path / "report.json").read_text())["throughput"]
    assert (throughput["workers"], throughput["threads"]) == (2, 1)  # one on each of the two CPUs of the tests' Ray


def test_the_size_of_the_shards_does_not_change_the_figures(
    bundle: str, archive: Path, lifted: tuple[Path, dict], tmp_path: Path
) -> None:
    whole = [sequence("S9", f"Walking {i}", rows=30) for i in range(4)]
    write_folder(tmp_path / "archive", {"split=test/part-00000.parquet": whole})
    assert_same_figures(infer(settings(bundle, tmp_path / "archive", tmp_path / "out", "infer.hypotheses=3")), lifted[1])


def assert_same_figures(one: dict, other: dict) -> None:
    """Every error, rate, coverage and risk of two reports, to 1e-6 of their size."""
    found, expected = dict(figures_in(one)), dict(figures_in(other))
    assert len(expected) > 400
    assert found == pytest.approx(expected, rel=1e-6)


def figures_in(value: object, name: str = "") -> Iterator[tuple[str, float]]:
    """Name and value of each figure in a part of a report; counts by bins aside, whose edges are no figures."""
    if isinstance(value, dict):
        for key in value.keys() - {"settings", "throughput", "counts", "edges_mm", "regions"}:
            yield from figures_in(value[key], f"{name}.{key}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from figures_in(part, f"{name}.{number}")
    elif isinstance(value, float):
        yield name, value


def test_another_model_is_refused_in_the_same_folder(
    bundle: str, archive: Path, lifted: tuple[Path, dict], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="holds the results of another run"):
        infer(settings(write_bundle(tmp_path, seed=1), archive, lifted[0], "infer.hypotheses=3"))


@pytest.mark.parametrize("key", ["infer.hypotheses=2", "infer.flips=false", "infer.seed=1", "data.actions=[Walking]"])
def test_other_settings_are_refused_in_the_same_folder(bundle: str, archive: Path, lifted: tuple[Path, dict], key: str) -> None:
    with pytest.raises(InputError, match="holds the results of another run"):
        infer(settings(bundle, archive, lifted[0], "infer.hypotheses=3", key))


def test_another_archive_is_refused_in_the_same_folder(bundle: str, lifted: tuple[Path, dict], tmp_path: Path) -> None:
    write_archive(tmp_path, rows=31)
    with pytest.raises(InputError, match="holds the results of another run"):
        infer(settings(bundle, tmp_path, lifted[0], "infer.hypotheses=3"))


def test_from_and_to_s3_gives_the_same_files(bundle: str, archive: Path, lifted: tuple[Path, dict], s3_bucket: str) -> None:
    upload(archive, f"{s3_bucket}/archive")
    infer(settings(bundle, f"{s3_bucket}/archive", f"{s3_bucket}/out", "infer.hypotheses=3"))
    for name in hashes(lifted[0]):
        assert storage.sha256(f"{s3_bucket}/out/predictions/{name}") == hashes(lifted[0])[name]


@pytest.mark.parametrize("key", ["input", "output"])
def test_a_folder_that_is_not_given_is_named(bundle: str, archive: Path, tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match=f"key 'infer.{key}'"):
        infer(settings(bundle, archive, tmp_path, f"infer.{key}="))


def test_a_split_that_is_not_there_is_named(bundle: str, archive: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rows in split 'train'"):
        infer(settings(bundle, archive, tmp_path, "infer.split=train"))


def test_an_output_that_cannot_be_written_is_named(bundle: str, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/out.*a part of the path is a file"):
        infer(settings(bundle, archive, tmp_path / "file" / "out"))


def test_more_than_the_machine_has_is_refused(bundle: str, archive: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"key 'infer\.threads': no machines for 1 worker of 1000 CPUs"):
        infer(settings(bundle, archive, tmp_path / "out", "infer.threads=1000", "infer.device=cpu"))


def test_reprojection_without_cameras_is_refused(bundle: str, archive: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"key 'infer\.aggregate': weighted reprojects, and .* no camera for 'S9/c1'"):
        infer(settings(bundle, archive, tmp_path, "infer.hypotheses=3", "infer.aggregate=weighted"))


@pytest.mark.parametrize("more", [(), ("infer.eta=0.5", "infer.diffusion=false")])
def test_hypotheses_of_one_kernel_are_refused(bundle: str, tmp_path: Path, more: tuple[str, ...]) -> None:
    write_folder(tmp_path / "archive", {"split=test/part-00000.parquet": [sequence("S9", kernels=1)]})
    with pytest.raises(InputError, match=r"key 'infer\.hypotheses'"):
        infer(settings(bundle, tmp_path / "archive", tmp_path / "out", "infer.hypotheses=3", *more))


def test_an_archive_of_bad_shards_alone_fails(bundle: str, tmp_path: Path) -> None:
    write_archive(tmp_path / "archive", files=1)
    (tmp_path / "archive" / "split=test" / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunError, match="every shard was skipped"):
        infer(settings(bundle, tmp_path / "archive", tmp_path / "out", "infer.on_bad_shard=skip"))
