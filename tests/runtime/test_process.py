"""A process settled for the networks: its threads, and no page faults once it has had its memory."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from pose_diffusion.runtime.process import configure_runtime

PROGRAM = """
import resource, torch
from pose_diffusion.runtime.process import configure_runtime
configure_runtime(1)

def use():
    return [torch.ones(1 << 18) for _ in range(32)]  # 1 MiB each
for _ in range(3):
    use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use()
print(torch.get_num_threads(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.parametrize("tf32", [True, False])
def test_a_gpu_multiplies_as_it_is_told(tf32: bool):
    before = torch.backends.cuda.matmul.allow_tf32
    try:
        configure_runtime(torch.get_num_threads(), tf32)
        assert torch.backends.cuda.matmul.allow_tf32 == tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


@pytest.mark.skipif(sys.platform != "linux", reason="tells glibc what to keep")
def test_freed_memory_is_used_again():
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    threads, faults = map(int, ended.stdout.split())
    assert threads == 1
    assert faults < 256  # of 10 x 32 x 256 pages
