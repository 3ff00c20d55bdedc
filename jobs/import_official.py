"""Turns a pair of published checkpoints (.pth) into a model bundle.

python jobs/import_official.py official.lifter=lifter.pth official.denoiser=diffusion.pth official.output=models/published
"""

from pose_diffusion.config import Config
from pose_diffusion.distributed.job import run_job


def main(config: Config) -> None:
    from pose_diffusion.official import import_official

    model = import_official(config.official, config.model, config.diffusion)
    print(f"{config.official.output}: bundle of width {model.width}, {model.layers} layers")


if __name__ == "__main__":
    run_job(main, __doc__, ("official", "model", "diffusion"))
