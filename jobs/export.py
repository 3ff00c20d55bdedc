"""Writes predictions for other programs: .bvh for Blender, or VideoPose3D's .npz."""

from pose_diffusion.config import Config
from pose_diffusion.distributed.job import run_job

SECTIONS = ("export",)


def main(config: Config) -> None:
    from pose_diffusion.export import export

    paths = export(config.export)
    print(f"{len(paths)} file{'s' if len(paths) > 1 else ''}, the first: {paths[0]}")


if __name__ == "__main__":
    run_job(main, __doc__, SECTIONS)
