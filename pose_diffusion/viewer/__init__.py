"""A page to look at lifted poses: 2D beside 3D, with what the model is unsure of."""

from pose_diffusion.viewer.page import write, write_pages

__all__ = ["write", "write_pages"]
