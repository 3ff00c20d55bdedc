"""Motion capture of any skeleton to sequences: joints to our 17, units and axes to metres with z up, virtual cameras.

A reader gives `Motion`, the joints of one file by name. A joint map says which of them make up each of the 17. Where the
config does not state them, the unit is the one that makes the person between 1.1 and 2.1 m tall, and up is found by `up_axis`;
if that is in doubt, it is an error. What is read and looks wrong all the same (`plausibility`) is a warning. The motion is
resampled, set down in the middle of a camera rig and seen by a simulated detector.
"""

from __future__ import annotations

import functools
import logging
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from pose_diffusion.config import MocapConfig
from pose_diffusion.data.sequence import LazySequence, PoseSequence, Source
from pose_diffusion.data.sources.inputs import Inputs, map_inputs
from pose_diffusion.data.sources.motion import camera_rig, joint_map, plausibility
from pose_diffusion.data.sources.motion.joint_map import Ends
from pose_diffusion.data.sources.motion.simulated_detector import detect
from pose_diffusion.data.sources.motion.up_axis import UpAxis, decide, up_axis, z_up
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.geometry.skeleton import EDGES, JOINTS, ROOT
from pose_diffusion.runtime.executor import Executor, LocalExecutor

log = logging.getLogger(__name__)

_METRES = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001, "inches": 0.0254, "cmu": 0.0254 / 0.45}
_METRES_OF_INTEGERS = {"quarter_millimetres": 0.00025}  # a person's reach in 16 bits; no unit of a file with fractions
_TALL = (1.1, 2.1)  # metres from ankle to head along the bones, child to giant
_AT = {name: number for number, name in enumerate(JOINTS)}
_FEET, _HEAD, _NECK = [_AT["RFoot"], _AT["LFoot"]], _AT["Head"], _AT["Neck/Nose"]
_ANKLE = 0.08  # metres over the floor
_NO_HEAD, _HEAD_LENGTH = 0.05, 0.15  # lengths of a leg: below which a head is none, and how long one is (12 cm on 82 cm)


@dataclass(frozen=True)
class Motion:
    """names: of the joints. positions: (T, joints, 3) in file units. fps: frames a second.

    ends: where on the bone of its name a joint stands. rest: (joints, 3), positions with all rotations at zero, where known.
    """

    names: list[str]
    positions: np.ndarray
    fps: float
    ends: Ends = "near"
    rest: np.ndarray | None = None


Reader = Callable[..., Motion]


@dataclass(frozen=True)
class Recording:
    """A recording of the input. arguments: what its reader takes. split: where the input states it."""

    subject: str
    action: str
    arguments: tuple
    split: Literal["train", "test"] | None = None


@dataclass(frozen=True)
class _Seen:
    """What is known of a file before its clips are planned. skeleton: the names of its joints. warnings: a line each."""

    rows: int
    up: UpAxis
    skeleton: str
    warnings: tuple[str, ...]


def motion_source(
    tool: str, inputs: Inputs, settings: MocapConfig, executor: Executor, recordings: Mapping[str, Recording], read: Reader
) -> Source:
    """A sequence a recording and camera. recordings: by their place for errors, the file's path or more.

    Each is read once to check and count it, by the executor, and again where its sequence is loaded, so that memory does not
    grow with the archive. Raises InputError for bad files.
    """
    cameras = camera_rig.cameras(settings)
    _world.cache_clear()  # the files may have changed since
    sequences, described, skipped = list[LazySequence](), dict[str, dict](), list[str]()
    look = partial(_look, read, settings, tool)
    arguments = [(where, recording.arguments) for where, recording in recordings.items()]
    seen = {where: one for (where, _), one in map_inputs(inputs, look, arguments, executor, skipped)}
    axes = dict(zip(seen, decide([one.up for one in seen.values()], [one.skeleton for one in seen.values()]), strict=True))
    for where, axis in map_inputs(inputs, partial(_decided, tool, axes), list(seen), LocalExecutor(), skipped):
        for warning in seen[where].warnings:
            log.warning("prepare: %s", warning)
        one = recordings[where]
        upright = settings.model_copy(update={"up": axis})
        for name, camera in cameras.items():
            load = partial(_load, one, name, camera, where, read, upright, inputs.seed)
            sequences.append(LazySequence(one.subject, one.action, name, seen[where].rows, load, split=one.split))
            described[f"{one.subject}/{name}"] = camera.to_dict()
    return Source(sequences, settings.kernels, described, {"converter": tool, **settings.model_dump(mode="json")}, skipped)


