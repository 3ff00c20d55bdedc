"""Measures reading, networks, jobs and scaling on this machine in one table; bench.compare sets two runs side by side."""

from rich.console import Console

from pose_diffusion.bench import results
from pose_diffusion.config import Config
from pose_diffusion.distributed.bench import bench
from pose_diffusion.distributed.job import run_job

SECTIONS = ("bench", "model", "diffusion", "train", "infer", "data", "ray")


def main(config: Config) -> None:
    if config.bench.compare:
        first, second = (results.read(path) for path in config.bench.compare)
        _console().print(results.compare(first, second))
    else:
        _console().print(results.render(bench(config)))


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=160)  # in a file a table needs no folded lines


if __name__ == "__main__":
    run_job(main, __doc__, SECTIONS)
