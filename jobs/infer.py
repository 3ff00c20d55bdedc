"""Lifts GMM pose shards to 3D with a model bundle, and reports how good the poses are; again, it does what is missing."""

from pose_diffusion.cli import run_job

if __name__ == "__main__":
    run_job("infer")
