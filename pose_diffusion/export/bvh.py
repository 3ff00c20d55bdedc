"""Biovision Hierarchy (.bvh), which Blender and other animation programs open: a file a sequence.

A skeleton of constant bone lengths, the medians of the sequence and equal on both sides, standing in a T-pose; then for each
frame the root's position and every joint's rotation (R = Rz Rx Ry, degrees). A joint with one child turns its bone by the
shortest arc; the hip and the thorax, with three, turn as fits those best (Kabsch, 1976). Axes are x to the right of the
image, y up and z towards the camera: (x, -y, -z) of the camera frame. The format is that described by M. Meredith and
S. Maddock, Motion Capture File Formats Explained, 2001.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pose_diffusion import storage
from pose_diffusion.config import ExportConfig
from pose_diffusion.export.paths import TrackPaths
from pose_diffusion.export.sequences import NAMES, PoseTrack
from pose_diffusion.geometry.skeleton import FLIP, N_JOINTS, PARENTS

CHILDREN = tuple(tuple(j for j, parent in enumerate(PARENTS) if parent == joint) for joint in range(N_JOINTS))
_UP, _DOWN, _LEFT, _RIGHT = (0, 1, 0), (0, -1, 0), (1, 0, 0), (-1, 0, 0)
# Direction from a joint's parent to it in the T-pose of a person who faces +z.
REST = np.array(
    [(0, 0, 0), _RIGHT, _DOWN, _DOWN, _LEFT, _DOWN, _DOWN, _UP, _UP, _UP, _UP, _LEFT, _LEFT, _LEFT, _RIGHT, _RIGHT, _RIGHT],
    dtype=np.float64,
)
_END = 0.25  # length of an end site, in that of the bone before it


def write(config: ExportConfig, tracks: Iterable[PoseTrack]) -> list[str]:
    """A file for each sequence; see `TrackPaths`."""
    paths = TrackPaths(config.output, ".bvh")
    for track in tracks:
        storage.publish_bytes(paths.add(track), text(track, config).encode())
    return paths.taken


def text(track: PoseTrack, config: ExportConfig) -> str:
    """A sequence as the content of a .bvh file. Frames that are missing are interpolated, so that time runs evenly."""
    positions = _evenly(track, config.root) * np.array([1, -1, -1]) * config.units_per_metre
    lengths = bone_lengths(positions)
    angles = np.degrees(euler_zxy(rotations(positions)))  # (T, 17, 3)
    frames = np.concatenate([positions[:, 0], angles.reshape(len(angles), -1)], 1)
    lines = ["HIERARCHY", *_hierarchy(0, REST * lengths[:, None], 0), "MOTION"]
    lines += [f"Frames: {len(frames)}", f"Frame Time: {track.stride / config.fps:.8f}"]
    lines += [" ".join(f"{value:.5f}" for value in frame) for frame in frames]
    return "\n".join(lines) + "\n"


def bone_lengths(positions: np.ndarray) -> np.ndarray:
    """Median length of the bone that ends in each joint, equal on both sides, 0 for the root. (T, 17, 3) -> (17,)."""
    bones = positions[:, 1:] - positions[:, PARENTS[1:]]
    lengths = np.concatenate([[0.0], np.median(np.linalg.norm(bones, axis=-1), axis=0)])
    return (lengths + lengths[list(FLIP)]) / 2


def rotations(positions: np.ndarray) -> np.ndarray:
    """Rotation of each joint in its parent's frame, from the rest pose. (T, 17, 3) -> (T, 17, 3, 3)."""
    local = np.zeros((len(positions), N_JOINTS, 3, 3))
    world = np.zeros_like(local)
    for joint, children in enumerate(CHILDREN):
        above = world[:, PARENTS[joint]] if joint else np.broadcast_to(np.eye(3), (len(positions), 3, 3))
        if children:
            bones = positions[:, children] - positions[:, [joint]]  # (T, children, 3)
            bones = bones / np.linalg.norm(bones, axis=-1, keepdims=True).clip(1e-9)
            seen = bones @ above  # in the parent's frame: above^T bone
            rest = REST[list(children)]
            local[:, joint] = shortest_arc(rest[0], seen[:, 0]) if len(children) == 1 else best_rotation(rest, seen)
        else:
            local[:, joint] = np.eye(3)
        world[:, joint] = above @ local[:, joint]
    return local


