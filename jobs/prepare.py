"""Turns a data set, a 2D archive or synthetic motion into GMM pose shards."""

from pose_diffusion.config import Config
from pose_diffusion.distributed.job import run_job
from pose_diffusion.distributed.prepare import prepare

SECTIONS = ("prepare", "synthetic", "human36m", "ray")


def main(config: Config) -> None:
    prepare(config)


if __name__ == "__main__":
    run_job(main, __doc__, SECTIONS)
