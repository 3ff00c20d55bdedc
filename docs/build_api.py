"""Builds the API reference in docs/api from the docstrings of all modules, by pdoc (`make docs`)."""

from __future__ import annotations

import pkgutil
import warnings
from pathlib import Path

import pdoc

import pose_diffusion


def main() -> None:
    warnings.filterwarnings("ignore", "Error parsing type annotation")  # of named tuples, whose annotations are strings
    for name in pose_diffusion.__all__:  # they are imported when first used, which pdoc does not see
        setattr(pose_diffusion, name, getattr(pose_diffusion, name))
    names = sorted(module.name for module in pkgutil.iter_modules(pose_diffusion.__path__, "pose_diffusion."))
    pdoc.render.configure(show_source=False, footer_text="pose-diffusion")
    pdoc.pdoc("pose_diffusion", *names, output_directory=Path(__file__).parent / "api")


if __name__ == "__main__":
    main()
