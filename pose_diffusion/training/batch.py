"""From shard rows to what the networks train on: the 2D input drawn from the mixture, turned and mirrored at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pose_diffusion.config import TrainConfig
from pose_diffusion.data import mixture as mixtures
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.metrics import centre
from pose_diffusion.inference.lifting import mirror
from pose_diffusion.training.yaw_augment import turn


@dataclass(frozen=True)
class Batch:
    """uv: (B, 17, 2) normalised screen. sigma: (B, 17, 2), the drawn kernel's. xyz: (B, 17, 3) metres, minus the pelvis.

    lifted: (B, 17, 3), what a finished lifter makes of uv, minus its pelvis; for a stage that learns from it.
    """

    uv: Tensor
    sigma: Tensor
    xyz: Tensor
    lifted: Tensor | None = None

    def __len__(self) -> int:
        return len(self.xyz)

    @property
    def device(self) -> torch.device:
        return self.xyz.device

    def split(self, rows: int) -> list[Batch]:
        """The batch in parts of at most `rows` poses."""
        fields = [field.split(rows) for field in (self.uv, self.sigma, self.xyz, self.lifted) if field is not None]
        return [Batch(*part) for part in zip(*fields, strict=True)]

    @torch.no_grad()
    def lift(self, lifter: Callable[[Tensor], Tensor], rows: int, bf16: bool = False) -> Batch:
        """The batch with `lifted`, in passes of at most `rows` poses."""
        with torch.autocast(self.uv.device.type, torch.bfloat16, enabled=bf16):
            return replace(self, lifted=torch.cat([centre(lifter(uv).float()) for uv in self.uv.split(rows)]))


def make_batch(columns: Sequence[Tensor], config: TrainConfig, generator: torch.Generator) -> Batch:
    """Draws a kernel a joint (or takes the heaviest), turns a random share train.yaw_augment of the poses by random angles
    about the vertical and mirrors a random half (left and right swap), as the config says.

    columns: mixture (B, 17, K, 5), pose_3d (B, 17, 3) and, for yaw augmentation, view (B, 15) of `data.camera_views`; all on
    the generator's device. Raises InputError where there is no view to turn with.
    """
    mixture, xyz, *view = columns
    if config.yaw_augment and not view:
        raise InputError("key 'train.yaw_augment': these rows have no camera views; set train.yaw_augment=0")
    kernel = mixtures.draw_kernel(mixture, generator) if config.sample_kernels else mixtures.heaviest(mixture)  # (B, 17, 4)
    if view:
        chance, place = torch.rand(2, len(xyz), generator=generator, device=xyz.device)
        uv, xyz = turn(kernel[..., :2], xyz, view[0], 2 * torch.pi * place * (chance < config.yaw_augment))
        kernel = torch.cat([uv, kernel[..., 2:]], -1)
    if config.flip:
        chosen = torch.rand(len(xyz), 1, 1, generator=generator, device=xyz.device) < 0.5
        kernel = torch.where(chosen, mirror(kernel), kernel)
        xyz = torch.where(chosen, mirror(xyz), xyz)
    return Batch(kernel[..., :2], kernel[..., 2:], xyz)
