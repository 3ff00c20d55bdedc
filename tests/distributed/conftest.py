"""One small Ray for all tests of distributed/, with a home of its own so that no token of the user's is met."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs

from pose_diffusion.config import Config, RayConfig
from pose_diffusion.distributed.job import ray_cluster
from tests.distributed.refusing import Proxy


@pytest.fixture(scope="session")
def ray_session(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> Iterator[None]:
    """Ray on two CPUs for the session, started as the jobs start it. The S3 variables are set before, so workers see them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("RAY_ADDRESS", raising=False)
        with ray_cluster(Config(ray=RayConfig(num_cpus=2)), dashboard=True):
            yield


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parents[2]


@pytest.fixture
def proxy(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    server = Proxy(s3_endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # botocore's own retries would hide ours
    s3fs.S3FileSystem.clear_instance_cache()  # they keep the endpoint they were made with
    yield server
    server.shutdown()
    s3fs.S3FileSystem.clear_instance_cache()
