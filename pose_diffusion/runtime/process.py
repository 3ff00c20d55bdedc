"""What a process that runs the networks needs of its machine: threads, a GPU's arithmetic, and memory that it keeps.

glibc hands large blocks back to the system as soon as they are free, and a network pass frees hundreds: the page faults of
taking them again cost a sixth of a float32 pass on a CPU. So freed memory stays with the process, up to its largest use.
"""

from __future__ import annotations

import ctypes
import sys

import torch

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h


def configure_runtime(threads: int, tf32: bool = False) -> None:
    """Takes so many threads for torch's operations, and keeps freed memory (on Linux with glibc; elsewhere nothing).

    tf32: whether a GPU multiplies float32 matrices as TensorFloat-32, which keeps 10 bits of a factor's 23.
    """
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = tf32
    if torch.cuda.is_available():  # these switch off a CPU's fused attention too
        # Of a GPU's fused attentions the memory-efficient one is the fastest for few joints (docs/experiments/gpu-speed.md).
        torch.backends.cuda.enable_cudnn_sdp(False)
        torch.backends.cuda.enable_flash_sdp(False)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, 1 << 25)  # the largest that glibc takes: blocks below come from the heap
        mallopt(_M_TRIM_THRESHOLD, 1 << 30)
        mallopt(_M_TOP_PAD, 1 << 26)