def of_files(inputs: Inputs, settings: MocapConfig, files: Mapping[str, tuple]) -> dict[str, Recording]:
    """A recording a file: its folder is the subject, its name the action. files: for each path, what the reader takes."""
    recordings = {}
    for path, arguments in files.items():
        folder, _, action = inputs.stem(path).rpartition("/")
        recordings[path] = Recording(folder or settings.subject, action, arguments)
    return recordings


def rotation(axis: int, angle: np.ndarray) -> np.ndarray:
    """Rotations (..., 3, 3) about a coordinate axis, right-handed, column vectors."""
    a, b = (axis + 1) % 3, (axis + 2) % 3
    turn = np.zeros((*np.shape(angle), 3, 3))
    turn[..., axis, axis] = 1
    turn[..., a, a] = turn[..., b, b] = np.cos(angle)
    turn[..., b, a] = np.sin(angle)
    turn[..., a, b] = -turn[..., b, a]
    return turn


def _look(read: Reader, settings: MocapConfig, tool: str, recording: tuple[str, tuple]) -> _Seen:
    where, arguments = recording
    motion = read(*arguments)
    points, rest, note = _seventeen(where, motion, settings)
    up = UpAxis(settings.up, sure=True) if settings.up != "auto" else up_axis(points, rest)
    warnings = plausibility.warnings(points, motion.fps, tool)
    warnings = [f"{where}: {line}" for line in [*note, *warnings]]
    return _Seen(_rows(len(points), motion.fps, settings.fps), up, " ".join(motion.names), tuple(warnings))


def _decided(tool: str, axes: Mapping[str, str | None], where: str) -> str:
    axis = axes[where]
    if axis is None:
        raise InputError(
            f"{where}: which axis points up cannot be told (not from the rest pose, the motion, the floor or the other files);"
            f" state it, such as {tool}.up=y"
        )
    return axis


def _load(
    recording: Recording, name: str, camera: Camera, where: str, read: Reader, settings: MocapConfig, seed: int
) -> PoseSequence:
    subject, action = recording.subject, recording.action
    points = camera.to_camera(_world(where, read, recording.arguments, settings))
    rng = np.random.default_rng([seed, zlib.crc32(f"{subject}/{action}/{name}".encode())])
    mixture = detect(points, camera, settings.kernels, rng)
    pose = (points - points[:, ROOT, None]).astype(np.float32)
    frame = np.arange(len(points), dtype=np.int32)
    root = points[:, ROOT].astype(np.float32)
    return PoseSequence(subject, action, name, frame, mixture, camera.width, camera.height, pose, root)


@functools.lru_cache(maxsize=2)  # the cameras of a clip follow each other
def _world(where: str, read: Reader, arguments: tuple, settings: MocapConfig) -> np.ndarray:
    """(T, 17, 3) metres, z up, in the middle of the rig, at the config's frame rate. settings: with the up axis stated."""
    motion = read(*arguments)
    points, _, _ = _seventeen(where, motion, settings)
    points = z_up(points, settings.up)
    points = _resample(points, motion.fps, settings.fps)
    points[..., 2] += _lift(points)
    path = points[:, ROOT, :2].copy()
    centre = camera_rig.middle(camera_rig.cameras(settings).values()) if settings.cameras == "human36m" else np.zeros(2)
    points[..., :2] += (camera_rig.inside(path - path.mean(0), settings.walk_radius) + centre - path)[:, None]
    return points


