"""Searches settings of training, or of sampling alone, on held-out training subjects; the same command again goes on."""

from pose_diffusion import storage
from pose_diffusion.config import Config
from pose_diffusion.distributed.job import run_job, show

SECTIONS = ("tune", "data", "model", "diffusion", "train", "infer", "ray")


def main(config: Config) -> None:
    from pose_diffusion.distributed.tune import tune
    from pose_diffusion.tuning.console import render

    search = tune(config)
    show(render(search))
    print(f"train the best: python jobs/train.py --config {storage.join(config.tune.output, 'best.yaml')}")
    print(f"curves of all trials: tensorboard --logdir {storage.join(config.tune.output, 'trials')}")


if __name__ == "__main__":
    run_job(main, __doc__, SECTIONS)
