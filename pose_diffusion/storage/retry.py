"""Another try, after a growing wait, for what remote storage may grant later: error 500, 'slow down', expired credentials."""

from __future__ import annotations

import errno
import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from pose_diffusion.errors import InputError, StorageError

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_LONGEST_WAIT_S = 60.0
_PASSING = {errno.EAGAIN, errno.EBUSY, errno.EIO, errno.EREMOTEIO, errno.ESTALE, errno.ENETDOWN, errno.ENETUNREACH}
_LASTING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def retry(call: Callable[[], Result], retries: int, sleep: Callable[[float], object] = time.sleep) -> Result:
    """What the call returns, tried up to 1 + retries times while it fails for a reason that may pass.

    Waits 1, 2, 4, ... up to 60 s, each between half and the whole of it, so that many workers do not come back at once.
    """
    for attempt in range(retries):
        try:
            return call()
        except Exception as error:
            if not is_transient(error):
                raise
            wait = min(2.0**attempt, _LONGEST_WAIT_S)
            log.warning("%s; trying again", error)
            sleep(random.uniform(wait / 2, wait))
    return call()


def is_transient(error: Exception) -> bool:
    """Whether another try may succeed."""
    if isinstance(error, InputError):
        return isinstance(error, StorageError)
    return isinstance(error, TimeoutError | ConnectionError) or (isinstance(error, OSError) and error.errno in _PASSING)


def is_storage_full(error: BaseException) -> bool:
    """Whether nothing can be written any more: a full disk, a quota, a read-only file system."""
    return isinstance(error, OSError) and error.errno in _LASTING