def _seventeen(where: str, motion: Motion, settings: MocapConfig) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    """The 17 over time (T, 17, 3) and at rest (17, 3), metres, and a line where the head's end is not the file's."""
    rows = joint_map.match(where, motion.names, motion.ends, settings.joints).rows
    points = _joined(motion.positions, rows)
    metres = _unit(where, points, motion.positions.dtype.kind in "iu", settings)
    points = points * metres
    rest = None if motion.rest is None else metres * _joined(motion.rest[None], rows)
    leg = float(sum(np.linalg.norm(points[0, _AT[a]] - points[0, _AT[b]]) for a, b in (("LKnee", "LHip"), ("LFoot", "LKnee"))))
    if np.median(np.linalg.norm(points[:, _HEAD] - points[:, _NECK], axis=-1)) >= _NO_HEAD * leg:
        return points, None if rest is None else rest[0], []
    if (np.linalg.norm(points[:, _NECK] - points[:, _AT["Thorax"]], axis=-1) < 0.01 * leg).any():
        raise InputError(f"{where}: Head: the file does not say where the head ends, and its neck has no length to go along")
    length = _HEAD_LENGTH * leg
    for pose in (points,) if rest is None else (points, rest):
        neck = pose[:, _NECK] - pose[:, _AT["Thorax"]]
        pose[:, _HEAD] = pose[:, _NECK] + length * neck / np.linalg.norm(neck, axis=-1, keepdims=True).clip(1e-9)
    note = f"Head: the file does not say where the head ends; it is set {100 * length:.0f} cm beyond the neck, along it"
    return points, None if rest is None else rest[0], [note]


def _joined(positions: np.ndarray, rows: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """Means of joints, (T, joints, 3) to (T, 17, 3); a head without any is where the neck ends."""
    rows = tuple(row or rows[_NECK] for row in rows)
    return np.stack([positions[:, list(row)].mean(1) for row in rows], axis=1)


def _unit(where: str, points: np.ndarray, of_integers: bool, settings: MocapConfig) -> float:
    """Metres of a file unit. of_integers: whether the file has whole numbers."""
    if settings.unit != "auto":
        return (_METRES | _METRES_OF_INTEGERS)[settings.unit]
    units = _METRES | _METRES_OF_INTEGERS if of_integers else _METRES
    length = {child: np.linalg.norm(points[0, child] - points[0, parent]) for parent, child in EDGES}
    tall = float(sum(length[JOINTS.index(joint)] for joint in ("LKnee", "LFoot", "Spine", "Thorax", "Neck/Nose", "Head")))
    fitting = [name for name, metres in units.items() if _TALL[0] <= tall * metres <= _TALL[1]]
    if len(fitting) != 1:
        raise InputError(
            f"{where}: a person {tall:g} units tall, in no known unit: joints that are not where their names say, or state"
            f" 'unit', one of {', '.join(units)}"
        )
    return units[fitting[0]]


def _lift(points: np.ndarray) -> float:
    """Metres that bring the lower ankle to its height, or further, where another joint would be below the floor then."""
    ankles = _ANKLE - np.percentile(points[:, _FEET, 2].min(1), 2)
    return float(max(ankles, -np.percentile(points[..., 2].min(1), 2)))


def _rows(frames: int, fps: float, wanted: float) -> int:
    return int((frames - 1) / fps * wanted + 1e-6) + 1


def _resample(points: np.ndarray, fps: float, wanted: float) -> np.ndarray:
    """(T, 17, 3) at another frame rate, linearly between frames."""
    at = np.arange(_rows(len(points), fps, wanted)) * fps / wanted
    before = np.minimum(at.astype(int), len(points) - 1)
    after = np.minimum(before + 1, len(points) - 1)
    share = (at - before)[:, None, None]
    return (1 - share) * points[before] + share * points[after]
