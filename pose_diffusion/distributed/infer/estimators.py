"""What lifts the rows of a shard, by the family of the bundle: the published networks row by row, the video model by clips.

Both lift the rows of `ShardInput.lifted`: the shard's own and, for smoothing, those beside them.
`inputs` makes what is lifted from rows, and may be called by many threads. `estimate` queues the work of the device.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from pose_diffusion.config import InferConfig
from pose_diffusion.data import schema
from pose_diffusion.distributed.infer.shard_rows import (
    row_assumed,
    row_frames,
    row_intrinsics,
    row_keys,
    row_places,
    row_sequences,
    row_sources,
)
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.inference.bundle import Bundle
from pose_diffusion.inference.estimation import Estimate, estimate, estimate_clips
from pose_diffusion.inference.lifting import poses_per_pass, suitable_rows
from pose_diffusion.inference.options import SamplingOptions
from pose_diffusion.inference.video_bundle import VideoBundle

_GROUP = 2048  # poses, hypotheses counted, between two looks at the progress
COLUMNS = (*schema.KEYS, "frame", "mixture", "width", "height")  # that are needed of neighbouring files' rows

Reached = Callable[[int], None]


@dataclass(frozen=True)
class ShardInput:
    """The selected rows of a shard file and, for clips and smoothing, those of its sequences in the files beside it.

    before, after: tables of `COLUMNS` in the order of the rows. place: which row of its sequence the first of `rows` is.
    reach: how many rows on each side of `rows` are to be lifted too.
    """

    rows: pa.Table
    before: tuple[pa.Table, ...] = ()
    after: tuple[pa.Table, ...] = ()
    place: int = 0
    reach: int = 0

    @property
    def all(self) -> pa.Table:
        """`COLUMNS` of the rows before, of the own ones and of those after."""
        return pa.concat_tables([*self.before, self.rows.select(list(COLUMNS)), *self.after])

    @property
    def first(self) -> int:
        """Which of `all` is the first of `rows`."""
        return sum(map(len, self.before))

    @property
    def lifted(self) -> slice:
        """Which of `all` are lifted."""
        last = self.first + len(self.rows)
        return slice(max(0, self.first - self.reach), min(last + self.reach, last + sum(map(len, self.after))))

    @property
    def own(self) -> slice:
        """Which of those lifted are `rows`."""
        start = self.first - self.lifted.start
        return slice(start, start + len(self.rows))


class Estimator(Protocol):
    @property
    def bundle(self) -> Bundle | VideoBundle: ...
    def inputs(self, shard: ShardInput) -> Any: ...
    def estimate(self, inputs: Any, reached: Reached) -> list[Estimate]: ...
    def sources(self, rows: pa.Table) -> np.ndarray | None: ...


class FrameEstimator:
    """The published family. reproject: all poses have a camera."""

    def __init__(self, bundle: Bundle, infer: InferConfig, cameras: dict[str, Camera], reproject: bool):
        self.bundle = bundle if infer.diffusion else dataclasses.replace(bundle, denoiser=None)
        self.infer, self.cameras = infer, cameras
        if infer.compiled:
            self.bundle.compile()
        batch = infer.batch or suitable_rows(self.bundle.device)
        self.options = SamplingOptions.from_config(infer, reproject=reproject, batch=batch)

    def inputs(self, shard: ShardInput) -> tuple[Tensor, Tensor, Tensor | None]:
        """On the device: mixtures, keys of the draws and, where cameras are known, intrinsics."""
        device, rows = self.bundle.device, shard.all[shard.lifted]
        keys = to_device(row_keys(rows, self.infer.seed), device)
        intrinsic = to_device(row_intrinsics(rows, self.cameras), device) if self.cameras else None
        return to_device(_mixtures(rows), device), keys, intrinsic

    def estimate(self, inputs: tuple[Tensor, Tensor, Tensor | None], reached: Reached) -> list[Estimate]:
        """The estimate, part by part, in the CPU's memory once a GPU has done what is queued."""
        mixture, keys, intrinsic = inputs
        a_pass = poses_per_pass(self.options, self.bundle.device)
        group = a_pass * -(-_GROUP // (a_pass * self.options.hypotheses))  # whole passes, so that the last one alone is padded
        parts = []
        with _precision(self.infer, self.bundle.device):
            for start in range(0, len(mixture), group):
                part = slice(start, start + group)
                known = None if intrinsic is None else intrinsic[part]
                parts.append(estimate(self.bundle, mixture[part], self.options, keys[part], known).on_cpu())
                reached(min(start + group, len(mixture)))
        return parts

    def sources(self, rows: pa.Table) -> None:
        """Lifting is told of no lens."""


@dataclass(frozen=True)
class _Clips:
    """The rows of `ShardInput.all`, of which those at `wanted` are lifted; see `estimate_clips`."""

    mixture: Tensor
    intrinsic: Tensor | None
    assumed: Tensor
    sequence: Tensor
    frame: Tensor
    place: Tensor
    wanted: slice


class ClipEstimator:
    """The video family. rate: frames a second."""

    def __init__(self, bundle: VideoBundle, infer: InferConfig, cameras: dict[str, Camera], rate: float):
        self.bundle, self.infer, self.cameras, self.rate = bundle, infer, cameras, rate
        self.options = SamplingOptions.from_config(infer)

    def inputs(self, shard: ShardInput) -> _Clips:
        rows, device = shard.all, self.bundle.device
        return _Clips(
            mixture=to_device(_mixtures(rows), device),
            intrinsic=to_device(row_intrinsics(rows, self.cameras), device) if self.cameras else None,
            assumed=to_device(row_assumed(rows, self.infer.field_of_view), device),
            sequence=row_sequences(rows),
            frame=row_frames(rows),
            place=row_places(rows, shard.place - shard.first),
            wanted=shard.lifted,
        )

    def estimate(self, inputs: _Clips, reached: Reached) -> list[Estimate]:
        """One estimate, in the CPU's memory once a GPU has done what is queued."""
        count = inputs.wanted.stop - inputs.wanted.start
        with _precision(self.infer, self.bundle.device):
            found = estimate_clips(
                self.bundle.network,
                **vars(inputs),
                rate=self.rate,
                frames=self.bundle.model.frames,
                options=self.options,
                reached=lambda share: reached(int(share * count)),
            )
        return [found.on_cpu()]

    def sources(self, rows: pa.Table) -> np.ndarray:
        """(N,) places in `recording.SOURCES` of what lifting was told of each row's lens."""
        return row_sources(rows, self.cameras, self.infer.field_of_view)


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda":  # only from pinned memory a copy need not wait for what is queued
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def _mixtures(rows: pa.Table) -> Tensor:
    return torch.from_numpy(np.require(schema.tensor_values(rows["mixture"]), requirements="W"))


def _precision(infer: InferConfig, device: torch.device) -> contextlib.AbstractContextManager:
    return torch.autocast(device.type, torch.bfloat16, enabled=infer.precision == "bf16")
