"""The person-centred view: 2D detections as a camera would see them that is turned towards the person and zoomed on them.

Each frame's view has the centre of projection of the real camera. With unit rays r of the detections in the camera frame
(distortion undone) and the torso's ray r_torso, the mean of the rays of hips and shoulders weighted by confidence:

    z = r_torso,  x = unit(y_camera x z),  y = z x x;  R = rows (x, y, z);  (u, v) = (R r)_xy / ((R r)_z size)

R turns about the camera's y axis, then about the new x axis; it adds no roll. `size` is one number a clip: the extent of the
person beside that of a standing one, so that u and v are about metres at the person's distance and log size is about minus
the log of that distance in metres. Turning the camera onto a person is that of perspective crop layers (CVPR 2021).

A map between two images of one pinhole turned about its centre multiplies small areas by (z / z')^3, z and z' the depths of
a ray before and after. Sigmas are multiplied by the square root of that, (z / z')^1.5, whatever the direction: an isotropic
approximation.

What is invariant, up to rounding, where intrinsics are known:

- everything, for another focal length, principal point, crop, resize, padding or shape of the image;
- kernels, context and size, for a camera turned about its own y axis; R differs by just that turn, so that poses in the view
  agree and poses turned back by R^T are each in the frame of their own camera;
- the same up to a roll about the view's axis, for a camera turned about any other axis. `size` does not change.

The direction of the view itself, its yaw and pitch in the camera, is therefore no part of the context; how it moves is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera, undistort

CONTEXT = 4  # log size, speed of the view to the right and down, 1 where that speed is known

_TORSO = [1, 4, 11, 14]  # hips and shoulders
# Root mean square distance of each joint from the middle of hips and shoulders in an upright image, metres: a rounded mean
# over walking, running, dancing and everyday motion.
_EXTENT_M = (0.24, 0.24, 0.6, 1.0, 0.24, 0.6, 1.0, 0.05, 0.24, 0.35, 0.44, 0.26, 0.25, 0.33, 0.26, 0.25, 0.33)
_TYPICAL_RANK = 4  # the sigma of the joints that are seen: that of the joint with the 4th smallest in the frame
_WIDE = 4.0  # a sigma this many times that has a quarter of the weight
_NEAREST = 0.1  # of a unit ray's depth in the view: rays more than 84 degrees off the axis stay in front of the camera
_SMALLEST_SIZE = 1e-4  # a person 10 km away
_SMALLEST_SIGMA = 1e-4  # in the view: 0.1 mm


@dataclass(frozen=True)
class PersonView:
    """B clips of T frames in the person-centred view.

    kernels: (B, T, 17, K, 5) weight, mean u, v and sigma u, v in the view. context: (B, T, 4), see `CONTEXT`; the speed is how
    fast the person moves across the view of this frame, asinh of the zoomed view's units per second. rotation: (B, T, 3, 3),
    camera frame to view. size: (B,), what the view was divided by. Padded frames hold finite numbers without meaning.
    """

    kernels: Tensor
    context: Tensor
    rotation: Tensor
    size: Tensor

    def to_view(self, pose: Tensor) -> Tensor:
        """Poses (B, T, J, 3) from the camera frame to the view's."""
        return _rotate(self.rotation[:, :, None], pose)

    def to_camera(self, pose: Tensor) -> Tensor:
        """Poses (B, T, J, 3) from the view's frame to the camera's."""
        return _rotate(self.rotation.transpose(-1, -2)[:, :, None], pose)


