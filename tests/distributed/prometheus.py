"""What Prometheus would read from the nodes of this Ray."""

from __future__ import annotations

import re
import time
import urllib.request

import ray


def exported(run: str, names: set[str], seconds: float = 60) -> dict[str, float]:
    """The metrics of a run, each the largest over its series; waits until all names are there, as nodes gather every 10 s."""
    end = time.monotonic() + seconds
    while not names <= (found := _read(run)).keys():
        assert time.monotonic() < end, f"waited in vain for {names - found.keys()}"
        time.sleep(0.5)
    return found


def _read(run: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for node in ray.nodes():
        url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
        with urllib.request.urlopen(url, timeout=30) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith("ray_pose_diffusion_") and f'run="{run}"' in line:
                    name = re.match(r"\w+", line)[0]
                    found[name] = max(float(line.rsplit(" ", 1)[1]), found.get(name, 0.0))
    return found
