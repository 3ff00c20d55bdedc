"""Clips as random cameras would have seen them, of people of other sizes, and lenses that are misjudged.

A camera at a random direction and distance looks at the middle of the clip's path, then is turned and rolled. Every
detection keeps its offset from its joint's true projection as a length on the body: with r the detection's place on the
plane z = 1 and X the joint,

    r' = X'_xy / X'_z + (r - X_xy / X_z) s Z / Z'

where Z and Z' are the pelvis' depths in the old and the new camera and s the scale of the body. So a detector's own
statistics, real or simulated, survive. Sigmas are multiplied by s Z / Z' too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pose_diffusion.geometry.skeleton import JOINTS, ROOT
from pose_diffusion.training.video.clip_batch import ClipBatch
from pose_diffusion.training.video.draws import Draws

_NEAREST = 0.5  # metres in front of the camera: a nearer joint leaves the image, and the projection its sense
_LEGS, _ARMS = ("Hip", "Knee", "Foot"), ("Elbow", "Wrist")
# 0 legs, 1 trunk, 2 arms, and the joint at which the joint's part of the body begins.
_PARTS = tuple(0 if name.endswith(_LEGS) else 2 if name.endswith(_ARMS) else 1 for name in JOINTS)
_ANCHORS = tuple(JOINTS.index(f"{name[0]}Shoulder") if name.endswith(_ARMS) else ROOT for name in JOINTS)


@dataclass(frozen=True)
class CameraSettings:
    """What cameras and bodies are drawn from. Angles in degrees, lengths in metres; ranges are (least, most)."""

    keep: float = 0.1  # share of clips that keep their own camera and body
    elevation: tuple[float, float] = (-30.0, 60.0)  # of the camera as seen from the person; normal, drawn back into the range
    elevation_mean: float = 8.0
    elevation_sd: float = 16.0
    distance: tuple[float, float] = (1.5, 20.0)  # from the middle of the path, log-uniform
    roll_sd: float = 8.0
    yaw_sd: float = 12.0  # how far the camera is turned past the person, so that they stand off the axis
    pitch_sd: float = 8.0
    most_turn: float = 30.0  # bound of roll, yaw and pitch
    field_of_view: tuple[float, float] = (30.0, 90.0)  # across the image, uniform
    body: tuple[float, float] = (0.85, 1.15)  # scale of the body and its path, uniform
    limbs: float = 0.05  # trunk and arms are scaled by 1 - limbs to 1 + limbs beside the legs
    misjudged: float = 0.3  # share of clips whose focal length the network is told wrongly
    misjudged_sd: float = 0.25  # of the log of the wrong focal length over the true one


def look_anew(batch: ClipBatch, generator: torch.Generator | None, settings: CameraSettings) -> ClipBatch:
    """The clips seen by random cameras, the principal point in the middle of their images.

    A clip keeps its old camera and body by chance (`keep`), and where a joint would be less than 0.5 m in front of the new
    camera. Distortion is undone in all of them, as the person-centred view does too. batch.intrinsic must be that of the
    camera that made the detections, not a misjudged one (see `misjudge_focal`).
    """
    batch = batch.undistorted()
    draw = Draws(batch.pose_3d, generator)
    least, most = settings.body
    scale = draw.uniform(low=least, high=most)
    trunk, arms = draw.uniform(2, low=1 - settings.limbs, high=1 + settings.limbs).unbind(1)
    pose, root = _resized(batch, scale, trunk, arms)
    rotation, eye = _camera(root, batch, generator, settings)
    pose = _rotate(rotation[:, None, None], pose)
    root = _rotate(rotation[:, None], root - eye[:, None])
    up = _rotate(rotation, batch.up)
    narrow, wide = settings.field_of_view
    focal = 1 / (draw.uniform(low=narrow, high=wide) * (math.pi / 360)).tan()
    zero = torch.zeros_like(focal)
    intrinsic = torch.stack([focal, focal, *[zero] * 7], -1)
    moved = replace(batch, pose_3d=pose, root_3d=root, up=up, intrinsic=intrinsic)
    moved = replace(moved, mixture=_moved_detections(batch, moved, scale))
    depth = torch.where(batch.valid, moved.joints_3d[..., 2].amin(-1), torch.inf)
    in_front = depth.amin(1) > _NEAREST
    return moved.where(in_front & (draw.uniform() >= settings.keep), batch)


def misjudge_focal(batch: ClipBatch, generator: torch.Generator | None, settings: CameraSettings) -> ClipBatch:
    """For a share of clips the focal length that the network is told is not the one of the camera; all else stays.

    What projects with `intrinsic` must come before it.
    """
    draw = Draws(batch.intrinsic, generator)
    factor = torch.where(draw.uniform() < settings.misjudged, (settings.misjudged_sd * draw.normal()).exp(), 1)
    focal, rest = batch.intrinsic.split((2, 7), -1)
    return replace(batch, intrinsic=torch.cat([focal * factor[:, None], rest], -1))


def _resized(batch: ClipBatch, scale: Tensor, trunk: Tensor, arms: Tensor) -> tuple[Tensor, Tensor]:
    """Pose and root of bodies `scale` times as large, trunk and arms by further factors; scale, trunk, arms: (B,).

    Legs and path are scaled about the point of the floor below the middle of the path, so feet stand where they stood. The
    floor is where the clip's lowest joint is.
    """
    factors = torch.stack([torch.ones_like(trunk), trunk, arms], -1)[:, list(_PARTS)]  # (B, 17)
    anchor = batch.pose_3d[:, :, list(_ANCHORS)]
    pose = trunk[:, None, None, None] * anchor + factors[:, None, :, None] * (batch.pose_3d - anchor)
    middle = _middle(batch.root_3d, batch.valid)  # (B, 3)
    height = ((batch.joints_3d - middle[:, None, None]) * batch.up[:, None, None]).sum(-1).amin(-1)  # (B, T)
    lowest = torch.where(batch.valid, height, torch.inf).amin(1)
    floor = (middle + torch.where(lowest.isfinite(), lowest, 0)[:, None] * batch.up)[:, None]
    return scale[:, None, None, None] * pose, floor + scale[:, None, None] * (batch.root_3d - floor)


def _camera(
    root: Tensor, batch: ClipBatch, generator: torch.Generator | None, settings: CameraSettings
) -> tuple[Tensor, Tensor]:
    """Rotation (B, 3, 3) from the old camera frame to a random camera's, and where in the old frame that stands, (B, 3)."""
    draw = Draws(root, generator)

    def degrees(mean: float, deviation: float, low: float, high: float) -> Tensor:
        return draw.bounded_normal(mean, deviation, low, high) * (math.pi / 180)

    azimuth = draw.uniform(high=2 * math.pi)
    elevation = degrees(settings.elevation_mean, settings.elevation_sd, *settings.elevation)
    distance = draw.log_uniform(*settings.distance)
    yaw, pitch, roll = (
        degrees(0, deviation, -settings.most_turn, settings.most_turn)
        for deviation in (settings.yaw_sd, settings.pitch_sd, settings.roll_sd)
    )
    up = batch.up
    # Any horizontal direction will do to start from: azimuths are uniform. The axis most across `up` gives one.
    axis = torch.nn.functional.one_hot(up.abs().argmin(-1), 3).to(up.dtype)
    first = torch.nn.functional.normalize(torch.linalg.cross(axis, up), dim=-1)
    second = torch.linalg.cross(up, first)
    level = azimuth.cos()[:, None] * first + azimuth.sin()[:, None] * second
    towards_camera = elevation.cos()[:, None] * level + elevation.sin()[:, None] * up
    forward = -towards_camera
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, up), dim=-1)
    looking = torch.stack([right, torch.linalg.cross(forward, right), forward], 1)
    turn = _product(_about(2, roll), _product(_about(0, pitch), _about(1, yaw)))
    return _product(turn, looking), _middle(root, batch.valid) + distance[:, None] * towards_camera