def person_view(mixture: Tensor, intrinsic: Tensor, time: Tensor, valid: Tensor) -> PersonView:
    """Every clip as seen by cameras turned towards its person.

    mixture: (B, T, 17, K, 5) in normalised screen units. intrinsic: (B, 9) or (B, T, 9), see `Camera.intrinsic`. time: (B, T)
    seconds. valid: (B, T) bool, False for padding. A joint whose sigma is wide beside those of the joints that were seen has
    next to no weight in the torso's ray and in the size. Works in the type of the mixture, which should be float32 or more.
    """
    mixture = torch.where(valid[..., None, None, None], mixture, _padding(mixture))
    time = torch.where(valid, time, 0)
    lens = intrinsic[:, None] if intrinsic.dim() == 2 else intrinsic  # (B, 1 or T, 9)
    lens = torch.where(valid[..., None], lens, _ideal_lens(lens))
    weight, rays, sigma = _unit_rays(mixture, lens[:, :, None, None])
    joints, spread = _joint_rays(weight, rays, sigma)
    confidence = _confidence(spread, valid)  # (B, T, 17)

    torso = (confidence[..., _TORSO, None] * joints[..., _TORSO, :]).sum(-2)
    torso = torch.nn.functional.normalize(torso, dim=-1)  # (B, T, 3)
    rotation = _towards(torso)
    size = _size(_on_plane(_rotate(rotation[:, :, None], joints)), confidence, valid)

    turned = _rotate(rotation[:, :, None, None], rays)
    depth = turned[..., 2:].clamp_min(_NEAREST)
    scale = size[:, None, None, None, None]
    mean = _on_plane(turned) / scale
    sigma = (sigma * depth**-1.5 / scale).clamp_min(_SMALLEST_SIGMA)
    speed, known = _speed(rotation, torso, size, time, valid)
    log_size = size.log()[:, None, None].expand(*time.shape, 1)
    context = torch.cat([log_size, speed.asinh(), known[..., None].to(speed.dtype)], -1)
    return PersonView(torch.cat([weight, mean, sigma], -1), context, rotation, size)


def rays_on_plane(screen: Tensor, intrinsic: Tensor) -> Tensor:
    """Where the rays of screen positions (..., 2) meet the plane z = 1 of the camera frame, distortion undone.

    intrinsic broadcasts against (..., 9). Where the model of the lens has no inverse, far outside the image, the distorted
    ray is returned: finite for any input.
    """
    focal, centre = intrinsic[..., :2], intrinsic[..., 2:4]
    flat = (screen - centre) / focal
    # A look at the lenses is nothing beside twenty steps over all kernels; on a GPU it would make the host wait.
    if not screen.is_cuda and not bool(intrinsic[..., 4:].any()):
        return flat
    ideal = (undistort(screen, intrinsic) - centre) / focal
    inverted = ideal.isfinite().all(-1, keepdim=True) & (ideal.abs() < 2 * flat.abs() + 1).all(-1, keepdim=True)
    return torch.where(inverted, ideal, flat)


def assumed_intrinsic(width: int, height: int, field_of_view: float | None = None) -> np.ndarray:
    """(9,) float64, laid out as `Camera.intrinsic`: of `assumed_camera`."""
    return assumed_camera(width, height, field_of_view).intrinsic


def assumed_camera(width: int, height: int, field_of_view: float | None = None) -> Camera:
    """A camera of which nothing but the image's size is known, at the origin.

    The principal point is in the middle. The focal length in pixels is the image's diagonal (as in CLIFF, arXiv 2208.00571),
    or follows from a horizontal field of view in degrees. Raises InputError for sizes and angles that no camera has.
    """
    if width < 1 or height < 1:
        raise InputError(f"image size is {width} x {height}, expected at least 1 pixel each way")
    if field_of_view is None:
        field_of_view = 2 * math.degrees(math.atan(width / 2 / math.hypot(width, height)))
    return Camera.from_field_of_view(field_of_view, width, height)


def _padding(mixture: Tensor) -> Tensor:
    """(K, 5): a joint in the middle of the image, for frames that do not exist."""
    kernels = mixture.shape[-2]
    return mixture.new_tensor([1 / kernels, 0, 0, 1, 1]).expand(kernels, 5)


def _ideal_lens(lens: Tensor) -> Tensor:
    return lens.new_tensor([1, 1, 0, 0, 0, 0, 0, 0, 0])


