"""The jobs, unchanged, through `ray job submit` on a head and two more nodes, with everything on S3; nodes that are lost."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from uploads import upload

from pose_diffusion import storage
from pose_diffusion.config import loading
from pose_diffusion.data import manifest as manifests
from pose_diffusion.distributed.infer.driver import infer
from pose_diffusion.distributed.prepare.driver import prepare
from pose_diffusion.distributed.train.driver import train
from pose_diffusion.distributed.tune.driver import tune
from pose_diffusion.inference.bundle import load_bundle
from pose_diffusion.report.table import table
from tests.distributed.archives import write_archive, write_bundle
from tests.distributed.raylets import Raylets, raylets
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

CONFIG = ("--config", "configs/quickstart.yaml")


def settings(base: str, *more: str) -> list[str]:
    """The quickstart, smaller and with one worker, below a folder of another place."""
    return [
        f"prepare.output={base}/shards",
        "prepare.rows_per_file=500",
        "synthetic.frames=20",
        f"data.shards={base}/shards",
        "model.width=8",
        "model.heads=2",
        f"train.output={base}/run",
        "train.workers=1",
        "train.threads=1",
        "train.lifter_epochs=4",
        "train.denoiser_epochs=2",
        f"infer.bundle={base}/run/model",
        f"infer.input={base}/shards",
        f"infer.output={base}/lifted",
        "infer.workers=1",
        "infer.threads=1",
        "infer.batch=256",
        *more,
    ]


@pytest.fixture(scope="module")
def cluster(s3_endpoint: str) -> Iterator[Raylets]:
    with raylets(
        nodes=2, environment={name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    ) as started:
        yield started


@pytest.fixture
def submitted(cluster: Raylets, repository: Path):
    """Submits a job of the repository with these arguments; with wait=False it goes on by itself."""

    def submit(name: str, job: str, *arguments: str, wait: bool = True):
        return cluster.submit(name, "python", f"jobs/{job}.py", *arguments, folder=repository, wait=wait)

    return submit


def history(base: str) -> list[dict]:
    path = f"{base}/run/metrics.jsonl"
    return [json.loads(line) for line in storage.read_bytes(path).splitlines()] if storage.exists(path) else []


def test_submitted_jobs_give_the_table_of_a_local_run(
    cluster: Raylets, submitted, ray_session: None, repository: Path, s3_bucket: str, tmp_path: Path
) -> None:
    local = loading.load(str(repository / CONFIG[1]), settings(str(tmp_path)))
    prepare(local)
    train(local)
    expected = table(infer(local))

    for job in ("prepare", "train", "infer"):
        assert submitted(job, job, *CONFIG, *settings(s3_bucket)).returncode == 0, cluster.logs(job)
        print(cluster.logs(job))
    assert manifests.read(f"{s3_bucket}/shards").files == manifests.read(f"{tmp_path}/shards").files
    assert load_bundle(f"{s3_bucket}/run/model").content_hash == load_bundle(f"{tmp_path}/run/model").content_hash
    assert expected in cluster.logs("infer")


def test_a_submitted_search_comes_to_the_trials_of_a_local_one(
    cluster: Raylets, submitted, ray_session: None, repository: Path, s3_bucket: str, tmp_path: Path
) -> None:
    def search(base: str) -> list[str]:
        space = "tune.space={diffusion.schedule: {grid: [linear, cosine]}}"
        return settings(base, f"tune.output={base}/tune", space, "train.lifter_epochs=1", "train.denoiser_epochs=1")

    def trials(base: str) -> list[tuple]:
        rows = pq.read_table(io.BytesIO(storage.read_bytes(f"{base}/tune/trials.parquet"))).to_pylist()
        return [(row["diffusion.schedule"], row["status"], row["mpjpe"]) for row in rows]

    local = loading.load(str(repository / CONFIG[1]), search(str(tmp_path)))
    prepare(local)
    tune(local)
    upload(tmp_path / "shards", f"{s3_bucket}/shards")
    assert submitted("tune", "tune", *CONFIG, *search(s3_bucket)).returncode == 0, cluster.logs("tune")
    print(cluster.logs("tune"))
    assert trials(s3_bucket) == trials(str(tmp_path))
    assert {status for _, status, _ in trials(s3_bucket)} == {"finished"}
    best = loading.load(f"{s3_bucket}/tune/best.yaml")
    assert best.diffusion.schedule == min(trials(s3_bucket), key=lambda trial: trial[2])[0]


def test_a_stopped_job_says_so_last_and_goes_on_when_it_is_submitted_again(cluster: Raylets, submitted, s3_bucket: str) -> None:
    arguments = [*CONFIG, *settings(s3_bucket, "train.lifter_epochs=20", "train.denoiser_epochs=1")]
    assert submitted("stop-prepare", "prepare", *arguments).returncode == 0
    submitted("stop-1", "train", *arguments, wait=False)
    wait_for(lambda: len(history(s3_bucket)) >= 2, "two epochs")
    cluster.ray("job", "stop", "stop-1")
    assert cluster.logs("stop-1").splitlines()[-1] == "stopped: run the same command again to go on"
    assert "Traceback" not in cluster.logs("stop-1")
    done = len(history(s3_bucket))
    assert done < 21
    assert submitted("stop-2", "train", *arguments).returncode == 0
    assert "going on from stage" in cluster.logs("stop-2")
    assert [entry["epoch"] for entry in history(s3_bucket)] == [*range(20), 0]


def test_bad_input_is_one_line_and_its_exit_code_is_in_the_status(cluster: Raylets, submitted, s3_bucket: str) -> None:
    done = submitted("bad", "train", *CONFIG, *settings("s3://no-such-bucket"))
    assert done.returncode == 1  # Ray's own, whatever the job's
    assert "exit code 2" in cluster.status("bad")
    assert cluster.logs("bad") == "error: key 'data.shards': s3://no-such-bucket/shards: no such bucket 'no-such-bucket'"


def test_what_is_uploaded_is_small(cluster: Raylets, repository: Path) -> None:
    listing = (
        "import os; files = [os.path.join(folder, name) for folder, _, names in os.walk('.') for name in names];"
        "print(sum(os.path.getsize(name) for name in files if '__pycache__' not in name))"
    )
    cluster.submit("size", "python", "-c", listing, folder=repository)
    assert int(cluster.logs("size").splitlines()[-1]) < 2_000_000


def test_a_node_lost_in_mid_train_costs_no_epoch(cluster: Raylets, submitted, s3_bucket: str) -> None:
    arguments = [*CONFIG, *settings(s3_bucket, "train.workers=2", "train.lifter_epochs=12", "train.denoiser_epochs=3")]
    assert submitted("lost-prepare", "prepare", *arguments).returncode == 0
    submitted("lost-train", "train", *arguments, wait=False)
    wait_for(lambda: len(history(s3_bucket)) >= 2, "two epochs")
    cluster.kill_node(cluster.node_with("RayTrainWorker"))
    assert "succeeded" not in cluster.status("lost-train")
    cluster.add_node()
    wait_for(lambda: "RUNNING" not in cluster.status("lost-train"), "the end of the training", 600)
    print(cluster.logs("lost-train"))
    assert "succeeded" in cluster.status("lost-train")
    assert [entry["epoch"] for entry in history(s3_bucket)] == [*range(12), *range(3)]
    assert load_bundle(f"{s3_bucket}/run/model").denoiser is not None


@pytest.mark.parametrize("replaced", [True, False], ids=["replaced", "not replaced"])
def test_a_node_lost_in_mid_infer_costs_no_pose(
    cluster: Raylets, submitted, ray_session: None, s3_bucket: str, tmp_path: Path, replaced: bool
) -> None:
    write_bundle(tmp_path / "bundle")
    write_archive(tmp_path / "archive", files=40, rows=2000)

    def run(base: str, output: str) -> list[str]:
        return [f"infer.bundle={base}/bundle", f"infer.input={base}/archive", f"infer.output={output}", "infer.threads=1"]

    undisturbed = infer(loading.load(None, run(str(tmp_path), f"{tmp_path}/lifted")))
    for name in ("bundle", "archive"):
        upload(tmp_path / name, f"{s3_bucket}/{name}")
    name = "lost-infer" if replaced else "gone-infer"
    submitted(name, "infer", *run(s3_bucket, f"{s3_bucket}/lifted"), wait=False)
    wait_for(lambda: len(storage.list_files(f"{s3_bucket}/lifted/predictions")) >= 4, "four shards")
    cluster.kill_node(cluster.node_with("ShardLifter"))
    assert len(storage.list_files(f"{s3_bucket}/lifted/predictions")) < 40
    if replaced:
        cluster.add_node()
    wait_for(lambda: "RUNNING" not in cluster.status(name), "the end of lifting", 600)
    print(cluster.logs(name))
    assert "succeeded" in cluster.status(name)
    found = {
        path: storage.sha256(f"{s3_bucket}/lifted/{path}") for path in storage.list_files(f"{s3_bucket}/lifted", ".parquet")
    }
    local = storage.list_files(f"{tmp_path}/lifted", ".parquet")
    assert found == {path: storage.sha256(f"{tmp_path}/lifted/{path}") for path in local}
    assert json.loads(storage.read_bytes(f"{s3_bucket}/lifted/report.json"))["counts"] == undisturbed["counts"]
