"""Writes predictions for other programs: .bvh for Blender, or VideoPose3D's .npz."""

from pose_diffusion.cli import run_job

if __name__ == "__main__":
    run_job("export")
