"""Turns a pair of published checkpoints (.pth) into a model bundle."""

from pose_diffusion.cli import run_job

if __name__ == "__main__":
    run_job("import_official")
