"""Lifting an archive while things break: bad shards, killed workers and drivers, storage that refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from uploads import upload

from pose_diffusion import storage
from pose_diffusion.data import manifest as manifests
from pose_diffusion.data import schema, shards
from pose_diffusion.distributed.infer.driver import infer
from pose_diffusion.distributed.infer.shard_lifter import ShardLifter
from pose_diffusion.errors import InputError, RunError
from tests.data.poses import rewrite, with_mixture
from tests.distributed.archives import hashes, keys, settings, write_archive, write_bundle
from tests.distributed.broken import Deadly
from tests.distributed.infer.video_archives import predicted, write_long_sequence, write_video_bundle
from tests.distributed.refusing import REFUSALS, Proxy
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_bundle(tmp_path_factory.mktemp("bundle"))


# Bad shards


def changed(change: Callable[[np.ndarray], None]) -> Callable[[Path], None]:
    """Changes the mixtures of a file, leaving a valid Parquet file."""
    return lambda path: rewrite(path, with_mixture(change))


def set_nan(mixture: np.ndarray) -> None:
    mixture[3, 2, 1, 1] = np.nan


def set_negative_sigma(mixture: np.ndarray) -> None:
    mixture[0, 0, 0, 3] = -1


def move(mixture: np.ndarray) -> None:
    mixture[0, 0, 0, 1] += 0.25


def with_one_kernel(path: Path) -> None:
    def cut(table: pa.Table) -> pa.Table:
        mixture = schema.tensor_values(table["mixture"])[:, :, :1].copy()
        mixture[..., 0] = 1
        columns = {name: table[name] for name in table.column_names}
        columns["mixture"] = schema.tensor_column(mixture, len(mixture), mixture.shape[1:])
        return pa.table(columns).replace_schema_metadata(table.schema.metadata)

    rewrite(path, cut)


def of_another_version(path: Path) -> None:
    rewrite(path, lambda t: t.replace_schema_metadata({**t.schema.metadata, b"pose_diffusion.version": b"9"}))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


POISONS: dict[int, tuple[Callable[[Path], object], str]] = {
    3: (truncate, "cannot be read as Parquet"),
    40: (changed(set_nan), "row 3, column 'mixture': a value is not finite"),
    77: (changed(set_negative_sigma), "row 0, column 'mixture': a sigma is negative"),
    101: (with_one_kernel, "column 'mixture' has K = 1, expected 3"),
    102: (of_another_version, "shard schema version 9, expected 1"),
    150: (Path.unlink, "no such file"),
    199: (changed(move), "its SHA-256 is not the manifest's"),
}


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 shards, 7 of them bad in different ways."""
    folder = tmp_path_factory.mktemp("poisoned")
    write_archive(folder, files=200, rows=5)
    for number, (poison, _) in POISONS.items():
        poison(folder / "split=test" / f"part-{number:05d}.parquet")
    return folder


@pytest.mark.usefixtures("ray_session")
def test_of_200_shards_7_bad_ones_are_named_and_193_lifted(bundle: str, poisoned: Path, tmp_path: Path) -> None:
    report = infer(settings(bundle, poisoned, tmp_path, "infer.on_bad_shard=skip"))
    assert len(hashes(tmp_path)) == 193
    assert report["counts"] == {"files": 193, "poses": 193 * 5, "poses_with_truth": 193 * 5, "skipped": 7}
    for skipped, (number, (_, reason)) in zip(report["skipped"], sorted(POISONS.items()), strict=True):
        assert skipped["path"] == f"split=test/part-{number:05d}.parquet"
        assert skipped["path"] in skipped["reason"] and reason in skipped["reason"]


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize(
    "poison, reason",
    [
        (truncate, "manifest.json says"),
        (Path.unlink, "listed in manifest.json but missing"),
    ],
)
def test_a_bad_shard_ends_a_run_that_is_not_to_skip(
    bundle: str, tmp_path: Path, poison: Callable[[Path], object], reason: str
) -> None:
    write_archive(tmp_path / "archive", files=2, rows=5)
    poison(tmp_path / "archive" / "split=test" / "part-00001.parquet")
    with pytest.raises(InputError) as error:
        infer(settings(bundle, tmp_path / "archive", tmp_path / "out"))
    assert "part-00001.parquet" in str(error.value) and reason in str(error.value)


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize(
    "poison, reason",
    [
        (of_another_version, "schema version 9, expected 1"),
        (changed(set_nan), "row 3, column 'mixture': a value is not finite"),
    ],
)
def test_bad_content_that_the_manifest_agrees_with_ends_it_too(
    bundle: str, tmp_path: Path, poison: Callable[[Path], object], reason: str
) -> None:
    folder, path = str(tmp_path / "archive"), "split=test/part-00000.parquet"
    manifest = write_archive(folder, files=1, rows=5)
    spans = manifest.files[0].spans
    poison(tmp_path / "archive" / path)
    manifests.write(folder, manifest.model_copy(update={"files": [shards.describe(folder, path, "test", spans)]}))
    with pytest.raises(InputError) as error:
        infer(settings(bundle, folder, tmp_path / "out"))
    assert path in str(error.value) and reason in str(error.value)


