"""Lifts GMM pose shards to 3D with a model bundle, and reports how good the poses are; again, it does what is missing."""

from pose_diffusion.config import Config
from pose_diffusion.distributed.job import run_job

SECTIONS = ("infer", "data", "ray")


def main(config: Config) -> None:
    from pose_diffusion.distributed.infer import infer
    from pose_diffusion.report.table import table

    print(table(infer(config)))
    print(f"report and pictures: {config.infer.output}")


if __name__ == "__main__":
    run_job(main, __doc__, SECTIONS)
