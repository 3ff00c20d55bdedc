"""Keypoints of one person, as an array of pixels, to 3D poses: in memory what the jobs `prepare` and `infer` do with files.

pixels -> Detections -> PoseSequence (one kernel a joint, missing joints filled) -> Estimate -> LiftedPoses
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import ValidationError
from torch import Tensor

from pose_diffusion.config import ArchiveConfig
from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.data.sources.detections.detections import Detections, covers
from pose_diffusion.data.sources.detections.person_sequences import person_sequences
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.geometry.layouts import LAYOUTS, Layout, of_size
from pose_diffusion.geometry.person_view import assumed_intrinsic
from pose_diffusion.inference.clip_lifting import ASSUMED_RATE
from pose_diffusion.inference.estimation import Estimate
from pose_diffusion.inference.options import SamplingOptions
from pose_diffusion.inference.sequence_lifting import estimate_frames, estimate_video, frames
from pose_diffusion.models.published.networks import Networks
from pose_diffusion.models.video.network import VideoNetwork

_WHERE = "pixels"
_MOST_SMOOTHING = 50.0  # frames, as of infer.smooth


@dataclass(frozen=True)
class LiftedPoses:
    """3D poses of T frames; rows of frames without a visible joint are NaN.

    Joints are Human3.6M's 17 (`geometry.skeleton.JOINTS`), the camera frame is x right, y down, z away from the camera.
    """

    pose_3d: np.ndarray
    """(T, 17, 3) float32: metres, camera frame, minus the pelvis."""
    spread: np.ndarray
    """(T, 17) float32: metres, RMS distance of the hypotheses from their mean; 0 with one hypothesis."""
    root_3d: np.ndarray | None
    """(T, 3) float32: the pelvis in the camera frame, metres; None where no camera was given."""
    pose_2d: np.ndarray
    """(T, 17, 2) float32: what was lifted, normalised screen (u = 2 x / width - 1, v = 2 y / width - height / width)."""
    frames: np.ndarray
    """(N,) int64, ascending: the frames that have a pose."""
    hypotheses: np.ndarray | None
    """(T, H, 17, 3) float32, as pose_3d; None with one hypothesis."""
    fps: float | None
    """Frames a second, as given."""


def read_keypoints(
    pixels: ArrayLike | Tensor,
    image_size: ArrayLike | Tensor,
    layout: str | Layout,
    min_confidence: float,
    longest_gap: int,
    name: str,
) -> list[PoseSequence]:
    """The frames of one person that have a visible joint: a sequence, or one for each image size.

    pixels: (T, J, 2 or 3). image_size: (2,) or (T, 2). name: the recording's, which becomes the action.
    Raises InputError for other shapes and for values that make no sense.
    """
    try:
        settings = ArchiveConfig(min_confidence=min_confidence, longest_gap=longest_gap)
    except ValidationError as error:
        (first, *_) = error.errors()
        raise InputError(f"{first['loc'][0]} is {first['input']!r}: {first['msg'].lower()}") from None
    points, kind = _points(pixels), _layout(layout)
    count, joints = points.shape[:2]
    if not covers(kind, joints):
        others = " or ".join(other.name for other in of_size(joints))
        hint = f"; layouts of {joints}: {others}" if others else ""
        raise InputError(f"{_WHERE}: {joints} joints a person, but layout {kind.name} has {len(kind.joints)}{hint}")
    person = Detections(
        where=_WHERE,
        name=name,
        layout=kind,
        points=points[:, : len(kind.joints)],
        frame=np.arange(count),
        person=["0"] * count,
        size=_image_size(image_size, count),
    )
    sequences, _ = person_sequences(person, settings, "keypoints")
    return [sequence.load() for sequence in sequences]


def lift_sequences(
    networks: Networks, sequences: Sequence[PoseSequence], options: SamplingOptions, cameras: Sequence[Camera] | None, seed: int
) -> list[Estimate]:
    """An estimate of each sequence, in the CPU's memory. cameras: one for each sequence, None where they are unknown.

    What a pose draws depends on the seed, the recording's name and the frame alone.
    Raises InputError for hypotheses that could not differ, and for an aggregate that reprojects without cameras.
    """
    resolved = options.resolve(networks.diffusion)
    if options.hypotheses > 1 and (not resolved.eta or networks.denoiser is None):
        raise InputError("hypotheses of keypoints differ by noise alone: set eta above 0, with a bundle that has a denoiser")
    if options.hypotheses > 1 and options.aggregate != "mean" and cameras is None:
        raise InputError(f"aggregate '{options.aggregate}' reprojects: give camera or field_of_view, or use mean")
    options = dataclasses.replace(options, reproject=cameras is not None)
    lenses = [None] * len(sequences) if cameras is None else [camera.intrinsic for camera in cameras]
    return [estimate_frames(networks, sequence, options, lens, seed) for sequence, lens in zip(sequences, lenses, strict=True)]


def lift_videos(
    network: VideoNetwork,
    longest: int,
    sequences: Sequence[PoseSequence],
    options: SamplingOptions,
    cameras: Sequence[Camera] | None,
    fps: float | None,
) -> list[Estimate]:
    """An estimate of each sequence by the video family, in the CPU's memory. longest: frames of the longest clip.

    cameras: one for each sequence, None where they are unknown. fps: None where unknown.
    """
    rate = ASSUMED_RATE if fps is None else fps
    lenses = [None] * len(sequences) if cameras is None else [camera.intrinsic for camera in cameras]
    return [
        estimate_video(network, longest, sequence, options, lens, assumed_intrinsic(sequence.width, sequence.height), rate)
        for sequence, lens in zip(sequences, lenses, strict=True)
    ]


def smoothing_width(seconds: float, fps: float | None) -> float:
    """The sigma of the smoothing window in frames; 0 is no smoothing.

    Raises InputError for seconds without a frame rate, and for a rate or a window that makes no sense.
    """
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise InputError(f"fps is {fps}, expected a number above 0")
    if not seconds:
        return 0.0
    if fps is None:
        raise InputError("smooth is in seconds: give fps, the frames a second")
    width = seconds * fps
    if not 0 < width <= _MOST_SMOOTHING:
        raise InputError(f"smooth is {seconds} s, {width:g} frames at fps {fps:g}: expected 0 to {_MOST_SMOOTHING:g} frames")
    return width


def smooth_sequences(sequences: Sequence[PoseSequence], estimates: Sequence[Estimate], width: float) -> list[Estimate]:
    """Each sequence's poses averaged over near frames (see `geometry.smoothing`). width: in frames, above 0."""
    return [
        found.smoothed(frames(sequence), torch.zeros(len(sequence), dtype=torch.int64), width)
        for sequence, found in zip(sequences, estimates, strict=True)
    ]


