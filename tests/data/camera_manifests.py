"""Human3.6M's cameras as a manifest describes them."""

from __future__ import annotations

from pose_diffusion.data import camera_views, schema
from pose_diffusion.data.manifest import Manifest
from pose_diffusion.geometry.camera import h36m_cameras
from pose_diffusion.geometry.skeleton import JOINTS

CAMERAS = h36m_cameras()["S1"]
MANIFEST_CAMERAS = {f"S1/{name}": camera.to_dict() for name, camera in CAMERAS.items()}


def known():
    """Up and intrinsic of the four cameras, as a manifest describes them."""
    return camera_views.cameras(described(MANIFEST_CAMERAS), "here")


def described(cameras):
    """A manifest of these cameras and no files."""
    return Manifest(version=schema.VERSION, kernels=3, joints=list(JOINTS), cameras=cameras, source={}, settings={}, files=[])
