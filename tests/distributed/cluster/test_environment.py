"""What this package sets in Ray's environment, in a process of its own, since Ray reads it once."""

import os
import subprocess
import sys

import pytest

_SHOW = "import pose_diffusion.distributed, os; print(os.environ.get('RAY_AUTH_MODE'))"


@pytest.mark.parametrize(
    ("imports", "environment", "mode"),
    [("", {}, "token"), ("import ray; ", {}, "None"), ("", {"RAY_ADDRESS": "127.0.0.1:6379"}, "None"),
     ("", {"RAY_AUTH_MODE": "disabled"}, "disabled")],
    ids=["a job", "a program that has Ray already", "a cluster", "one who chose"],
)  # fmt: skip
def test_a_cluster_started_for_a_job_has_a_token_unless_ray_was_there_before(
    imports: str, environment: dict[str, str], mode: str
) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("RAY_AUTH_MODE", "RAY_ADDRESS")}
    made = subprocess.run([sys.executable, "-c", imports + _SHOW], capture_output=True, text=True, env=kept | environment)
    assert made.stdout.strip() == mode, made.stderr
