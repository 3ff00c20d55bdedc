"""Errors of 2D detectors, added to clips: joints unseen, outliers, noise that drifts, left and right swapped, steady offsets.

Lengths are metres on the body: at the pelvis' depth, so far people get fewer pixels of error. Spans of time have exponential
lengths and begin at a random frame of the clip.

Drift is a stationary Ornstein-Uhlenbeck process, an AR(1) process at even frames: with memory tau, unit deviation and white
noise e_k of unit deviation (e_0 too),

    x_i = sum over k <= i of exp(-|t_i - t_k| / tau) c_k e_k,   c_0 = 1,   c_k^2 = 1 - exp(-2 |t_k - t_(k-1)| / tau)

a product with one triangular matrix a clip, for any spacing of the frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pose_diffusion.geometry.skeleton import FLIP, JOINTS, N_JOINTS, PARENTS
from pose_diffusion.training.video.clip_batch import ClipBatch
from pose_diffusion.training.video.draws import Draws

_LEGS = tuple(j for j, name in enumerate(JOINTS) if name.endswith(("Knee", "Foot")) or name in ("RHip", "LHip"))
_ARMS = tuple(j for j, name in enumerate(JOINTS) if name.endswith(("Shoulder", "Elbow", "Wrist")))
_DOUBLINGS = 3  # from parents to ancestors 2, 4, 8 bones away: a wrist is 5 from the pelvis
# Noise of each joint beside the mean one's: ends of limbs are placed worst (as `data.sources.motion.simulated_detector`).
_NOISE = {"Hip": 0.9, "Knee": 1.0, "Foot": 1.25, "Spine": 0.9, "Thorax": 0.75, "Neck/Nose": 0.75, "Head": 0.9,
          "Shoulder": 0.9, "Elbow": 1.2, "Wrist": 1.6}  # fmt: skip
_NOISE_OF_JOINTS = tuple(next(noise for part, noise in _NOISE.items() if name.endswith(part)) for name in JOINTS)


@dataclass(frozen=True)
class ErrorSettings:
    """How often each error happens, and how large it is; 0 leaves one out. Metres on the body, seconds."""

    unseen: float = 0.05  # chance of a joint in a frame to be unseen
    unseen_span: float = 0.05  # chance of a joint in a clip to be unseen for a span of time
    unseen_seconds: float = 0.5  # mean length of that span
    unseen_sigma_m: tuple[float, float] = (0.1, 1.0)  # sigma of an unseen joint's kernels, log-uniform, one a clip
    outlier: float = 0.01  # chance of a joint in a frame to be in a wrong place
    outlier_m: float = 0.15  # standard deviation of that place, each way
    outlier_sigma: float = 2.0  # an outlier's sigma is multiplied by up to this
    drift_m: float = 0.015  # deviation of noise that drifts; more at the ends of limbs
    drift_seconds: float = 0.45  # its memory: at 30 frames a second it keeps 93% from frame to frame
    white_m: float = 0.008  # deviation of noise that is new in each frame
    noise_spread: float = 0.6  # drift and white noise of a clip are multiplied by 1 - noise_spread to 1 + noise_spread
    swap: float = 0.03  # chance of a clip, for each of legs, arms and whole person, to have left and right swapped for a span
    swap_seconds: float = 0.2  # mean length of that span
    offset_m: float = 0.025  # deviation of a joint's offset that stays through the clip: 1.5% of a person


def disturb(batch: ClipBatch, generator: torch.Generator | None, settings: ErrorSettings) -> ClipBatch:
    """The clips with errors added to their detections. batch.intrinsic must be that of the camera that made them."""
    draw = Draws(batch.mixture, generator)
    frames = batch.valid.shape[1]
    mixture = batch.mixture
    metre = batch.intrinsic[:, None, :2] / batch.root_3d[..., 2:].clamp_min(0.1)  # (B, T, 2) screen units at the pelvis
    metre = torch.where(batch.valid[..., None], metre, 0)[:, :, None]
    if settings.swap:
        mixture = _swapped(mixture, batch, draw, settings)
    moved = settings.offset_m * draw.normal(1, N_JOINTS, 2) + _noise(batch, draw, settings)  # (B, T, 17, 2) metres
    wrong = (draw.uniform(frames, N_JOINTS) < settings.outlier)[..., None]
    moved = moved + wrong * settings.outlier_m * draw.normal(frames, N_JOINTS, 2)
    wider = torch.where(wrong, draw.uniform(frames, N_JOINTS, 1, low=1, high=settings.outlier_sigma), 1)
    weight, mean, sigma = mixture.split((1, 2, 2), -1)
    mixture = torch.cat([weight, mean + (moved * metre)[..., None, :], sigma * wider[..., None]], -1)
    if settings.unseen or settings.unseen_span:
        lost = draw.uniform(frames, N_JOINTS) < settings.unseen
        spans = draw.spans(batch.time, batch.valid, settings.unseen_seconds, N_JOINTS)
        lost |= spans & (draw.uniform(1, N_JOINTS) < settings.unseen_span)
        mixture = hide(mixture, lost, draw.log_uniform(*settings.unseen_sigma_m)[:, None, None, None] * metre)
    return replace(batch, mixture=mixture)


def hide(mixture: Tensor, lost: Tensor, sigma: Tensor) -> Tensor:
    """The mixtures (B, T, 17, K, 5) with the lost joints (B, T, 17) as `data.missing_joints` fills them without a memory.

    All their kernels lie where the nearest ancestor in the skeleton is that is not lost; the pelvis, if lost, is in the middle
    of the joints that are not. sigma: their standard deviation, broadcasting against (B, T, 17, 2).
    """
    weight, mean, old = mixture.split((1, 2, 2), -1)
    points = (weight * mean).sum(-2) / weight.sum(-2).clamp_min(1e-6)  # (B, T, 17, 2)
    known = ~lost | lost.all(-1, keepdim=True)
    middle = (points * known[..., None]).sum(-2) / known.sum(-1, keepdim=True)
    points = torch.cat([torch.where(lost[..., :1], middle, points[..., 0, :])[..., None, :], points[..., 1:, :]], -2)
    itself, parent = torch.arange(N_JOINTS, device=lost.device), lost.new_tensor(PARENTS, dtype=torch.long).clamp_min(0)
    source = torch.where(lost, parent, itself)
    for _ in range(_DOUBLINGS):
        source = source.gather(-1, source)
    place = points.gather(-2, source[..., None].expand_as(points))[..., None, :]
    gone = lost[..., None, None]
    wide = sigma.expand_as(points)[..., None, :]
    return torch.cat([weight, torch.where(gone, place, mean), torch.where(gone, wide, old)], -1)


def _swapped(mixture: Tensor, batch: ClipBatch, draw: Draws, settings: ErrorSettings) -> Tensor:
    """Legs, arms or the whole person with the detections of the other side, for a span of time."""
    spans = draw.spans(batch.time, batch.valid, settings.swap_seconds, 3) & (draw.uniform(1, 3) < settings.swap)
    groups = mixture.new_tensor([[float(j in group) for j in range(N_JOINTS)] for group in (_LEGS, _ARMS, range(N_JOINTS))])
    swapped = (spans[..., None] & (groups > 0)).any(-2)  # (B, T, 17)
    return torch.where(swapped[..., None, None], mixture[:, :, list(FLIP)], mixture)


def _noise(batch: ClipBatch, draw: Draws, settings: ErrorSettings) -> Tensor:
    """Drift and white noise, (B, T, 17, 2) metres."""
    frames = batch.valid.shape[1]
    white = draw.normal(frames, 2 * N_JOINTS)
    drift = _memory(batch.time, settings.drift_seconds) @ white
    noise = settings.drift_m * drift + settings.white_m * draw.normal(frames, 2 * N_JOINTS)
    level = draw.uniform(1, 1, 1, low=1 - settings.noise_spread, high=1 + settings.noise_spread)
    return level * noise.unflatten(-1, (N_JOINTS, 2)) * noise.new_tensor(_NOISE_OF_JOINTS)[:, None]


def _memory(time: Tensor, seconds: float) -> Tensor:
    """(B, T, T): what unit white noise is multiplied by to become unit noise with this memory. time: (B, T) seconds."""
    kept = (-(time[:, :, None] - time[:, None]).abs() / seconds).exp().tril()
    step = torch.nn.functional.pad(time.diff(dim=1).abs(), (1, 0), value=torch.inf)
    return kept * (1 - (-2 * step / seconds).exp()).sqrt()[:, None]
