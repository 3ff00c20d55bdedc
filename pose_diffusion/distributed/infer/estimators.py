"""What lifts the rows of a shard, by the family of the bundle: the published networks row by row, the video model by clips.

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
)
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.inference.bundle import Bundle
from pose_diffusion.inference.estimation import Estimate, estimate, estimate_clips
from pose_diffusion.inference.lifting import poses_per_pass, suitable_rows
from pose_diffusion.inference.options import SamplingOptions
from pose_diffusion.inference.video_bundle import VideoBundle

_GROUP = 2048  # poses, hypotheses counted, between two looks at the progress
COLUMNS = (*schema.KEYS, "frame", "mixture", "width", "height")  # that clips need of neighbouring files' rows

Reached = Callable[[int], None]


@dataclass(frozen=True)
class ShardInput:
    """The selected rows of a shard file and, for clips, those of its sequences in the files beside it.

    before, after: tables of `COLUMNS` in the order of the rows. place: which row of its sequence the first of `rows` is.
    """

    rows: pa.Table
    before: tuple[pa.Table, ...] = ()
    after: tuple[pa.Table, ...] = ()
    place: int = 0


class Estimator(Protocol):
    @property
    def bundle(self) -> Bundle | VideoBundle: ...
    def inputs(self, shard: ShardInput) -> Any: ...
    def estimate(self, inputs: Any, reached: Reached) -> list[Estimate]: ...


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
        device, rows = self.bundle.device, shard.rows
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


@dataclass(frozen=True)
class _Clips:
    """The rows of `ShardInput` in one row, its own at `wanted`; see `estimate_clips`."""

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
        rows = pa.concat_tables([*shard.before, shard.rows.select(list(COLUMNS)), *shard.after])
        first = sum(map(len, shard.before))
        device = self.bundle.device
        return _Clips(
            mixture=to_device(_mixtures(rows), device),
            intrinsic=to_device(row_intrinsics(rows, self.cameras), device) if self.cameras else None,
            assumed=to_device(row_assumed(rows, self.infer.field_of_view), device),
            sequence=row_sequences(rows),
            frame=row_frames(rows),
            place=row_places(rows, shard.place - first),
            wanted=slice(first, first + len(shard.rows)),
        )

    def estimate(self, inputs: _Clips, reached: Reached) -> list[Estimate]:
        """One estimate of the shard's own rows, in the CPU's memory once a GPU has done what is queued."""
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


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda":  # only from pinned memory a copy need not wait for what is queued
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def _mixtures(rows: pa.Table) -> Tensor:
    return torch.from_numpy(np.require(schema.tensor_values(rows["mixture"]), requirements="W"))


def _precision(infer: InferConfig, device: torch.device) -> contextlib.AbstractContextManager:
    return torch.autocast(device.type, torch.bfloat16, enabled=infer.precision == "bf16")
