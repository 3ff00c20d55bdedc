"""The S3 path against a real server, OpenStack Swift from Debian's packages (see `swift`), undisturbed and on a bad day."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from s3fs import S3FileSystem
from uploads import upload

from pose_diffusion import storage
from pose_diffusion.config import loading
from pose_diffusion.distributed.cluster.preflight import preflight
from pose_diffusion.errors import InputError
from tests.distributed.archives import hashes, write_bundle
from tests.s3 import swift
from tests.s3.faults import FaultyS3, faulty

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not swift.installed(), reason="OpenStack Swift is not installed (tests/s3/swift.py says how)"),
]

REPOSITORY = Path(__file__).resolve().parents[2]


def client() -> Any:
    return boto3.Session().client("s3")  # the default session keeps the keys of earlier tests


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyS3]:
    """Swift behind a proxy, with the AWS variables for it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        swift.swift(Path(folder)) as url,
        faulty(url) as proxy,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", swift.ACCESS_KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", swift.SECRET_KEY)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        S3FileSystem.clear_instance_cache()  # clients take the endpoint when they are made
        client().create_bucket(Bucket="poses")
        yield proxy
        S3FileSystem.clear_instance_cache()


@pytest.fixture
def folder(server: FaultyS3, request: pytest.FixtureRequest) -> str:
    name = re.sub(r"\W+", "-", request.node.name)
    return f"s3://poses/{name}"


def test_what_is_published_is_read_back_whole_and_in_parts(folder: str) -> None:
    content = np.random.default_rng(0).bytes(300_000)
    storage.publish_bytes(f"{folder}/a b/ü.bin", b"earlier")
    storage.publish_bytes(f"{folder}/a b/ü.bin", content)
    assert storage.list_sizes(folder) == {"a b/ü.bin": 300_000}
    assert storage.read_bytes(f"{folder}/a b/ü.bin") == content
    assert storage.read_range(f"{folder}/a b/ü.bin", 1000, 1100) == content[1000:1100]
    filesystem, inner = storage.arrow_filesystem(f"{folder}/a b/ü.bin")
    with filesystem.open_input_file(inner) as file:
        file.seek(299_000)
        assert file.read() == content[299_000:]
    storage.remove_file(f"{folder}/a b/ü.bin")
    assert storage.list_files(folder) == [] and not storage.exists(f"{folder}/a b/ü.bin")


def test_a_large_file_goes_up_in_parts(folder: str, tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(130_000_000)
    storage.publish_bytes(f"{folder}/large", content)
    assert "-" in client().head_object(Bucket="poses", Key=f"{folder}/large".removeprefix("s3://poses/"))["ETag"]
    assert storage.read_bytes(f"{folder}/large") == content


def test_a_listing_of_more_than_a_page_is_whole(folder: str) -> None:
    names = [f"part-{number:05d}" for number in range(1_050)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: storage.publish_bytes(f"{folder}/{name}", b"x"), names))
    assert storage.list_files(folder) == names


def test_wrong_keys_and_missing_buckets_are_told(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(path: str) -> None:
        preflight(loading.load(None, [f"infer.output={path}"]), ("infer",))

    look(folder)
    with pytest.raises(InputError, match="no such bucket 'absent'"):
        look("s3://absent/a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    S3FileSystem.clear_instance_cache()
    with pytest.raises(InputError, match=f"{folder}: access refused"):
        look(folder)
    S3FileSystem.clear_instance_cache()


def job(name: str, *arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, str(REPOSITORY / "jobs" / f"{name}.py"), "ray.num_cpus=2", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("share", [0, 0.1], ids=["undisturbed", "on a bad day"])
def test_prepare_and_infer_give_what_they_give_on_a_disk(server: FaultyS3, folder: str, tmp_path: Path, share: float) -> None:
    write_bundle(tmp_path / "bundle")
    upload(tmp_path / "bundle", f"{folder}/bundle")
    with server.bad_day(share, stall_s=1):
        for base in (str(tmp_path), folder):
            synthetic = ["prepare.rows_per_file=200", "synthetic.frames=50", "synthetic.subjects=[S1, S9]"]
            job("prepare", f"prepare.output={base}/shards", *synthetic)
            places = [f"infer.{key}={base}/{name}" for key, name in (("bundle", "bundle"), ("input", "shards"))]
            job("infer", *places, f"infer.output={base}/lifted", "infer.threads=1")
    assert bool(server.faults) is bool(share)
    found = storage.list_files(f"{folder}/lifted/predictions")
    assert {name: storage.sha256(f"{folder}/lifted/predictions/{name}") for name in found} == hashes(tmp_path / "lifted")