def _unit_rays(mixture: Tensor, lens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (..., 1), unit rays (..., 3) and sigmas in radians (..., 2) of kernels. lens broadcasts against (..., 9)."""
    weight, mean, sigma = mixture.split((1, 2, 2), -1)
    flat = rays_on_plane(mean, lens)
    rays = torch.cat([flat, torch.ones_like(flat[..., :1])], -1)
    length = rays.norm(dim=-1, keepdim=True)
    total = weight.sum(-2, keepdim=True)
    weight = torch.where(total > 0, weight / total.clamp_min(torch.finfo(weight.dtype).tiny), 1 / weight.shape[-2])
    return weight, rays / length, sigma / lens[..., :2] * length**-1.5


def _joint_rays(weight: Tensor, rays: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Unit ray (B, T, 17, 3) and standard deviation in radians (B, T, 17) of each joint's whole mixture."""
    mean = (weight * rays).sum(-2)
    within = (weight[..., 0] * sigma.square().mean(-1)).sum(-1)
    between = (weight[..., 0] * (rays - mean[..., None, :]).square().sum(-1)).sum(-1)
    return torch.nn.functional.normalize(mean, dim=-1), (within + between / 2).sqrt()


def _confidence(spread: Tensor, valid: Tensor) -> Tensor:
    """Weight of each joint, (B, T, 17): about 1 where it was seen as well as others, next to 0 where its sigma is wide.

    What counts as wide follows from the clip's own best seen joints, so it depends on no resolution.
    """
    best = spread.topk(_TYPICAL_RANK, dim=-1, largest=False).values[..., -1]  # (B, T)
    typical = _quantile(best, valid.to(spread.dtype), 0.25)[:, None, None]
    ratio = spread / (_WIDE * typical).clamp_min(torch.finfo(spread.dtype).tiny)
    return (1 + ratio.clamp_max(1e3).square()) ** -2


def _towards(ray: Tensor) -> Tensor:
    """Rotations (..., 3, 3) that turn unit rays (..., 3) onto the z axis: about y, then about the new x."""
    x, y, z = ray.unbind(-1)
    across = (x.square() + z.square()).sqrt().clamp_min(torch.finfo(ray.dtype).eps)
    right = torch.stack([z / across, torch.zeros_like(x), -x / across], -1)
    down = torch.stack([-x * y / across, across, -y * z / across], -1)
    return torch.stack([right, down, ray], -2)


def _rotate(rotation: Tensor, points: Tensor) -> Tensor:
    """Points (..., 3) by rotations (..., 3, 3). Written out: a matrix product would be rounded to TF32 or bfloat16 where
    those are on, and a sum over nine products of each point takes five times as long.
    """
    x, y, z = points.split(1, -1)
    return rotation[..., 0] * x + rotation[..., 1] * y + rotation[..., 2] * z


def _on_plane(rays: Tensor) -> Tensor:
    return rays[..., :2] / rays[..., 2:].clamp_min(_NEAREST)


def _size(joints: Tensor, confidence: Tensor, valid: Tensor) -> Tensor:
    """The clip's size (B,): the median over frames of the extent of the joints seen, beside that of the same joints of a
    standing person. joints: (B, T, 17, 2) in the turned view.
    """
    extent = joints.new_tensor(_EXTENT_M).square()
    expected = (confidence * extent).sum(-1)  # (B, T)
    found = (confidence * joints.square().sum(-1)).sum(-1)
    size = (found / expected).sqrt()
    return _quantile(size, expected * valid, 0.5).clamp_min(_SMALLEST_SIZE)


def _quantile(values: Tensor, weight: Tensor, share: float) -> Tensor:
    """The smallest of each row's values (B, T) up to which `share` of the row's weight (B, T) lies. Returns (B,)."""
    values, order = values.sort(dim=1)
    cumulative = weight.gather(1, order).cumsum(1)
    index = (cumulative < share * cumulative[:, -1:]).sum(1, keepdim=True).clamp_max(values.shape[1] - 1)
    return values.gather(1, index)[:, 0]


def _speed(rotation: Tensor, torso: Tensor, size: Tensor, time: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """How fast the torso moves across each frame's view, (B, T, 2) in units of the zoomed view per second, and where that is
    known, (B, T): the mean of the differences to the frame before and to the next, as far as they exist.
    """
    gap = time.diff(dim=1)  # (B, T - 1)
    linked = valid[:, 1:] & valid[:, :-1] & (gap.abs() > 1e-6)
    per_second = (linked / torch.where(linked, gap, 1))[..., None] / size[:, None, None]
    ahead = _on_plane(_rotate(rotation[:, :-1], torso[:, 1:])) * per_second
    behind = -_on_plane(_rotate(rotation[:, 1:], torso[:, :-1])) * per_second
    pad = torch.nn.functional.pad
    count = pad(linked, (0, 1)).to(torso.dtype) + pad(linked, (1, 0)).to(torso.dtype)
    total = pad(ahead, (0, 0, 0, 1)) + pad(behind, (0, 0, 1, 0))
    return total / count.clamp_min(1)[..., None], count > 0
