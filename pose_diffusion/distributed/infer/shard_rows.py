"""What lifting reads of a shard's rows beside their mixtures: keys of the draws, cameras, places in time and sequence."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from pose_diffusion.data import shards
from pose_diffusion.data.recording import SOURCES
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.geometry.person_view import assumed_intrinsic
from pose_diffusion.runtime import keyed_random

_SAME_SIZE = 0.01  # share of a side that image sizes may differ by


def row_keys(rows: pa.Table, seed: int) -> Tensor:
    """(N,) int64: a key for each row's draws, from its own name, whatever file or batch it stands in."""
    spans = shards.spans_of(rows)
    names = torch.tensor(
        [keyed_random.name_key(seed, span.subject, span.action, span.camera) for span in spans], dtype=torch.int64
    )
    sequence = names.repeat_interleave(torch.tensor([span.rows for span in spans], dtype=torch.int64))
    return keyed_random.mix(sequence, row_frames(rows))


def check_image_sizes(rows: pa.Table, cameras: Mapping[str, Camera], where: str) -> None:
    """Raises InputError where poses stand in images of another size than their camera's, whose intrinsics then say nothing."""
    start = 0
    for span in shards.spans_of(rows):
        name = f"{span.subject}/{span.camera}"
        if camera := cameras.get(name):
            width, height = (rows[side][start].as_py() for side in ("width", "height"))
            # Human3.6M's images of 1000 x 1000 and of 1000 x 1002 pixels pass for each other.
            if max(abs(width / camera.width - 1), abs(height / camera.height - 1)) > _SAME_SIZE:
                raise InputError(
                    f"{where}: row {start}: an image of {width} x {height} pixels, but camera '{name}' in the manifest is of "
                    f"{camera.width} x {camera.height}: prepare with the intrinsics of these images, or without a camera"
                )
        start += span.rows


def row_intrinsics(rows: pa.Table, cameras: Mapping[str, Camera]) -> Tensor:
    """(N, 9): the intrinsic of each row's camera for the row's own image size, NaN where the camera is unknown."""
    parts, start = [], 0
    for span in shards.spans_of(rows):
        camera = cameras.get(f"{span.subject}/{span.camera}")
        values = np.full(9, np.nan)
        if camera is not None:
            # The size that the poses were normalised by, which need not be the camera's own.
            width, height = (rows[name][start].as_py() for name in ("width", "height"))
            values = dataclasses.replace(camera, width=width, height=height).intrinsic
        parts.append(torch.from_numpy(values).expand(span.rows, 9))
        start += span.rows
    return torch.cat(parts) if parts else torch.zeros(0, 9, dtype=torch.float64)


def row_up(rows: pa.Table, cameras: Mapping[str, Camera]) -> np.ndarray:
    """(N, 3): the world's up in the frame of each row's camera, NaN where the camera is unknown. The world's z is up."""
    known = {name: np.array(camera.rotation)[:, 2] for name, camera in cameras.items()}
    spans = shards.spans_of(rows)
    up = [known.get(f"{span.subject}/{span.camera}", np.full(3, np.nan)) for span in spans]
    return np.repeat(np.array(up).reshape(-1, 3), [span.rows for span in spans], axis=0)


def row_sources(rows: pa.Table, cameras: Mapping[str, Camera], field_of_view: float | None) -> np.ndarray:
    """(N,): place in `recording.SOURCES` of where each row's lens came from."""
    assumed = "image_diagonal" if field_of_view is None else "field_of_view"
    spans = shards.spans_of(rows)
    found = [SOURCES.index("known" if f"{span.subject}/{span.camera}" in cameras else assumed) for span in spans]
    return np.repeat(np.array(found, np.int32), [span.rows for span in spans])


def row_assumed(rows: pa.Table, field_of_view: float | None) -> Tensor:
    """(N, 9): the intrinsic of a camera of which nothing is known, for each row's image size. field_of_view: degrees."""
    sizes = np.stack([rows["width"].to_numpy(), rows["height"].to_numpy()], 1)
    unique, number = np.unique(sizes, axis=0, return_inverse=True)
    values = np.array([assumed_intrinsic(int(width), int(height), field_of_view) for width, height in unique]).reshape(-1, 9)
    return torch.from_numpy(values[number.reshape(-1)])


def row_places(rows: pa.Table, first: int) -> Tensor:
    """(N,) int64: which row of its sequence each row is. first: of the first one, whose sequence may begin elsewhere."""
    parts = [torch.arange(span.rows) + (0 if number else first) for number, span in enumerate(shards.spans_of(rows))]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.int64)


def row_frames(rows: pa.Table) -> Tensor:
    """(N,) int64: the frame of each row."""
    return torch.from_numpy(rows["frame"].to_numpy().astype(np.int64))


def row_sequences(rows: pa.Table) -> Tensor:
    """(N,) int64: the number of each row's sequence among those of the table."""
    return torch.from_numpy(shards.sequences_of(shards.spans_of(rows))[1])
