"""Turns a data set, a 2D archive or synthetic motion into GMM pose shards; again, it makes the files that are missing."""

from pose_diffusion.cli import run_job

if __name__ == "__main__":
    run_job("prepare")
