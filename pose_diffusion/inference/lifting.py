"""From 2D poses to 3D: lifter, DDIM refinement, flip averaging, hypotheses and their aggregate.

    pelvis-centred lifter pose -> x_start = (uv, xyz) -> DDIM guided by uv -> xyz of the last sample, pelvis-centred
    preserve_scale:  xyz -> xyz |lifter pose| / |xyz|,  |.| the root of the sum of squares over joints

Flip averaging runs each pose and its mirror image in one doubled batch and averages the two in one frame. Of several
hypotheses the first starts from each joint's heaviest kernel or its mixture's mean, the others from kernels drawn by weight.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pose_diffusion.data.mixture import Pose2D, draw_kernel, single
from pose_diffusion.diffusion.noise import NoiseSource, noise_scale
from pose_diffusion.errors import InputError
from pose_diffusion.geometry import skeleton
from pose_diffusion.geometry.metrics import centre
from pose_diffusion.models.published.networks import Networks
from pose_diffusion.runtime import keyed_random

# Rows of one network pass. On a CPU a layer's activations stay in its cache: 3 times as fast as 1024.
_CPU_ROWS, _GPU_ROWS = 64, 4096


@dataclass(frozen=True)
class Lifted:
    """3D poses in metres, camera frame, pelvis exactly at 0."""

    lifter_pose: Tensor  # (N, 17, 3): the lifter alone, from the first hypothesis's 2D pose
    pose_3d: Tensor  # (N, 17, 3): after diffusion, hypotheses aggregated
    spread: Tensor  # (N, 17): metres, root of the mean squared distance of the hypotheses from their mean; 0 for one
    hypotheses: Tensor | None  # (N, H, 17, 3), where more than one was asked for


@torch.no_grad()
def lift(
    networks: Networks,
    uv_or_mixture: Tensor,
    flips: bool = True,
    hypotheses: int = 1,
    steps: Sequence[int] | None = None,
    eta: float | None = None,
    preserve_scale: bool | None = None,
    generator: torch.Generator | None = None,
    rows: int | None = None,
    keys: Tensor | None = None,
    pose_2d: Pose2D = "heaviest",
) -> Lifted:
    """Lifts 2D poses uv (N, 17, 2) or mixtures (N, 17, K, 5), in normalised screen units.

    steps, eta, preserve_scale: of the sampling, by default the settings'. generator: of the draws, on the poses' device; by
    default a new one with seed 0. keys: (N,) int64, in place of a generator: what a pose draws is a function of its key,
    whatever stands beside it.
    rows: poses of every network pass, flips and hypotheses counted, the last one padded; by default what suits the device.
    pose_2d: of a mixture, what the first hypothesis starts from: each joint's heaviest kernel or its mixture's mean.
    Raises InputError for another shape, and for hypotheses that could not differ (no mixture, and eta is 0).
    """
    if networks.lifter.training:
        raise ValueError("the networks are in training mode: call eval() first")
    poses = torch.as_tensor(uv_or_mixture, dtype=torch.float32, device=networks.device)
    eta = networks.diffusion.eta if eta is None else eta
    preserve_scale = networks.diffusion.preserve_scale if preserve_scale is None else preserve_scale
    if keys is None:
        generator = generator or torch.Generator(poses.device).manual_seed(0)
    else:  # one key a hypothesis
        keys = keyed_random.mix(keys.to(poses.device)[:, None], torch.arange(hypotheses, device=poses.device))
    uv, sigma = _starts(poses, hypotheses, eta, generator, keys, pose_2d)  # (N, H, 17, 2)
    if networks.diffusion.noise_scale == "constant":
        sigma = None
    size = max(1, (rows or suitable_rows(poses.device)) // (2 if flips else 1))
    uv_rows, sigma_rows, key_rows = uv.flatten(0, 1), _flat(sigma), _flat(keys)  # (N * H, ...)
    lifter_poses, refined = [], []
    for start in range(0, len(uv_rows), size):
        count = min(size, len(uv_rows) - start)
        part = torch.arange(start, start + (size if rows else count), device=poses.device).clamp_max_(start + count - 1)
        xyz = _lifter_pose(networks, uv_rows[part], flips)
        noise = generator if key_rows is None else _KeyedNoise(key_rows[part])
        scale = None if sigma_rows is None else sigma_rows[part]
        lifter_poses.append(xyz[:count])
        found = _refine(networks, uv_rows[part], xyz, flips, steps, eta, scale, noise)
        refined.append((found * (_size(xyz) / _size(found)) if preserve_scale else found)[:count])
    pose_3d = _joined(refined, uv)
    mean = pose_3d.mean(1)
    spread = (pose_3d - mean[:, None]).square().sum(-1).mean(1).sqrt()
    return Lifted(_joined(lifter_poses, uv)[:, 0], mean, spread, pose_3d if hypotheses > 1 else None)


def suitable_rows(device: torch.device) -> int:
    """Rows of a network pass, mirror images counted, that keep the device busy and fit it."""
    return _CPU_ROWS if device.type == "cpu" else _GPU_ROWS


def mirror(pose: Tensor) -> Tensor:
    """The mirror image: the first channel negated, left and right joints swapped. (..., 17, channels), in a new tensor."""
    flipped = pose.index_select(-2, _flip_order(pose.device))
    flipped[..., 0].neg_()
    return flipped


@functools.cache
def _flip_order(device: torch.device) -> Tensor:
    """skeleton.FLIP on the device once: sent with each call, a GPU's work so far would be waited for."""
    return torch.tensor(skeleton.FLIP, device=device)


