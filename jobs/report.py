"""Builds the report again from predictions alone: report.json, report.html, poses.png and the table on the console."""

from pose_diffusion import storage
from pose_diffusion.config import Config
from pose_diffusion.distributed.job import run_job

SECTIONS = ("report", "ray")


def main(config: Config) -> None:
    from pose_diffusion.distributed.report import report
    from pose_diffusion.report.build import PAGE

    print(report(config).table)
    print(f"report: {storage.join(config.report.output or config.report.input, PAGE)}")


if __name__ == "__main__":
    run_job(main, __doc__, SECTIONS)
