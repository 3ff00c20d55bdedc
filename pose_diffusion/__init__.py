"""Diffusion models that lift 2D human poses to 3D.

    import pose_diffusion as pd

    lifted = pd.lift_file("keypoints.json", image_size=(1920, 1080))    # any tool's file or folder
    lifted.recordings[0].people[0].pose_3d
    model = pd.load_bundle()                                            # the shipped one; or a folder or s3://
    poses = model.lift_keypoints(pixels, image_size=(1920, 1080), layout="coco17")
    poses.pose_3d, poses.spread

What is named here is imported when first used, so that reading a config does not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pose_diffusion.config import Config
    from pose_diffusion.errors import InputError
    from pose_diffusion.geometry import metrics
    from pose_diffusion.geometry.camera import Camera
    from pose_diffusion.geometry.layouts import LAYOUTS, Layout
    from pose_diffusion.inference.bundle import Bundle, load_bundle
    from pose_diffusion.inference.file_lifting import lift_file
    from pose_diffusion.inference.keypoints import LiftedPoses
    from pose_diffusion.inference.lifted import LiftedFile, LiftedPerson, LiftedRecording
    from pose_diffusion.inference.lifting import Lifted
    from pose_diffusion.inference.options import SamplingOptions
    from pose_diffusion.inference.video_bundle import VideoBundle
    from pose_diffusion.training.trainer import Trainer

__all__ = [
    "LAYOUTS",
    "Bundle",
    "Camera",
    "Config",
    "InputError",
    "Layout",
    "Lifted",
    "LiftedFile",
    "LiftedPerson",
    "LiftedPoses",
    "LiftedRecording",
    "SamplingOptions",
    "Trainer",
    "VideoBundle",
    "lift_file",
    "load_bundle",
    "metrics",
]

# The module that each name is in; metrics is one itself.
_MODULES = {
    "LAYOUTS": "geometry.layouts",
    "Bundle": "inference.bundle",
    "Camera": "geometry.camera",
    "Config": "config",
    "InputError": "errors",
    "Layout": "geometry.layouts",
    "Lifted": "inference.lifting",
    "LiftedFile": "inference.lifted",
    "LiftedPerson": "inference.lifted",
    "LiftedPoses": "inference.keypoints",
    "LiftedRecording": "inference.lifted",
    "SamplingOptions": "inference.options",
    "Trainer": "training.trainer",
    "VideoBundle": "inference.video_bundle",
    "lift_file": "inference.file_lifting",
    "load_bundle": "inference.bundle",
}


def __getattr__(name: str) -> Any:
    if name == "metrics":
        return importlib.import_module("pose_diffusion.geometry.metrics")
    if name not in _MODULES:
        raise AttributeError(f"module 'pose_diffusion' has no attribute '{name}'")
    return getattr(importlib.import_module(f"pose_diffusion.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
