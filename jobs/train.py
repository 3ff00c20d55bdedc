"""Trains the lifter and the denoiser, or the video model, on GMM pose shards; the same command again resumes a run."""

from pose_diffusion.cli import run_job

if __name__ == "__main__":
    run_job("train")
