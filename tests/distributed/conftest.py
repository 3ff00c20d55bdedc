"""Fixtures of the tests that start Ray."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import s3fs

from tests.distributed.refusing import Proxy


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