class _KeyedNoise:
    """Noise for a pass whose rows have these keys (rows,), a new one at each call; a mirrored half has its own."""

    def __init__(self, keys: Tensor):
        self.keys, self.lane = keys, 0

    def __call__(self, like: Tensor) -> Tensor:
        keys = []
        for _ in range(len(like) // len(self.keys)):
            self.lane += 1
            keys.append(keyed_random.mix(self.keys, self.lane))
        return keyed_random.gaussian(torch.cat(keys), tuple(like.shape[1:])).to(like.dtype)


def _starts(
    poses: Tensor, hypotheses: int, eta: float, generator: torch.Generator | None, keys: Tensor | None, pose_2d: Pose2D
) -> tuple[Tensor, Tensor | None]:
    """The 2D poses that the hypotheses start from (N, H, 17, 2), and their sigma where mixtures are given."""
    if hypotheses < 1:
        raise InputError(f"hypotheses is {hypotheses}, expected at least 1")
    if poses.dim() == 3 and poses.shape[1:] == (skeleton.N_JOINTS, 2):
        if hypotheses > 1 and eta == 0:
            raise InputError("hypotheses differ only by draws from a mixture or eta > 0: 2D points with eta 0 give one")
        return poses[:, None].expand(-1, hypotheses, -1, -1), None
    if poses.dim() != 4 or poses.shape[1] != skeleton.N_JOINTS or poses.shape[3] != 5:
        raise InputError(f"2D poses have shape {tuple(poses.shape)}, expected (N, 17, 2) or (N, 17, K, 5)")
    kernels = single(poses, pose_2d)[:, None]  # (N, 1, 17, 4)
    if hypotheses > 1:
        draw = None if keys is None else keyed_random.uniform(keys[:, 1:], (skeleton.N_JOINTS,))
        drawn = draw_kernel(poses[:, None].expand(-1, hypotheses - 1, -1, -1, -1), generator, draw)
        kernels = torch.cat([kernels, drawn], 1)
    return kernels[..., :2], kernels[..., 2:]


def _lifter_pose(networks: Networks, uv: Tensor, flips: bool) -> Tensor:
    if not flips:
        return centre(networks.lifter(uv).float())
    plain, flipped = networks.lifter(torch.cat([uv, mirror(uv)])).float().chunk(2)
    return centre((plain + mirror(flipped)) / 2)


def _refine(
    networks: Networks,
    uv: Tensor,
    xyz: Tensor,
    flips: bool,
    steps: Sequence[int] | None,
    eta: float,
    sigma: Tensor | None,
    noise: NoiseSource | None,
) -> Tensor:
    if networks.denoiser is None:
        return xyz
    if flips:
        uv, xyz = torch.cat([uv, mirror(uv)]), torch.cat([xyz, mirror(xyz)])
        sigma = None if sigma is None else torch.cat([sigma, sigma.index_select(1, _flip_order(sigma.device))])
    x_start = torch.cat([uv, xyz], -1)  # (rows, 17, 5)
    sample, _ = networks.sample(x_start, uv, steps, eta, noise_scale(x_start, sigma), noise)
    refined = sample[..., 2:].float()
    if flips:
        plain, flipped = refined.chunk(2)
        refined = (plain + mirror(flipped)) / 2
    return centre(refined)


def _size(pose: Tensor) -> Tensor:
    """(N, 17, 3), minus the pelvis -> (N, 1, 1)."""
    return pose.square().sum((1, 2), keepdim=True).sqrt().clamp_min(torch.finfo(pose.dtype).tiny)


def _flat(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.flatten(0, 1)


def _joined(chunks: list[Tensor], uv: Tensor) -> Tensor:
    """Chunks of poses back to (N, H, 17, 3)."""
    joined = torch.cat(chunks) if chunks else uv.new_zeros(0, skeleton.N_JOINTS, 3)
    return joined.view(*uv.shape[:-1], 3)
