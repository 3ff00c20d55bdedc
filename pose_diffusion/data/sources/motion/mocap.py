"""Motion capture of any skeleton to sequences: joints to our 17, units and axes to metres with z up, virtual cameras.

A reader gives `Motion`, the joints of one file by name. A joint map (YAML; shipped: cmu, mixamo, generic) says which of
them make up each of the 17. Where the config does not state them, the unit is the one that makes the person between 1.1
and 2.1 m tall, and up is the axis from feet to head; if that is in doubt, it is an error. The motion is resampled, set down
in the middle of a camera rig and seen by a simulated detector.
"""

from __future__ import annotations

import functools
import re
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import yaml

from pose_diffusion import storage
from pose_diffusion.config import MocapConfig
from pose_diffusion.data.sequence import LazySequence, PoseSequence, Source
from pose_diffusion.data.sources.inputs import Inputs, map_inputs
from pose_diffusion.data.sources.motion import camera_rig
from pose_diffusion.data.sources.motion.simulated_detector import detect
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.geometry.layouts import simplified
from pose_diffusion.geometry.skeleton import EDGES, JOINTS, ROOT
from pose_diffusion.runtime.executor import Executor

_MAPS = ("cmu", "mixamo", "generic")
_METRES = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001, "inches": 0.0254, "cmu": 0.0254 / 0.45}
_TALL = (1.1, 2.1)  # metres from ankle to head along the bones, child to giant
_FEET = [JOINTS.index("RFoot"), JOINTS.index("LFoot")]
_SHARED = 0.7  # of the names, which must have the same prefix for it to be none of their own
_ANKLE = 0.08  # metres over the floor
_UPRIGHT = 0.8  # share of the way from feet to head that the up axis must have


@dataclass(frozen=True)
class Motion:
    """names: of the joints. positions: (T, joints, 3) in file units. fps: frames a second."""

    names: list[str]
    positions: np.ndarray
    fps: float


Reader = Callable[..., Motion]


def motion_source(
    tool: str, inputs: Inputs, settings: MocapConfig, executor: Executor, files: Mapping[str, tuple], read: Reader
) -> Source:
    """A sequence a file and camera. files: for each path, what `read` takes.

    Each file is read once to check and count it, by the executor, and again where its sequence is loaded, so that memory does
    not grow with the archive. Raises InputError for bad files.
    """
    cameras = camera_rig.cameras(settings)
    _world.cache_clear()  # the files may have changed since
    sequences, described, skipped = list[LazySequence](), dict[str, dict](), list[str]()
    count = partial(_count, read, settings)
    for (path, arguments), rows in map_inputs(inputs, count, list(files.items()), executor, skipped):
        folder, _, action = inputs.stem(path).rpartition("/")
        subject = folder or settings.subject
        for name, camera in cameras.items():
            load = partial(_load, subject, action, name, camera, read, arguments, settings, inputs.seed)
            sequences.append(LazySequence(subject, action, name, rows, load))
            described[f"{subject}/{name}"] = camera.to_dict()
    return Source(sequences, settings.kernels, described, {"converter": tool, **settings.model_dump(mode="json")}, skipped)


def rotation(axis: int, angle: np.ndarray) -> np.ndarray:
    """Rotations (..., 3, 3) about a coordinate axis, right-handed, column vectors."""
    a, b = (axis + 1) % 3, (axis + 2) % 3
    turn = np.zeros((*np.shape(angle), 3, 3))
    turn[..., axis, axis] = 1
    turn[..., a, a] = turn[..., b, b] = np.cos(angle)
    turn[..., b, a] = np.sin(angle)
    turn[..., a, b] = -turn[..., b, a]
    return turn


def _count(read: Reader, settings: MocapConfig, file: tuple[str, tuple]) -> int:
    return len(_world(read, file[1], settings))


def _load(
    subject: str, action: str, name: str, camera: Camera, read: Reader, arguments: tuple, settings: MocapConfig, seed: int
) -> PoseSequence:
    points = camera.to_camera(_world(read, arguments, settings))
    rng = np.random.default_rng([seed, zlib.crc32(f"{subject}/{action}/{name}".encode())])
    mixture = detect(points, camera, settings.kernels, rng)
    pose = (points - points[:, ROOT, None]).astype(np.float32)
    frame = np.arange(len(points), dtype=np.int32)
    root = points[:, ROOT].astype(np.float32)
    return PoseSequence(subject, action, name, frame, mixture, camera.width, camera.height, pose, root)


@functools.lru_cache(maxsize=2)  # the cameras of a clip follow each other
def _world(read: Reader, arguments: tuple, settings: MocapConfig) -> np.ndarray:
    """(T, 17, 3) metres, z up, in the middle of the rig, at the config's frame rate."""
    where = arguments[-1]
    motion = read(*arguments)
    points = _map_joints(where, motion, settings)
    points = points * _unit(where, points, settings)
    points = _z_up(where, points, settings)
    points = _resample(points, motion.fps, settings.fps)
    points[..., 2] += _ANKLE - np.percentile(points[:, _FEET, 2].min(1), 2)
    path = points[:, ROOT, :2].copy()
    centre = camera_rig.middle(camera_rig.cameras(settings).values()) if settings.cameras == "human36m" else np.zeros(2)
    points[..., :2] += (camera_rig.inside(path - path.mean(0), settings.walk_radius) + centre - path)[:, None]
    return points


