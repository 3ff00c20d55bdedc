"""One sequence of mixtures to an estimate by a bundle of either family, in memory: what the job `infer` does with shards."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.inference.estimation import Estimate, estimate, estimate_clips
from pose_diffusion.inference.lifting import poses_per_pass
from pose_diffusion.inference.options import SamplingOptions
from pose_diffusion.models.published.networks import Networks
from pose_diffusion.models.video.network import VideoNetwork
from pose_diffusion.runtime import keyed_random

_GROUP = 2048  # poses, hypotheses counted, between two reports of progress

Reached = Callable[[float], None]


def estimate_frames(
    networks: Networks,
    sequence: PoseSequence,
    options: SamplingOptions,
    intrinsic: np.ndarray | None,
    seed: int,
    reached: Reached | None = None,
) -> Estimate:
    """By the published family, in the CPU's memory.

    What a pose draws depends on the seed, the sequence's name and the frame alone. intrinsic: (9,) of its camera, None where
    that is unknown. reached: told the share of the work done so far.
    """
    name = keyed_random.name_key(seed, sequence.subject, sequence.action, sequence.camera)
    keys = keyed_random.mix(torch.tensor(name), frames(sequence))
    lens = None if intrinsic is None else torch.from_numpy(intrinsic).expand(len(sequence), 9)
    options = dataclasses.replace(options, reproject=options.reproject and lens is not None)
    mixture = torch.from_numpy(sequence.mixture)
    a_pass = poses_per_pass(options, networks.device)
    group = a_pass * -(-_GROUP // (a_pass * options.hypotheses))  # whole passes
    parts = []
    for start in range(0, len(sequence), group):
        part = slice(start, start + group)
        parts.append(estimate(networks, mixture[part], options, keys[part], None if lens is None else lens[part]).on_cpu())
        if reached:
            reached(min(1.0, (start + group) / len(sequence)))
    _wait(networks.device)
    return Estimate.joined(parts)


def estimate_video(
    network: VideoNetwork,
    longest: int,
    sequence: PoseSequence,
    options: SamplingOptions,
    intrinsic: np.ndarray | None,
    assumed: np.ndarray,
    rate: float,
    reached: Reached | None = None,
) -> Estimate:
    """By the video family, in the CPU's memory.

    longest: frames of the longest clip. intrinsic: (9,) of its camera, None where that is unknown; then the view is that of
    `assumed` (9,), and there is no root. rate: frames a second. reached: told the share of the work done so far.
    """
    rows = len(sequence)
    lens = None if intrinsic is None else torch.from_numpy(intrinsic).expand(rows, 9)
    found = estimate_clips(
        network,
        torch.from_numpy(sequence.mixture),
        lens,
        torch.from_numpy(assumed).expand(rows, 9),
        torch.zeros(rows, dtype=torch.int64),
        frames(sequence),
        rate,
        longest,
        options,
        reached=reached,
    ).on_cpu()
    _wait(network.out.bias.device)
    return found


def frames(sequence: PoseSequence) -> Tensor:
    """(T,) int64."""
    return torch.from_numpy(sequence.frame.astype(np.int64))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
