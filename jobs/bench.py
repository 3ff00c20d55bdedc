"""Measures reading, networks, jobs and scaling on this machine in one table; bench.compare sets two runs side by side."""

from pose_diffusion.config import Config
from pose_diffusion.distributed.job import run_job, show

SECTIONS = ("bench", "model", "diffusion", "train", "infer", "data", "ray")


def main(config: Config) -> None:
    from pose_diffusion.bench import results
    from pose_diffusion.distributed.bench import bench

    if config.bench.compare:
        first, second = (results.read(path) for path in config.bench.compare)
        show(results.compare(first, second))
    else:
        show(results.render(bench(config)))


if __name__ == "__main__":
    run_job(main, __doc__, SECTIONS)
