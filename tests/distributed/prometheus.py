"""What Prometheus would read from the nodes of this Ray."""

from __future__ import annotations

import re
import time
import urllib.request

import ray


def exported(run: str, names: set[str], totals: dict[str, float], seconds: float = 60) -> dict[str, float]:
    """The metrics of a run: counters summed over the workers, of gauges the largest.

    Waits until all names are there and the counters have reached their totals, as each worker tells its node by itself.
    """
    end = time.monotonic() + seconds
    while True:
        found = _read(run)
        if names <= found.keys() and all(found.get(name, 0) >= total for name, total in totals.items()):
            return found
        assert time.monotonic() < end, f"waited in vain for {names - found.keys()} or {totals}: {found}"
        time.sleep(0.5)


def _read(run: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for node in ray.nodes():
        url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
        with urllib.request.urlopen(url, timeout=30) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith("ray_pose_diffusion_") and f'run="{run}"' in line:
                    name = re.match(r"\w+", line)[0]
                    value, before = float(line.rsplit(" ", 1)[1]), found.get(name, 0.0)
                    found[name] = before + value if name.endswith("_total") else max(before, value)
    return found
