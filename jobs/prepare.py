"""Turns a data set, a 2D archive or synthetic motion into GMM pose shards; again, it makes the files that are missing.

Exit code 0: all done. 1: complete but for what prepare.on_error=skip left out, or stopped. 2: bad input or configuration.
"""

from typing import get_args

from pose_diffusion.config import Config, SourceName
from pose_diffusion.distributed.job import run_job

SECTIONS = ("prepare", *get_args(SourceName), "ray")


def main(config: Config) -> int:
    from pose_diffusion.distributed.prepare import prepare

    return 1 if prepare(config).skipped else 0


if __name__ == "__main__":
    run_job(main, __doc__, SECTIONS)
