"""What a batch of clips goes through before the network sees it, in the one order that makes sense."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from pose_diffusion.training.video.clip_batch import ClipBatch, mirror_clips
from pose_diffusion.training.video.draws import Draws
from pose_diffusion.training.video.random_cameras import CameraSettings, look_anew, misjudge_focal
from pose_diffusion.training.video.random_errors import ErrorSettings, disturb


@dataclass(frozen=True)
class Augmentation:
    """mirror: share of clips with left and right swapped. The rest is the settings of each step."""

    mirror: float = 0.5
    cameras: CameraSettings = field(default_factory=CameraSettings)
    errors: ErrorSettings = field(default_factory=ErrorSettings)


def augment(batch: ClipBatch, generator: torch.Generator | None, settings: Augmentation) -> ClipBatch:
    """Mirrored, seen by random cameras, disturbed, and last with a wrong focal length for some.

    Errors come after the camera because a swap, or an unseen joint at its parent's place, depends on the view; the wrong focal
    length is last because the steps before it need the true one.
    """
    batch = mirror_clips(batch, Draws(batch.pose_3d, generator).uniform() < settings.mirror)
    batch = look_anew(batch, generator, settings.cameras)
    batch = disturb(batch, generator, settings.errors)
    return misjudge_focal(batch, generator, settings.cameras)
