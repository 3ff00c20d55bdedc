import errno

import pytest

from pose_diffusion.errors import InputError, RunError, StorageError
from pose_diffusion.storage.retry import is_storage_full, retry


class Flaky:
    """Fails so many times, then answers 'done'."""

    def __init__(self, failures: int, error: Exception):
        self.failures, self.error, self.calls = failures, error, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return "done"


PASSING = [
    StorageError("s3://b/k: ReadTimeoutError"),
    OSError(errno.EREMOTEIO, "InternalError"),
    OSError(errno.EBUSY, "SlowDown"),
    TimeoutError("RequestTimeout"),
    ConnectionResetError(),
]
LASTING = [
    InputError("a.parquet: row 3"),
    RunError("not finite"),
    FileNotFoundError(errno.ENOENT, "no such file"),
    OSError(errno.ENOSPC, "No space left on device"),
    ValueError("a fault of the program"),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    waits: list[float] = []
    assert retry(Flaky(3, error), 5, waits.append) == "done"
    assert len(waits) == 3


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_what_lasts_is_raised_at_once(error: Exception) -> None:
    call, waits = Flaky(1, error), []
    with pytest.raises(type(error)):
        retry(call, 5, waits.append)
    assert call.calls == 1 and not waits


def test_the_last_failure_is_raised_after_all_tries() -> None:
    call = Flaky(100, StorageError("s3://b/k: no answer"))
    with pytest.raises(StorageError, match="no answer"):
        retry(call, 3, lambda seconds: None)
    assert call.calls == 4


def test_no_retries_is_one_try() -> None:
    call = Flaky(1, StorageError("no answer"))
    with pytest.raises(StorageError):
        retry(call, 0, lambda seconds: None)
    assert call.calls == 1


def test_waits_double_up_to_a_minute_and_are_scattered() -> None:
    waits: list[float] = []
    retry(Flaky(9, StorageError("no answer")), 9, waits.append)
    for wait, longest in zip(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60], strict=True):
        assert longest / 2 <= wait <= longest


@pytest.mark.parametrize("code, full", [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EROFS, True), (errno.EIO, False)])
def test_a_disk_is_full_or_not(code: int, full: bool) -> None:
    assert is_storage_full(OSError(code, "")) is full