# Lost work


@pytest.fixture(scope="module")
def slow_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough poses that a run can be met on its way."""
    folder = tmp_path_factory.mktemp("slow")
    write_archive(folder, files=16, rows=400)
    return folder


def actors(kind: type[ShardLifter]) -> AbstractContextManager:
    """For a block, actors are of this kind."""
    return mock.patch("pose_diffusion.distributed.infer.driver.ShardLifter", kind)


@pytest.fixture(scope="module")
def nine(bundle: str, ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An archive of nine shards and the output of an undisturbed run."""
    archive, output = tmp_path_factory.mktemp("nine"), tmp_path_factory.mktemp("undisturbed")
    write_archive(archive, files=9)
    infer(settings(bundle, archive, output))
    return archive, output


@pytest.fixture(scope="module")
def video_bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_video_bundle(tmp_path_factory.mktemp("video"))


def test_a_killed_actor_costs_the_video_family_nothing(video_bundle: str, ray_session: None, tmp_path: Path) -> None:
    """Its clips reach into the files beside the one over which the actor dies."""
    write_long_sequence(tmp_path / "archive", files=7, rows=15)
    write_long_sequence(tmp_path / "whole", files=1, rows=105)
    with actors(Deadly):
        infer(settings(video_bundle, tmp_path / "archive", tmp_path / "out"))
    assert (tmp_path / "out.died").exists()
    assert len(hashes(tmp_path / "out")) == 7
    assert keys(tmp_path / "out") == [("S9", "Walking", "c1", frame) for frame in range(105)]
    infer(settings(video_bundle, tmp_path / "whole", tmp_path / "expected"))
    np.testing.assert_allclose(predicted(tmp_path / "out"), predicted(tmp_path / "expected"), atol=1e-5)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_killed_actor_costs_nothing(bundle: str, nine: tuple[Path, Path], tmp_path: Path, workers: int) -> None:
    archive, undisturbed = nine
    with actors(Deadly):
        infer(settings(bundle, archive, tmp_path / "out", f"infer.workers={workers}"))
    assert (tmp_path / "out.died").exists()
    assert hashes(tmp_path / "out") == hashes(undisturbed)
    assert keys(tmp_path / "out") == keys(undisturbed)


def test_a_shard_that_kills_every_actor_is_lost_and_named(bundle: str, nine: tuple[Path, Path], tmp_path: Path) -> None:
    archive, undisturbed = nine
    (tmp_path / "out.always").touch()
    run = settings(bundle, archive, tmp_path / "out", "infer.shards_in_flight=1")
    with actors(Deadly), pytest.raises(RunError, match="1 of 9 shards were not lifted"):
        infer(run)
    lost = json.loads((tmp_path / "out" / "lost.json").read_text())
    assert [row["path"] for row in lost] == ["split=test/part-00005.parquet"]
    assert "its worker died 4 times" in lost[0]["reason"]
    assert len(hashes(tmp_path / "out")) == 8
    infer(run)
    assert hashes(tmp_path / "out") == hashes(undisturbed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with room for a thousand predictions."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = mount("size=1m", folder)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount(options: str, folder: Path) -> subprocess.CompletedProcess:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize(
    "rows, reason",
    [
        (500, r"of 3 shards were not lifted .*No space left on device"),
        pytest.param(
            250, r"every shard is lifted, but the report cannot be written: .*No space left on device", marks=pytest.mark.slow
        ),
    ],
)
def test_a_disk_that_fills_up_ends_the_run_and_the_next_one_goes_on(
    bundle: str, tmp_path: Path, small_disk: Path, rows: int, reason: str
) -> None:
    write_archive(tmp_path / "archive", files=3, rows=rows)
    run = settings(bundle, tmp_path / "archive", small_disk / "out")
    with pytest.raises(RunError, match=reason):
        infer(run)
    assert not (small_disk / "out" / "report.json").exists()
    assert mount("remount,size=16m", small_disk).returncode == 0
    infer(run)
    assert keys(small_disk / "out") == sorted(("S9", f"Walking {i}", "c1", frame) for i in range(3) for frame in range(rows))
    assert not (small_disk / "out" / "lost.json").exists()


# Driver and node


def start(*arguments: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )


def job(bundle: str, archive: Path | str, output: Path | str, *overrides: str) -> subprocess.Popen:
    return start(
        "jobs/infer.py",
        f"infer.bundle={bundle}",
        f"infer.input={archive}",
        f"infer.output={output}",
        "infer.threads=1",
        "ray.num_cpus=2",
        *overrides,
    )


