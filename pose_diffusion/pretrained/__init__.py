"""The model that comes with the package: a bundle folder beside this file, which '' stands for wherever a bundle is named.

A node of a cluster finds it in its own installation, or in the working directory that a job brings. So '' travels, not a path.
"""

from __future__ import annotations

from pathlib import Path

from pose_diffusion.errors import InputError

NAME = "video-small"
FOLDER = Path(__file__).resolve().parent / NAME
SAMPLE = Path(__file__).resolve().parent / "sample" / "alphapose-results.json"
"""Keypoints to try it on, of 1280 x 720 pixels: in AlphaPose's layout, made from motion capture by a simulated camera."""
_WEIGHTS = "video.safetensors"


def locate(bundle: str = "") -> str:
    """The folder of a bundle: as it is, or the shipped one's for ''. Raises InputError where that is not installed whole."""
    if bundle:
        return bundle
    for name in ("model.yaml", _WEIGHTS):
        if not (FOLDER / name).is_file():
            raise InputError(
                f"{FOLDER}: this installation of pose-diffusion lacks the weights of its model ({name}): install the wheel "
                "again, or name another model (infer.bundle=FOLDER)"
            )
    return str(FOLDER)


def title(bundle: str) -> str:
    """A bundle as people name it: its path, or the shipped model's name for ''."""
    return bundle or f"the shipped model {NAME}"
