"""The whole path in a few minutes on synthetic motion: shards, a small model, lifted test poses and the table of errors."""

import logging

from pose_diffusion import storage
from pose_diffusion.config import Config
from pose_diffusion.distributed.job import ray_cluster, run_job

SECTIONS = ("prepare", "synthetic", "data", "model", "diffusion", "train", "infer", "ray")

log = logging.getLogger("pose_diffusion")


def main(config: Config) -> None:
    from pose_diffusion.distributed.infer import infer
    from pose_diffusion.distributed.prepare import prepare
    from pose_diffusion.distributed.train import train
    from pose_diffusion.report.table import table

    with ray_cluster(config, dashboard=True):
        log.info("1 of 3: synthetic motion -> GMM pose shards in %s", config.prepare.output)
        prepare(config)
        log.info("2 of 3: training the lifter, then the denoiser, in %s", config.train.output)
        train(config)
        log.info("3 of 3: lifting the test subjects, which training never saw, into %s", config.infer.output)
        print(table(infer(config)))
    log.info("report: %s", storage.join(config.infer.output, "report.html"))
    log.info("pictures of the worst, median and best poses: %s", storage.join(config.infer.output, "poses.png"))
    log.info("training curves: tensorboard --logdir %s", config.train.output)


if __name__ == "__main__":
    run_job(main, __doc__, SECTIONS)