@pytest.fixture(scope="module")
def undisturbed(bundle: str, slow_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    process = job(bundle, slow_archive, folder)
    assert process.wait(300) == 0, process.stdout.read()
    return folder


@pytest.fixture(scope="module")
def undisturbed_video(video_bundle: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    """Bundle, archive and output of a run of the video family, one sequence in 16 files."""
    folder = tmp_path_factory.mktemp("video")
    write_long_sequence(folder / "archive", files=16, rows=1000)
    process = job(video_bundle, folder / "archive", folder / "out")
    assert process.wait(300) == 0, process.stdout.read()
    return video_bundle, folder / "archive", folder / "out"


@pytest.fixture
def whole(request: pytest.FixtureRequest) -> tuple[str, Path, Path]:
    """Bundle, archive and output of an undisturbed run of the family that the test asks for."""
    if request.param == "video":
        return request.getfixturevalue("undisturbed_video")
    return tuple(request.getfixturevalue(name) for name in ("bundle", "slow_archive", "undisturbed"))  # type: ignore[return-value]


@pytest.mark.slow
@pytest.mark.parametrize("whole", ["published", "video"], indirect=True)
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_driver_leaves_a_run_that_goes_on(whole: tuple[str, Path, Path], tmp_path: Path, sign: signal.Signals) -> None:
    bundle, slow_archive, undisturbed = whole
    process = job(bundle, slow_archive, tmp_path / "out")
    wait_for(lambda: len(hashes(tmp_path / "out")) >= 2, "two shards")
    process.send_signal(sign)
    code = process.wait(120)
    output = process.stdout.read()
    assert code == (-signal.SIGKILL if sign == signal.SIGKILL else 1), output
    assert sign == signal.SIGKILL or "Traceback" not in output
    assert 2 <= len(hashes(tmp_path / "out")) < 16
    assert not (tmp_path / "out" / "report.json").exists()
    again = job(bundle, slow_archive, tmp_path / "out")
    assert again.wait(300) == 0, again.stdout.read()
    assert hashes(tmp_path / "out") == hashes(undisturbed)
    assert keys(tmp_path / "out") == keys(undisturbed)
    assert not list((tmp_path / "out").rglob(".publishing*"))


NODE = """
import sys, threading, time
from pathlib import Path
from pose_diffusion import distributed
import ray
from ray.cluster_utils import Cluster
from pose_diffusion.distributed.infer.driver import infer
from tests.distributed.archives import settings, hashes

bundle, archive, output = sys.argv[1:]
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
second = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
failed = []

def run():
    try:
        infer(settings(bundle, archive, output, "infer.workers=2"))
    except BaseException as error:
        failed.append(error)

thread = threading.Thread(target=run)
thread.start()
while len(hashes(output)) < 2 and thread.is_alive():
    time.sleep(0.05)
assert thread.is_alive(), "the run ended before the node did"
cluster.remove_node(second, allow_graceful=False)
thread.join()
ray.shutdown()
cluster.shutdown()
if failed:
    raise failed[0]
"""


@pytest.mark.slow
@pytest.mark.parametrize("whole", ["published", "video"], indirect=True)
def test_a_lost_node_costs_nothing(whole: tuple[str, Path, Path], tmp_path: Path) -> None:
    bundle, slow_archive, undisturbed = whole
    process = start(
        "-c", NODE, bundle, str(slow_archive), str(tmp_path / "out"),
        RAY_health_check_period_ms="1000", RAY_health_check_failure_threshold="3", RAY_AUTH_MODE="disabled",
    )  # fmt: skip
    assert process.wait(400) == 0, process.stdout.read()
    assert hashes(tmp_path / "out") == hashes(undisturbed)
    assert keys(tmp_path / "out") == keys(undisturbed)
    assert not list((tmp_path / "out").rglob(".publishing*"))


# Credentials that expire


def published(output: str) -> list[str]:
    return storage.list_files(f"{output}/predictions", ".parquet")


@pytest.fixture
def remote_archive(slow_archive: Path, s3_bucket: str, proxy: Proxy) -> str:
    upload(slow_archive, f"{s3_bucket}/archive")
    return f"{s3_bucket}/archive"


@pytest.mark.slow
def test_credentials_that_expire_in_mid_run_end_it_with_a_list_and_the_next_run_goes_on(
    bundle: str, remote_archive: str, undisturbed: Path, s3_bucket: str, proxy: Proxy
) -> None:
    output = f"{s3_bucket}/out"
    process = job(bundle, remote_archive, output, "infer.retries=1")
    wait_for(lambda: len(published(output)) >= 2, "two shards")
    proxy.refuse("PUT", 1000, *REFUSALS["expired token"])
    assert process.wait(300) == 1
    said = process.stdout.read()
    proxy.refuse("PUT", 0, 0, "")
    lost = json.loads(storage.read_bytes(f"{output}/lost.json"))
    assert "shards were not lifted" in said and "Traceback" not in said
    assert {row["path"] for row in lost} | set(published(output)) == set(hashes(undisturbed))
    again = job(bundle, remote_archive, output)
    assert again.wait(300) == 0, again.stdout.read()
    assert {name: storage.sha256(f"{output}/predictions/{name}") for name in published(output)} == hashes(undisturbed)