def shortest_arc(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The smallest rotation of a unit vector (3,) onto unit vectors (T, 3): I + [v] + [v]^2 / (1 + c). (T, 3, 3)."""
    axis, cosine = np.cross(start, end), end @ start
    turned = np.zeros((len(end), 3, 3))
    turned[:, [2, 0, 1], [1, 2, 0]] = axis
    turned[:, [1, 2, 0], [2, 0, 1]] = -axis
    arc = np.eye(3) + turned + turned @ turned / np.maximum(1 + cosine, 1e-9)[:, None, None]
    # Onto the opposite direction there is no shortest way: half a turn about any axis across it.
    across = np.cross(start, np.eye(3)[np.abs(start).argmin()])
    across /= np.linalg.norm(across)
    arc[cosine < -1 + 1e-9] = 2 * np.outer(across, across) - np.eye(3)
    return arc


def best_rotation(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The rotation of unit vectors (n, 3) nearest to unit vectors (T, n, 3) in least squares. (T, 3, 3)."""
    u, _, v_t = np.linalg.svd(np.swapaxes(end, -1, -2) @ start)
    sign = np.ones((len(end), 1, 3))
    sign[:, 0, 2] = np.linalg.det(u @ v_t)
    return (u * sign) @ v_t


def euler_zxy(rotation: np.ndarray) -> np.ndarray:
    """Angles (z, x, y) in radians of R = Rz Rx Ry, without jumps of whole turns over time.

    (T, joints, 3, 3) -> (T, joints, 3).
    """
    x = np.arcsin(rotation[..., 2, 1].clip(-1, 1))
    z = np.arctan2(-rotation[..., 0, 1], rotation[..., 1, 1])
    y = np.arctan2(-rotation[..., 2, 0], rotation[..., 2, 2])
    # With x at a right angle, z and y turn about one axis: all is given to z.
    locked = np.abs(rotation[..., 2, 1]) > 1 - 1e-9
    z = np.where(locked, np.arctan2(rotation[..., 1, 0], rotation[..., 0, 0]), z)
    y = np.where(locked, 0.0, y)
    return np.unwrap(np.stack([z, x, y], -1), axis=0)


def _hierarchy(joint: int, offsets: np.ndarray, depth: int) -> list[str]:
    indent, inner = "\t" * depth, "\t" * (depth + 1)
    channels = "CHANNELS 3 Zrotation Xrotation Yrotation"
    if not depth:
        channels = "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    lines = [f"{indent}{'JOINT' if depth else 'ROOT'} {NAMES[joint]}", indent + "{", inner + _offset(offsets[joint])]
    lines.append(inner + channels)
    for child in CHILDREN[joint]:
        lines += _hierarchy(child, offsets, depth + 1)
    if not CHILDREN[joint]:
        lines += [f"{inner}End Site", inner + "{", f"{inner}\t{_offset(offsets[joint] * _END)}", inner + "}"]
    return [*lines, indent + "}"]


def _offset(values: np.ndarray) -> str:
    return "OFFSET " + " ".join(f"{value + 0.0:.5f}" for value in values)


def _evenly(track: PoseTrack, root: bool) -> np.ndarray:
    """Positions at every stride from the first frame to the last, (frames, 17, 3) float64."""
    positions = track.positions(root).astype(np.float64)
    times = track.even_frames(track.stride)
    if np.array_equal(times, track.frame):
        return positions
    after = np.searchsorted(track.frame, times).clip(1, len(track.frame) - 1)
    before = after - 1
    share = (times - track.frame[before]) / (track.frame[after] - track.frame[before])
    return positions[before] + share[:, None, None] * (positions[after] - positions[before])
