"""Batches of clips of the synthetic source's motion, before Human3.6M's cameras, and how two batches differ."""

from dataclasses import fields

import numpy as np
import torch

from pose_diffusion.data.sources.motion.synthetic import motion
from pose_diffusion.data.sources.motion.synthetic.actions import FPS
from pose_diffusion.geometry.camera import Camera, h36m_cameras
from pose_diffusion.geometry.skeleton import ROOT
from pose_diffusion.training.video.clip_batch import ClipBatch
from pose_diffusion.training.video.random_errors import ErrorSettings

ACTIONS = ("Walking", "Turning", "Discussion", "Reaching")
SIGMA = 0.006  # of the detections, screen units
NO_ERRORS = ErrorSettings(unseen=0, unseen_span=0, outlier=0, drift_m=0, white_m=0, swap=0, offset_m=0, noise_spread=0)


def cameras(clips: int = 4) -> list[Camera]:
    return [list(h36m_cameras()["S1"].values())[clip % 4] for clip in range(clips)]


def clip_batch(clips: int = 4, frames: int = 9, kernels: int = 1, error: float = 0.004, seed: int = 0) -> ClipBatch:
    """float64, every second frame of 50 a second. error: deviation of the detections' means, screen units."""
    rng = np.random.default_rng(seed)
    lenses = cameras(clips)
    world = [motion("S1", ACTIONS[clip % 4], clip // 4, 2 * frames, seed)[::2] for clip in range(clips)]
    points = np.stack([lens.to_camera(clip) for lens, clip in zip(lenses, world, strict=True)])
    uv = np.stack([lens.project(clip) for lens, clip in zip(lenses, points, strict=True)])
    mixture = np.empty((clips, frames, 17, kernels, 5))
    mixture[..., 0] = rng.dirichlet(np.full(kernels, 5.0), (clips, frames, 17))
    mixture[..., 1:3] = uv[..., None, :] + error * rng.standard_normal((clips, frames, 17, kernels, 2))
    mixture[..., 3:] = SIGMA * rng.uniform(0.7, 1.4, (clips, frames, 17, kernels, 2))
    return ClipBatch(
        mixture=torch.from_numpy(mixture),
        pose_3d=torch.from_numpy(points - points[:, :, ROOT, None]),
        root_3d=torch.from_numpy(points[:, :, ROOT].copy()),
        up=torch.tensor([np.array(lens.rotation)[:, 2].tolist() for lens in lenses], dtype=torch.float64),
        intrinsic=torch.from_numpy(np.stack([lens.intrinsic for lens in lenses])),
        time=(torch.arange(frames, dtype=torch.float64) * 2 / FPS).expand(clips, frames).clone(),
        valid=torch.ones(clips, frames, dtype=torch.bool),
    )


def assert_equal(batch: ClipBatch, other: ClipBatch, clips: torch.Tensor | slice = slice(None)) -> None:
    """To the last digit, in the chosen clips."""
    for field in fields(batch):
        torch.testing.assert_close(getattr(batch, field.name)[clips], getattr(other, field.name)[clips], rtol=0, atol=0)


def moved_m(batch: ClipBatch, other: ClipBatch) -> torch.Tensor:
    """(B, T, 17, K, 2): how far the other's means are from the batch's, metres at the pelvis."""
    metre = batch.intrinsic[:, None, :2] / batch.root_3d[..., 2:]
    return (other.mixture - batch.mixture)[..., 1:3] / metre[:, :, None, None]