def join_sequences(
    sequences: Sequence[PoseSequence], estimates: Sequence[Estimate], count: int, fps: float | None
) -> LiftedPoses:
    """The estimates as poses of `count` frames, in the order of the frames."""
    whole = Estimate.joined(estimates)
    frame = np.concatenate([sequence.frame for sequence in sequences]).astype(np.int64)

    def rows(values: Tensor) -> np.ndarray:
        placed = np.full((count, *values.shape[1:]), np.nan, np.float32)
        placed[frame] = values.numpy()
        return placed

    return LiftedPoses(
        pose_3d=rows(list(whole.poses.values())[-1]),
        spread=rows(whole.spread_mm / 1000),
        root_3d=None if whole.root_3d is None else rows(whole.root_3d),
        pose_2d=rows(whole.pose_2d),
        frames=np.sort(frame),
        hypotheses=None if whole.hypotheses is None else rows(whole.hypotheses),
        fps=fps,
    )


def sequence_cameras(
    sequences: Sequence[PoseSequence], camera: Camera | None, field_of_view: float | None
) -> list[Camera] | None:
    """The camera of each sequence; None where neither a camera nor a field of view is given.

    Raises InputError where both are given, and for a camera of another image size.
    """
    if camera is not None and field_of_view is not None:
        raise InputError("both camera and field_of_view are given: expected one of them")
    if field_of_view is not None:
        return [Camera.from_field_of_view(field_of_view, sequence.width, sequence.height) for sequence in sequences]
    if camera is None:
        return None
    for sequence in sequences:
        if (sequence.width, sequence.height) != (camera.width, camera.height):
            sizes = f"{camera.width} x {camera.height} pixels, image_size says {sequence.width} x {sequence.height}"
            raise InputError(f"camera: its images have {sizes}")
    return [camera] * len(sequences)


def _points(pixels: ArrayLike | Tensor) -> np.ndarray:
    """(T, J, 3) float64: x, y, confidence; 0 where NaN says that a joint is unseen, and confidence 1 where none is given."""
    values = _numbers(pixels, "pixels")
    if values.ndim != 3 or values.shape[2] not in (2, 3):
        raise InputError(f"pixels: shape {values.shape}, expected (frames, joints, 2) or (frames, joints, 3)")
    points = np.ones((*values.shape[:2], 3))
    points[..., : values.shape[2]] = values
    points[np.isnan(points).any(-1)] = 0
    return points


def _image_size(image_size: ArrayLike | Tensor, count: int) -> np.ndarray:
    """(2,) or (T, 2)."""
    if image_size is None:
        raise InputError("image_size: expected (width, height) in pixels, got None")
    size = _numbers(image_size, "image_size")
    if size.shape not in ((2,), (count, 2)):
        raise InputError(f"image_size: shape {size.shape}, expected (2,) for width and height, or ({count}, 2) for each frame")
    return size


def _numbers(values: ArrayLike | Tensor, name: str) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu().double().numpy()
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}: expected an array of numbers") from None


def _layout(layout: str | Layout) -> Layout:
    if isinstance(layout, Layout):
        return layout
    if layout not in LAYOUTS:
        raise InputError(f"layout {layout!r}: expected a Layout or one of {', '.join(LAYOUTS)}")
    return LAYOUTS[layout]
