"""What a job cannot reach is said before it begins: buckets, keys, endpoints, and outputs that Ray would delete."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3fs import S3FileSystem

from pose_diffusion import storage
from pose_diffusion.cli import Verb, exit_code
from pose_diffusion.config import loading
from pose_diffusion.distributed.cluster.preflight import preflight
from pose_diffusion.errors import InputError
from tests.s3.faults import FaultyS3


def look(*overrides: str) -> None:
    preflight(loading.load(None, overrides), ("infer", "prepare"))


def test_places_that_can_be_reached_pass_and_are_left_as_they_are(s3_bucket: str) -> None:
    look(f"infer.bundle={s3_bucket}/model", f"infer.input={s3_bucket}/absent", f"infer.output={s3_bucket}/out")
    assert storage.list_files(s3_bucket) == []


@pytest.mark.parametrize("key", ["infer.bundle", "infer.input", "infer.output"])
def test_a_missing_bucket_is_named_with_its_key(s3_endpoint: str, key: str) -> None:
    with pytest.raises(InputError, match=rf"key '{key}': s3://no-such-bucket/a: no such bucket 'no-such-bucket'"):
        look(f"{key}=s3://no-such-bucket/a")


def test_each_place_of_a_list_is_looked_at(s3_endpoint: str) -> None:
    with pytest.raises(InputError, match=r"key 'prepare.ensemble': s3://no-such-bucket/b"):
        look("prepare.ensemble=[/tmp/a, s3://no-such-bucket/b]")


@pytest.fixture
def strict(s3_proxy: FaultyS3, s3_bucket: str) -> Iterator[str]:
    """A bucket of a server that knows no keys, for the test."""
    _authenticate(s3_proxy, b"0")
    yield s3_bucket
    _authenticate(s3_proxy, b"inf")


def _authenticate(proxy: FaultyS3, after: bytes) -> None:
    request = urllib.request.Request(f"{proxy.upstream}/moto-api/reset-auth", after, {"Content-Type": "text/plain"})
    urllib.request.urlopen(request).close()


@pytest.fixture
def new_client(s3_endpoint: str) -> Iterator[None]:
    """Clients take the endpoint when they are made, and are kept for the process."""
    S3FileSystem.clear_instance_cache()
    yield
    S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize("key", ["infer.input", "infer.output"])
def test_a_wrong_access_key_is_told(strict: str, key: str) -> None:
    with pytest.raises(InputError, match=rf"key '{key}': {strict}/a: access refused \(The AWS Access Key Id you provided"):
        look(f"{key}={strict}/a")


def test_a_server_that_is_not_there_is_told(new_client: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # botocore's own retries would only take time
    with pytest.raises(InputError, match=r"key 'infer.input': s3://bucket-a/x: .*Could not connect"):
        look("infer.input=s3://bucket-a/x")


def test_an_address_without_a_scheme_is_told(new_client: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:9000")
    with pytest.raises(InputError, match=r"s3://bucket-a/x: Invalid endpoint: 127.0.0.1:9000"):
        look("infer.input=s3://bucket-a/x")


def test_a_job_exits_with_2_before_it_does_anything(s3_endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    def main(config: object) -> None:
        raise AssertionError("began")

    assert exit_code(Verb(main, ("train",)), ["train.output=s3://no-such-bucket/run"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_output_in_the_working_directory_of_a_submitted_job_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    look("infer.output=runs/lifted")
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    with pytest.raises(InputError, match=r"key 'infer.output': runs/lifted would be in the job's working directory"):
        look("infer.output=runs/lifted")
    look(f"infer.output={os.sep}elsewhere/lifted", "infer.input=data/shards")
