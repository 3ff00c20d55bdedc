"""Biovision Hierarchy (.bvh): a skeleton of offsets, then a line of channel values a frame.

A joint's rotation is the product of its rotation channels in the order they are listed (R = R_first R_second R_third,
column vectors), about the axes of its parent; position channels stand in place of the offset. An end site is taken for a
joint named '<parent>_end'. A joint stands at the near end of the bone of its name. Blender writes an armature of several
root bones below a ROOT of 'CHANNELS 0'. (Described by M. Meredith and S. Maddock, Motion Capture File Formats Explained, 2001.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pose_diffusion import storage
from pose_diffusion.config import BvhConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources.file_format import RIG, FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.motion.mocap import Motion, motion_source, of_files, rotation
from pose_diffusion.data.sources.sample import Sample, Seen
from pose_diffusion.errors import InputError
from pose_diffusion.runtime.executor import Executor

_CHANNELS = {f"{axis}{kind}".lower() for axis in "xyz" for kind in ("position", "rotation")}
_MOST_JOINTS = 10_000
_LARGEST = 1e6  # file units or degrees

FORMATS = (
    FileFormat(
        "motion capture: Mixamo, CMU, Blender, MotionBuilder, Rokoko, Xsens, ...", ".bvh, a file a recording", RIG,
        "one person a file", ("bvh.joints: a shipped map or one of your own",),
    ),
)  # fmt: skip


@dataclass
class _Joint:
    name: str
    parent: int
    offset: np.ndarray | None = None
    channels: list[str] | None = None
    is_end: bool = False


def open_source(inputs: Inputs, settings: BvhConfig, executor: Executor) -> Source:
    """A sequence a file and camera. Raises InputError for bad files."""
    files = {path: (settings.source_fps, path) for path in inputs.files(".bvh")}
    return motion_source("bvh", inputs, settings, executor, of_files(inputs, settings, files), _read_at)


def _read_at(fps: float | None, path: str) -> Motion:
    """As `read`, at another frame rate than the file says, unless fps is None."""
    motion = read(path)
    return motion if fps is None else replace(motion, fps=fps)


def recognise(sample: Sample) -> Seen | None:
    """A file that begins with HIERARCHY."""
    if sample.suffix != ".bvh" or not sample.text.lstrip().upper().startswith("HIERARCHY"):
        return None
    return Seen("BVH motion capture", "a file that begins with HIERARCHY")


def read(path: str) -> Motion:
    """The joints of one file over time. Raises InputError with the line for anything that is not BVH."""
    lines = storage.read_bytes(path).decode("utf-8", "replace").splitlines()
    joints, start = _hierarchy(path, lines)
    values, seconds = _motion(path, lines, start, sum(len(joint.channels or ()) for joint in joints))
    rest = _positions(joints, np.zeros((1, values.shape[1])), at_rest=True)[0]
    return Motion([joint.name for joint in joints], _positions(joints, values), 1 / seconds, "near", rest)


def _hierarchy(path: str, lines: list[str]) -> tuple[list[_Joint], int]:
    """The joints, parents first, and the number of the line after MOTION."""
    joints: list[_Joint] = []
    open_joints: list[int] = []
    names: set[str] = set()
    waiting: _Joint | None = None  # named, its '{' not yet read
    for number, line in enumerate(lines, 1):
        where = f"{path}: line {number}"
        words = line.replace("{", " { ").replace("}", " } ").split()
        while words:
            word = words.pop(0).upper()
            if waiting is not None and word != "{":
                raise InputError(f"{where}: expected '{{' after '{waiting.name}', got '{word[:20]}'")
            if number == 1 and word != "HIERARCHY":
                raise InputError(f"{where}: expected HIERARCHY, got '{word[:20]}'")
            if word in ("ROOT", "JOINT"):
                if not words or (word == "ROOT") != (not open_joints) or (word == "ROOT" and joints):
                    raise InputError(f"{where}: {word} out of place")
                name = " ".join(words)
                name, words = (name.split(" { ")[0].strip(), ["{"]) if "{" in words else (name, [])
                if name in names:
                    raise InputError(f"{where}: joint '{name}' is there twice")
                names.add(name)
                waiting = _Joint(name, open_joints[-1] if open_joints else -1)
            elif word == "END" and open_joints:
                words = ["{"] if "{" in words else []
                waiting = _Joint(f"{joints[open_joints[-1]].name}_end", open_joints[-1], is_end=True)
            elif word == "{" and waiting is not None:
                joints.append(waiting)
                open_joints.append(len(joints) - 1)
                waiting = None
                if len(joints) > _MOST_JOINTS:
                    raise InputError(f"{where}: more than {_MOST_JOINTS} joints")
            elif word == "}" and open_joints:
                joint = joints[open_joints.pop()]
                if joint.offset is None or (joint.channels is None and not joint.is_end):
                    raise InputError(f"{where}: joint '{joint.name}' has no {'OFFSET' if joint.offset is None else 'CHANNELS'}")
            elif word == "OFFSET" and open_joints:
                joints[open_joints[-1]].offset = _numbers(where, words[:3], 3)
                words = words[3:]
            elif word == "CHANNELS" and open_joints:
                count = int(words[0]) if words and words[0].isdecimal() and len(words[0]) < 3 else -1
                channels = [channel.lower() for channel in words[1 : 1 + count]]
                if len(channels) != count or len(set(channels)) < count or not set(channels) <= _CHANNELS:
                    raise InputError(
                        f"{where}: CHANNELS of '{joints[open_joints[-1]].name}': expected a count and its channels"
                    )
                joints[open_joints[-1]].channels = channels
                words = words[1 + count :]
            elif word == "MOTION" and joints and not open_joints:
                return joints, number
            elif word != "HIERARCHY":
                raise InputError(f"{where}: '{word[:20]}' out of place")
    raise InputError(f"{path}: ends within the HIERARCHY (no MOTION)")


def _motion(path: str, lines: list[str], start: int, channels: int) -> tuple[np.ndarray, float]:
    """(T, channels) values and the seconds of a frame."""
    body = [(number, line) for number, line in enumerate(lines[start:], start + 1) if line.strip()]
    if len(body) < 3 or not body[0][1].lower().startswith("frames:") or not body[1][1].lower().startswith("frame time:"):
        raise InputError(f"{path}: line {start + 1}: expected 'Frames:', 'Frame Time:' and frames after MOTION")
    frames = _numbers(f"{path}: line {body[0][0]}", body[0][1].split(":", 1)[1].split(), 1)[0]
    seconds = _numbers(f"{path}: line {body[1][0]}", body[1][1].split(":", 1)[1].split(), 1)[0]
    if not 1e-4 <= seconds <= 10:
        raise InputError(f"{path}: line {body[1][0]}: a frame time of {seconds:g} seconds")
    rows = body[2:]
    if len(rows) != frames:
        raise InputError(f"{path}: {len(rows)} frames, but line {body[0][0]} says {frames:g}")
    return np.stack([_numbers(f"{path}: line {number}", line.split(), channels) for number, line in rows]), float(seconds)


def _numbers(where: str, words: list[str], count: int) -> np.ndarray:
    try:
        values = np.array(words, dtype=np.float64)
    except ValueError:
        raise InputError(f"{where}: expected {count} numbers, got '{' '.join(words)[:40]}'") from None
    if len(values) != count:
        raise InputError(f"{where}: expected {count} numbers, as many as the CHANNELS above, got {len(values)}")
    if not (abs(values) <= _LARGEST).all():
        raise InputError(f"{where}: a value is not finite or beyond {_LARGEST:g}")
    return values


def _positions(joints: list[_Joint], values: np.ndarray, at_rest: bool = False) -> np.ndarray:
    """Forward kinematics: (T, joints, 3) in file units. at_rest: joints stand at their offsets, whatever their positions."""
    places = np.zeros((len(values), len(joints), 3))
    turns: list[np.ndarray] = []
    column = 0
    for index, joint in enumerate(joints):
        assert joint.offset is not None  # every joint was closed with one
        shift = np.broadcast_to(joint.offset, (len(values), 3)).copy()
        turn = np.broadcast_to(np.eye(3), (len(values), 3, 3))
        for channel in joint.channels or ():
            axis = "xyz".index(channel[0])
            if channel.endswith("position") and not at_rest:
                shift[:, axis] = values[:, column]
            elif channel.endswith("rotation"):
                turn = turn @ rotation(axis, np.radians(values[:, column]))
            column += 1
        if joint.parent < 0:
            places[:, index] = shift
        else:
            places[:, index] = places[:, joint.parent] + (turns[joint.parent] @ shift[..., None])[..., 0]
            turn = turns[joint.parent] @ turn
        turns.append(turn)
    return places
