"""Trains the lifter and the denoiser on GMM pose shards; the same command again resumes a run."""

from pose_diffusion.config import Config
from pose_diffusion.distributed.job import run_job

SECTIONS = ("data", "model", "diffusion", "train", "ray")


def main(config: Config) -> None:
    from pose_diffusion.distributed.train import train

    train(config)


if __name__ == "__main__":
    run_job(main, __doc__, SECTIONS)
