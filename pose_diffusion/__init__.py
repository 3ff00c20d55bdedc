"""Diffusion models that lift 2D human poses to 3D.

`load_bundle` opens a trained model; `metrics` measures poses. Both are imported when first used, so that reading a config
does not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pose_diffusion.geometry import metrics
    from pose_diffusion.inference.bundle import load_bundle

__all__ = ["load_bundle", "metrics"]


def __getattr__(name: str) -> Any:
    if name == "load_bundle":
        from pose_diffusion.inference.bundle import load_bundle

        return load_bundle
    if name == "metrics":
        return importlib.import_module("pose_diffusion.geometry.metrics")
    raise AttributeError(f"module 'pose_diffusion' has no attribute '{name}'")
