"""`python -m benchmarks section.key=value ...`: measures this machine, or sets two earlier runs side by side."""

from __future__ import annotations

import sys

from benchmarks.config import BenchmarkConfig
from pose_diffusion.cli import Verb, run, show


def main(config: BenchmarkConfig) -> None:
    """Measures reading, networks, jobs and scaling on this machine in one table; bench.compare sets two runs side by side."""
    from benchmarks import results
    from benchmarks.run import bench

    if config.bench.compare:
        first, second = (results.read(path) for path in config.bench.compare)
        show(results.compare(first, second))
    else:
        show(results.render(bench(config)))


SECTIONS = ("bench", "model", "diffusion", "train", "infer", "data", "ray")

if __name__ == "__main__":
    run(Verb(main, SECTIONS, BenchmarkConfig), sys.argv[1:], "python -m benchmarks")
