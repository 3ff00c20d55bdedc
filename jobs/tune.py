"""Searches settings of training, or of sampling alone, on held-out training subjects; the same command again goes on."""

from pose_diffusion.cli import run_job

if __name__ == "__main__":
    run_job("tune")
