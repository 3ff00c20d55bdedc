"""The whole path in a few minutes on synthetic motion: shards, a small model, lifted test poses and the table of errors."""

from pose_diffusion.cli import run_job

if __name__ == "__main__":
    run_job("quickstart")