def _moved_detections(old: ClipBatch, new: ClipBatch, scale: Tensor) -> Tensor:
    """The mixtures (B, T, 17, K, 5) of the old clips, without distortion, before the new cameras."""
    before, after = old.intrinsic[:, None, None, None], new.intrinsic[:, None, None, None]
    ratio = (scale[:, None, None] * _depth(old.root_3d) / _depth(new.root_3d))[:, :, None, None]  # (B, T, 1, 1, 1)
    weight, mean, sigma = old.mixture.split((1, 2, 2), -1)
    rays = (mean - before[..., 2:4]) / before[..., :2]
    offset = rays - _on_plane(old.joints_3d)[..., None, :]
    mean = (_on_plane(new.joints_3d)[..., None, :] + offset * ratio) * after[..., :2] + after[..., 2:4]
    return torch.cat([weight, mean, sigma / before[..., :2] * after[..., :2] * ratio], -1)


def _middle(root: Tensor, valid: Tensor) -> Tensor:
    """(B, 3): the mean of the root (B, T, 3) over the valid frames."""
    return torch.where(valid[..., None], root, 0).sum(1) / valid.sum(1).clamp_min(1)[:, None]


def _on_plane(points: Tensor) -> Tensor:
    return points[..., :2] / _depth(points)


def _depth(points: Tensor) -> Tensor:
    """z (..., 1), kept away from 0: padding, and joints behind a camera that will not be used."""
    return points[..., 2:].clamp_min(0.1)


def _rotate(rotation: Tensor, points: Tensor) -> Tensor:
    """Points (..., 3) by rotations (..., 3, 3); no matrix product, which may be rounded to TF32 (see `person_view`)."""
    x, y, z = points.split(1, -1)
    return rotation[..., 0] * x + rotation[..., 1] * y + rotation[..., 2] * z


def _product(first: Tensor, second: Tensor) -> Tensor:
    return (first[..., None] * second[..., None, :, :]).sum(-2)


def _about(axis: int, angle: Tensor) -> Tensor:
    """Rotations (B, 3, 3) about one axis, right-handed. angle: (B,) radians."""
    a, b = (axis + 1) % 3, (axis + 2) % 3
    rotation = torch.zeros(len(angle), 3, 3, dtype=angle.dtype, device=angle.device)
    rotation[:, axis, axis] = 1
    rotation[:, a, a] = rotation[:, b, b] = angle.cos()
    rotation[:, a, b], rotation[:, b, a] = -angle.sin(), angle.sin()
    return rotation
