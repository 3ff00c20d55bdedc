"""Sequences of mixtures to 3D by the video network: overlapping windows, each in the person-centred view.

    window -> person_view -> network -> flip averaging in the view -> turned back to the camera frame
    pose of a row = sum over its windows of weight x pose; the weights taper to the windows' ends and sum to 1

Windows are defined among the rows of a sequence (`data.clips`), so a part of a sequence with `frames` rows of its neighbours
on each side gives the same poses as the whole. Rows that are every fifth frame make windows of so many rows, five times as
long; the network is told the frames' times in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from pose_diffusion.data.clips import ClipIndex
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.person_view import CONTEXT, PersonView, person_view
from pose_diffusion.geometry.skeleton import N_JOINTS
from pose_diffusion.inference.lifting import flip_order, mirror
from pose_diffusion.models.video.network import VideoNetwork

ASSUMED_RATE = 30.0  # frames a second, where nobody says
# Frames of one network pass, mirror images counted: on a CPU a layer's activations stay in its cache.
_CPU_FRAMES, _GPU_FRAMES = 128, 16384
_MEAN_X, _SPEED_RIGHT = 1, 1  # channels of a view's kernels and of its context that a mirror negates


@torch.no_grad()
def lift_clips(
    network: VideoNetwork,
    mixture: Tensor,
    intrinsic: Tensor,
    sequence: Tensor,
    frame: Tensor,
    rate: float,
    frames: int,
    flips: bool = True,
    batch: int | None = None,
    *,
    place: Tensor | None = None,
    wanted: slice = slice(None),
    reached: Callable[[float], None] | None = None,
) -> Tensor:
    """Poses (N, 17, 3) float32 in metres, camera frame, the pelvis at 0, on the network's device.

    mixture: (N, 17, K, 5) in normalised screen units, the rows of a sequence together and in order. intrinsic: (N, 9), known
    or assumed, see `Camera.intrinsic`. sequence: (N,) integers that differ between neighbouring sequences. frame: (N,)
    integers; rows whose frame does not ascend, or comes more than 2 s later, begin a new segment, which no window leaves.
    rate: frames a second. frames: of the longest clip. batch: frames in a pass of the network, mirror images counted.
    place: (N,) which row of its sequence each row is, needed where the first of them are not here; see `ClipIndex.windows`.
    wanted: the rows whose poses are asked for; the others are their neighbours, and not in the result.
    reached: told the share of the work done so far.

    Raises InputError for shapes that do not fit and for a rate or a length that makes no sense.
    """
    _check(mixture, intrinsic, sequence, frame, rate, frames, batch)
    if network.training:
        raise ValueError("the network is in training mode: call eval() first")
    device = network.out.bias.device
    start, stop, _ = wanted.indices(len(mixture))
    total = torch.zeros(len(mixture), N_JOINTS, 3, dtype=torch.float64, device=device)
    if start >= stop:
        return total[start:start].float()
    mixture, intrinsic = mixture.to(device).float(), intrinsic.to(device).float()
    sequence, frame = sequence.cpu(), frame.cpu()
    place = _places(sequence) if place is None else place.cpu()
    windows, weights = ClipIndex(sequence, frame, rate).windows(frames, place)
    needed = ((windows.rows >= start) & (windows.rows < stop)).any(1).nonzero()[:, 0]
    length = windows.valid[needed].sum(1)
    length, order = length.sort(descending=True, stable=True)  # windows of like lengths make a pass: little padding
    chosen = needed[order]
    rows, valid, time, weight = (values[chosen].to(device) for values in (windows.rows, windows.valid, windows.time, weights))
    lengths = length.tolist()
    for part in _passes(lengths, batch or (_CPU_FRAMES if device.type == "cpu" else _GPU_FRAMES), flips):
        longest = lengths[part.start]
        clip = part, slice(0, longest)
        padded = lengths[part.stop - 1] < longest
        view = person_view(mixture[rows[clip]], intrinsic[rows[clip]], time[clip], valid[clip])
        pose = view.to_camera(_poses(network, view, time[clip], valid[clip] if padded else None, flips))
        pose = pose.double() * weight[clip][..., None, None]
        total.index_add_(0, rows[clip].flatten(), pose.flatten(0, 1))
        if reached:
            reached(part.stop / len(lengths))
    return total[start:stop].float()


def _places(sequence: Tensor) -> Tensor:
    """(N,) which row of its sequence each row is, the first of them being here."""
    row = torch.arange(len(sequence))
    begins = torch.ones(len(sequence), dtype=torch.bool)
    begins[1:] = sequence.diff() != 0
    return row - torch.where(begins, row, 0).cummax(0).values


def _passes(lengths: list[int], batch: int, flips: bool) -> Iterator[slice]:
    """Windows of each pass, of which the first is the longest, with about `batch` frames together."""
    start = 0
    while start < len(lengths):
        count = max(1, batch // (lengths[start] * (2 if flips else 1)))
        stop = min(start + count, len(lengths))
        yield slice(start, stop)
        start = stop


def _poses(network: VideoNetwork, view: PersonView, time: Tensor, valid: Tensor | None, flips: bool) -> Tensor:
    """Poses (B, T, 17, 3) in the view's frame."""
    if not flips:
        return network(view.kernels, view.context, time, valid)
    kernels, context = mirror_view(view.kernels, view.context)
    both = network(
        torch.cat([view.kernels, kernels]),
        torch.cat([view.context, context]),
        torch.cat([time, time]),
        None if valid is None else torch.cat([valid, valid]),
    )
    plain, flipped = both.chunk(2)
    return (plain + mirror(flipped)) / 2


def mirror_view(kernels: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
    """Kernels (B, T, 17, K, 5) and context (B, T, C) of the mirror image: x negated, left and right joints swapped."""
    kernels = kernels.index_select(2, flip_order(kernels.device))
    kernels[..., _MEAN_X].neg_()
    sign = torch.ones(CONTEXT, device=context.device)
    sign[_SPEED_RIGHT] = -1
    return kernels, context * sign


def _check(
    mixture: Tensor, intrinsic: Tensor, sequence: Tensor, frame: Tensor, rate: float, frames: int, batch: int | None
) -> None:
    rows = len(mixture)
    if mixture.dim() != 4 or mixture.shape[1] != N_JOINTS or mixture.shape[3] != 5:
        raise InputError(f"mixtures have shape {tuple(mixture.shape)}, expected (N, 17, K, 5)")
    for name, values, shape in (
        ("intrinsic", intrinsic, (rows, 9)),
        ("sequence", sequence, (rows,)),
        ("frame", frame, (rows,)),
    ):
        if tuple(values.shape) != shape:
            raise InputError(f"{name} has shape {tuple(values.shape)}, expected {shape}")
    if not (math.isfinite(rate) and rate > 0):
        raise InputError(f"rate is {rate} frames a second, expected a number above 0")
    for name, number in (("frames", frames), ("batch", 1 if batch is None else batch)):
        if number < 1:
            raise InputError(f"{name} is {number}, expected at least 1")
