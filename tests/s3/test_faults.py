"""S3 on a bad day: requests refused, forgotten, cut off, stalled. Files stay what they are."""

from __future__ import annotations

import hashlib
import pickle
import threading

import numpy as np

from pose_diffusion import storage
from tests.s3.faults import FAULTS, FaultyS3


def test_files_survive_a_bad_day(s3_proxy: FaultyS3, s3_bucket: str) -> None:
    contents = {f"{number:02d}": np.random.default_rng(number).bytes(1 + 19_999 * number) for number in range(8)}
    with s3_proxy.bad_day(0.3, stall_s=0.3):
        for name, content in contents.items():
            storage.publish_bytes(f"{s3_bucket}/a/{name}", content)
        assert storage.list_sizes(f"{s3_bucket}/a") == {name: len(content) for name, content in contents.items()}
        for name, content in contents.items():
            assert storage.read_bytes(f"{s3_bucket}/a/{name}") == content
            assert storage.read_range(f"{s3_bucket}/a/{name}", 0, 100) == content[:100]
            assert storage.sha256(f"{s3_bucket}/a/{name}") == hashlib.sha256(content).hexdigest()
        storage.remove_file(f"{s3_bucket}/a/00")
        assert "00" not in storage.list_files(f"{s3_bucket}/a")
    assert set(s3_proxy.faults) == set(FAULTS)


def test_a_server_that_is_down_for_a_while_is_waited_for(s3_proxy: FaultyS3, s3_bucket: str) -> None:
    with s3_proxy.bad_day(1, kinds=("refuse", "reset")):
        threading.Timer(2, s3_proxy.heal).start()
        storage.publish_bytes(f"{s3_bucket}/file", b"content")
    assert storage.read_bytes(f"{s3_bucket}/file") == b"content"


def test_arrow_reads_on_a_bad_day(s3_proxy: FaultyS3, s3_bucket: str) -> None:
    content = np.random.default_rng(0).bytes(200_000)
    storage.publish_bytes(f"{s3_bucket}/file", content)
    filesystem, inner = storage.arrow_filesystem(f"{s3_bucket}/file")
    filesystem = pickle.loads(pickle.dumps(filesystem))  # as Ray's workers get it
    with s3_proxy.bad_day(0.3, stall_s=0.3):
        for _ in range(10):
            with filesystem.open_input_file(inner) as file:
                assert file.read() == content
    assert s3_proxy.faults.total() > 0