def _map_joints(where: str, motion: Motion, settings: MocapConfig) -> np.ndarray:
    prefix = _prefix(motion.names)
    places = {simplified(name.removeprefix(start)): i for start in (prefix, "") for i, name in enumerate(motion.names)}
    tries = {}
    for name in _MAPS if settings.joints == "auto" else (settings.joints,):
        rows = [[_find(part, places) for part in parts] for parts in joint_map(name).values()]
        lacking = [joint for joint, row in zip(JOINTS, rows, strict=True) if None in row]
        if not lacking:
            found = [[index for index in row if index is not None] for row in rows]
            return np.stack([motion.positions[:, row].mean(1) for row in found], axis=1)
        tries[name] = lacking
    closest = min(tries, key=lambda name: len(tries[name]))
    wanted = " and ".join(joint_map(closest)[tries[closest][0]])
    has = ", ".join(motion.names[:8])
    raise InputError(
        f"{where}: joint map '{closest}': no joint for {tries[closest][0]} (looked for {wanted}); the file has {has}, ..."
    )


def _prefix(names: list[str]) -> str:
    """What most names begin with before a colon, a space or an underscore, such as 'mixamorig:' or 'Bip01 '; '' if nothing."""
    found = Counter(match[0] for name in names if (match := re.match(r"[^:\s_]*[:\s_]", name)))
    prefix, count = found.most_common(1)[0] if found else ("", 0)
    return prefix if count > _SHARED * len(names) else ""


def _find(part: str, places: dict[str, int]) -> int | None:
    return next((places[simplified(name)] for name in part.split("|") if simplified(name) in places), None)


@functools.lru_cache(maxsize=8)
def joint_map(name: str) -> dict[str, list[str]]:
    """A shipped map by its name, or a YAML file: for each of the 17 joints the names whose mean it is."""
    path = str(Path(__file__).parent / "joint_maps" / f"{name}.yaml") if name in _MAPS else name
    try:
        content = yaml.safe_load(storage.read_bytes(path))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(content, dict) or set(content) != set(JOINTS):
        lacking = [joint for joint in JOINTS if not isinstance(content, dict) or joint not in content]
        what = f"no '{lacking[0]}'" if lacking else "keys that are none of the 17 joints"
        raise InputError(f"{path}: {what}; expected {', '.join(JOINTS)}")
    for joint, parts in content.items():
        if not isinstance(parts, list) or not parts or not all(isinstance(part, str) for part in parts):
            raise InputError(f"{path}: key '{joint}': expected a list of joint names")
    return {joint: content[joint] for joint in JOINTS}


def _unit(where: str, points: np.ndarray, settings: MocapConfig) -> float:
    """Metres of a file unit."""
    if settings.unit != "auto":
        return _METRES[settings.unit]
    length = {child: np.linalg.norm(points[0, child] - points[0, parent]) for parent, child in EDGES}
    tall = float(sum(length[JOINTS.index(joint)] for joint in ("LKnee", "LFoot", "Spine", "Thorax", "Neck/Nose", "Head")))
    fitting = [name for name, metres in _METRES.items() if _TALL[0] <= tall * metres <= _TALL[1]]
    if len(fitting) != 1:
        raise InputError(f"{where}: a person {tall:g} units tall, in no known unit; set the section's 'unit'")
    return _METRES[fitting[0]]


def _z_up(where: str, points: np.ndarray, settings: MocapConfig) -> np.ndarray:
    """A right-handed turn that brings the up axis to z."""
    up: str = settings.up
    if up == "auto":
        rise = (points[:, JOINTS.index("Head")] - points[:, _FEET].mean(1)).mean(0)
        rise /= max(float(np.linalg.norm(rise)), 1e-9)
        axis = int(np.argmax(abs(rise)))
        if abs(rise[axis]) < _UPRIGHT:
            raise InputError(f"{where}: the person is not upright, so the up axis cannot be told; set the section's 'up'")
        up = ("-" if rise[axis] < 0 else "") + "xyz"[axis]
    axis = "xyz".index(up[-1])
    sign = -1.0 if up.startswith("-") else 1.0
    others = [(axis + 1) % 3, (axis + 2) % 3]  # with the axis, right-handed
    turned = np.stack([points[..., others[0]], points[..., others[1]], points[..., axis]], axis=-1)
    return turned * [sign, 1.0, sign]


def _resample(points: np.ndarray, fps: float, wanted: float) -> np.ndarray:
    """(T, 17, 3) at another frame rate, linearly between frames."""
    at = np.arange(int((len(points) - 1) / fps * wanted + 1e-6) + 1) * fps / wanted
    before = np.minimum(at.astype(int), len(points) - 1)
    after = np.minimum(before + 1, len(points) - 1)
    share = (at - before)[:, None, None]
    return (1 - share) * points[before] + share * points[after]
