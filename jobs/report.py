"""Builds the report again from predictions alone: report.json, report.html, poses.png and the table on the console."""

from pose_diffusion.cli import run_job

if __name__ == "__main__":
    run_job("report")
