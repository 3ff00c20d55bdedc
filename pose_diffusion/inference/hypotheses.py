"""Where the hypotheses of a pose start, and the noise that they draw on the way.

The first hypothesis starts from each joint's heaviest kernel or its mixture's mean, the others from kernels drawn by weight.
What is drawn comes from a generator, in order, or is a function of the pose's key (see `runtime.keyed_random`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from pose_diffusion.data.mixture import draw_kernel, single
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.skeleton import N_JOINTS
from pose_diffusion.inference.options import ResolvedOptions
from pose_diffusion.runtime import keyed_random


class KeyedNoise:
    """Noise for a pass whose rows have these keys (rows,), new at each call; the mirrored half has noise of its own."""

    def __init__(self, keys: Tensor):
        self.keys, self.lane = keys, 0

    def __call__(self, like: Tensor) -> Tensor:
        keys = []
        for _ in range(len(like) // len(self.keys)):
            self.lane += 1
            keys.append(keyed_random.mix(self.keys, self.lane))
        return keyed_random.gaussian(torch.cat(keys), tuple(like.shape[1:])).to(like.dtype)


def hypothesis_keys(keys: Tensor, hypotheses: int) -> Tensor:
    """A key for each hypothesis of each pose. keys (N,) int64 -> (N, H)."""
    return keyed_random.mix(keys[:, None], torch.arange(hypotheses, device=keys.device))


def start_poses(
    poses: Tensor, options: ResolvedOptions, generator: torch.Generator | None, keys: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """The 2D poses that the hypotheses start from (N, H, 17, 2), and their sigma where mixtures are given.

    poses: (N, 17, 2) or mixtures (N, 17, K, 5). keys: (N, H), in place of the generator.
    Raises InputError for another shape, and for hypotheses that could not differ.
    """
    hypotheses = options.hypotheses
    if poses.dim() == 3 and poses.shape[1:] == (N_JOINTS, 2):
        if hypotheses > 1 and options.eta == 0:
            raise InputError("hypotheses differ only by draws from a mixture or eta > 0: 2D points with eta 0 give one")
        return poses[:, None].expand(-1, hypotheses, -1, -1), None
    if poses.dim() != 4 or poses.shape[1] != N_JOINTS or poses.shape[3] != 5:
        raise InputError(f"2D poses have shape {tuple(poses.shape)}, expected (N, 17, 2) or (N, 17, K, 5)")
    kernels = single(poses, options.pose_2d)[:, None]  # (N, 1, 17, 4)
    if hypotheses > 1:
        draw = None if keys is None else keyed_random.uniform(keys[:, 1:], (N_JOINTS,))
        drawn = draw_kernel(poses[:, None].expand(-1, hypotheses - 1, -1, -1, -1), generator, draw)
        kernels = torch.cat([kernels, drawn], 1)
    return kernels[..., :2], kernels[..., 2:]
