"""From 2D poses to 3D: lifter, DDIM refinement, flip averaging, hypotheses and their mean.

    pelvis-centred lifter pose -> x_start = (uv, xyz) -> DDIM guided by uv -> xyz of the last sample, pelvis-centred
    preserve_scale:  xyz -> xyz |lifter pose| / |xyz|,  |.| the root of the sum of squares over joints

Flip averaging runs each pose and its mirror image in one doubled batch and averages the two in one frame.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pose_diffusion.diffusion.noise import NoiseSource, noise_scale
from pose_diffusion.geometry import skeleton
from pose_diffusion.geometry.metrics import centre
from pose_diffusion.inference.hypotheses import KeyedNoise, hypothesis_keys, start_poses
from pose_diffusion.inference.options import DEFAULTS, ResolvedOptions, SamplingOptions
from pose_diffusion.models.published.networks import Networks

# Rows of one network pass. On a CPU a layer's activations stay in its cache: 3 times as fast as 1024.
_CPU_ROWS, _GPU_ROWS = 64, 4096


@dataclass(frozen=True)
class Lifted:
    """3D poses in metres, camera frame, pelvis exactly at 0."""

    lifter_pose: Tensor  # (N, 17, 3): the lifter alone, from the first hypothesis's 2D pose
    pose_3d: Tensor  # (N, 17, 3): after diffusion, the mean of the hypotheses
    spread: Tensor  # (N, 17): metres, root of the mean squared distance of the hypotheses from their mean; 0 for one
    hypotheses: Tensor | None  # (N, H, 17, 3), where more than one was asked for


@torch.no_grad()
def lift(
    networks: Networks,
    uv_or_mixture: Tensor,
    options: SamplingOptions = DEFAULTS,
    generator: torch.Generator | None = None,
    keys: Tensor | None = None,
) -> Lifted:
    """Lifts 2D poses uv (N, 17, 2) or mixtures (N, 17, K, 5), in normalised screen units.

    generator: of the draws, on the poses' device; by default a new one with seed 0. keys: (N,) int64, in place of a
    generator: what a pose draws is a function of its key, whatever stands beside it.
    Raises InputError for another shape, and for hypotheses that could not differ (no mixture, and eta is 0).
    """
    if networks.lifter.training:
        raise ValueError("the networks are in training mode: call eval() first")
    poses = torch.as_tensor(uv_or_mixture, dtype=torch.float32, device=networks.device)
    resolved = options.resolve(networks.diffusion)
    if keys is None:
        generator = generator or torch.Generator(poses.device).manual_seed(0)
    else:
        keys = hypothesis_keys(keys.to(poses.device), resolved.hypotheses)
    uv, sigma = start_poses(poses, resolved, generator, keys)  # (N, H, 17, 2)
    uv_rows, sigma_rows, key_rows = uv.flatten(0, 1), _flat(sigma), _flat(keys)  # (N * H, ...)
    lifter_poses, refined = [], []
    for rows, count in _passes(len(uv_rows), resolved, poses.device):
        noise = generator if key_rows is None else KeyedNoise(key_rows[rows])
        xyz = _lifter_pose(networks, uv_rows[rows], resolved.flips)
        pose = _refine(networks, uv_rows[rows], xyz, None if sigma_rows is None else sigma_rows[rows], resolved, noise)
        lifter_poses.append(xyz[:count])
        refined.append(pose[:count])
    pose_3d = _join(refined, uv)
    mean = pose_3d.mean(1)
    spread = (pose_3d - mean[:, None]).square().sum(-1).mean(1).sqrt()
    return Lifted(_join(lifter_poses, uv)[:, 0], mean, spread, pose_3d if resolved.hypotheses > 1 else None)


def suitable_rows(device: torch.device) -> int:
    """Rows of a network pass, mirror images counted, that keep the device busy and fit it."""
    return _CPU_ROWS if device.type == "cpu" else _GPU_ROWS


def poses_per_pass(options: SamplingOptions, device: torch.device) -> int:
    """Poses of a network pass, hypotheses counted and mirror images not."""
    return max(1, (options.batch or suitable_rows(device)) // (2 if options.flips else 1))


def mirror(pose: Tensor) -> Tensor:
    """The mirror image: the first channel negated, left and right joints swapped. (..., 17, channels), in a new tensor."""
    flipped = pose.index_select(-2, flip_order(pose.device))
    flipped[..., 0].neg_()
    return flipped


@functools.cache
def flip_order(device: torch.device) -> Tensor:
    """skeleton.FLIP on the device once: sent with each call, a GPU's work so far would be waited for."""
    return torch.tensor(skeleton.FLIP, device=device)


def _passes(rows: int, options: SamplingOptions, device: torch.device) -> Iterator[tuple[Tensor, int]]:
    """The rows of each network pass and how many of them count: where a batch is given, the last row pads the last pass."""
    size = poses_per_pass(options, device)
    for start in range(0, rows, size):
        count = min(size, rows - start)
        stop = start + (size if options.batch else count)
        yield torch.arange(start, stop, device=device).clamp_max_(start + count - 1), count


def _lifter_pose(networks: Networks, uv: Tensor, flips: bool) -> Tensor:
    if not flips:
        return centre(networks.lifter(uv).float())
    plain, flipped = networks.lifter(torch.cat([uv, mirror(uv)])).float().chunk(2)
    return centre((plain + mirror(flipped)) / 2)


def _refine(
    networks: Networks, uv: Tensor, xyz: Tensor, sigma: Tensor | None, options: ResolvedOptions, noise: NoiseSource | None
) -> Tensor:
    """The lifter's poses xyz (rows, 17, 3) after diffusion; as they are where there is no denoiser. sigma: (rows, 17, 2)."""
    if networks.denoiser is None:
        return xyz
    lifter_pose = xyz
    if networks.diffusion.noise_scale == "constant":
        sigma = None
    if options.flips:
        uv, xyz = torch.cat([uv, mirror(uv)]), torch.cat([xyz, mirror(xyz)])
        sigma = None if sigma is None else torch.cat([sigma, sigma.index_select(1, flip_order(sigma.device))])
    x_start = torch.cat([uv, xyz], -1)  # (rows, 17, 5)
    sample, _ = networks.sample(x_start, uv, options.steps, options.eta, noise_scale(x_start, sigma), noise)
    refined = sample[..., 2:].float()
    if options.flips:
        plain, flipped = refined.chunk(2)
        refined = (plain + mirror(flipped)) / 2
    refined = centre(refined)
    return refined * (_size(lifter_pose) / _size(refined)) if options.preserve_scale else refined


def _size(pose: Tensor) -> Tensor:
    """(N, 17, 3), minus the pelvis -> (N, 1, 1)."""
    return pose.square().sum((1, 2), keepdim=True).sqrt().clamp_min(torch.finfo(pose.dtype).tiny)


def _flat(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.flatten(0, 1)


def _join(parts: list[Tensor], uv: Tensor) -> Tensor:
    """Poses of the passes back to (N, H, 17, 3)."""
    joined = torch.cat(parts) if parts else uv.new_zeros(0, skeleton.N_JOINTS, 3)
    return joined.view(*uv.shape[:-1], 3)
