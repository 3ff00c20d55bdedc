"""Lifts one file or folder of keypoints to 3D on this machine, without Ray; see `pose-diffusion lift --help`."""

from pose_diffusion.cli import run_job

if __name__ == "__main__":
    run_job("lift")
