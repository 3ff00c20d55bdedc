"""Acclaim skeleton (.asf) and motion (.amc), as the CMU Graphics Lab's database has them.

At rest a bone points along `direction` (world axes) for `length`, with C the rotation of its `axis`. With M the rotation of
its values in a frame, its rotation from rest is R = R_parent C M C^-1, and it ends at start + R direction length. Angles
are applied about fixed axes in the order given (XYZ: R = Rz Ry Rx). A joint here is a bone's far end, by the bone's name.
(Acclaim's format as described by J. Lander, Working with Motion Capture File Formats, Game Developer, 1998.)
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np

from pose_diffusion import storage
from pose_diffusion.config import AsfAmcConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources.file_format import RIG, FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.motion.mocap import Motion, motion_source, of_files, rotation
from pose_diffusion.data.sources.sample import Sample, Seen
from pose_diffusion.errors import InputError
from pose_diffusion.runtime.executor import Executor

log = logging.getLogger(__name__)
_LARGEST = 1e6

FORMATS = (
    FileFormat(
        "motion capture: CMU's database and others in Acclaim's format", ".asf skeletons with .amc motion", RIG,
        "one person a file", ("asf_amc.joints: a shipped map or one of your own",),
    ),
)  # fmt: skip


@dataclass
class _Bone:
    name: str
    direction: np.ndarray = field(default_factory=lambda: np.zeros(3))
    length: float = 0.0
    axis: np.ndarray = field(default_factory=lambda: np.eye(3))
    dof: list[str] = field(default_factory=list)
    parent: str = ""


def open_source(inputs: Inputs, settings: AsfAmcConfig, executor: Executor) -> Source:
    """A sequence an AMC file and camera; '07_01.amc' goes with '07.asf', or with the one ASF file of its folder."""
    paths = inputs.files(".asf", ".amc")
    motions = [path for path in paths if path.lower().endswith(".amc")]
    if not motions:
        raise InputError(f"{inputs.path}: a skeleton (.asf) without motion; give an .amc file, or a folder with both")
    skeletons = [path for path in paths if path.lower().endswith(".asf")]
    if paths == [inputs.path]:
        skeletons = _beside(inputs.path)
    files = {path: (settings.source_fps, _skeleton(path, skeletons), path) for path in motions}
    return motion_source("asf_amc", inputs, settings, executor, of_files(inputs, settings, files), read)


def recognise(sample: Sample) -> Seen | None:
    """A skeleton with bonedata, or motion with Acclaim's keywords."""
    text = sample.text.lower()
    if sample.suffix == ".asf" and ":bonedata" in text:
        return Seen("ASF/AMC motion capture", "a skeleton with ':bonedata'")
    if sample.suffix == ".amc" and (":fully-specified" in text or ":degrees" in text):
        return Seen("ASF/AMC motion capture", "motion with ':FULLY-SPECIFIED' or ':DEGREES'")
    return None


def read(fps: float, skeleton: str, motion: str) -> Motion:
    """The far ends of all bones over time. Raises InputError with the line for anything that is not ASF or AMC."""
    bones = _asf(skeleton)
    values = _amc(motion, bones)
    rest = _positions(bones, {name: np.zeros((1, len(bone.dof))) for name, bone in bones.items()})[0]
    return Motion(list(bones), _positions(bones, values), fps, "far", rest)


def _beside(motion: str) -> list[str]:
    """The skeletons in a file's folder."""
    folder, slash, _ = motion.rpartition("/")
    names = storage.list_files(folder or slash or ".")
    return sorted(f"{folder}{slash}{name}" for name in names if "/" not in name and name.lower().endswith(".asf"))


def _skeleton(motion: str, skeletons: list[str]) -> str:
    folder, _, file = motion.rpartition("/")
    here = [path for path in skeletons if path.rpartition("/")[0] == folder]
    name = file.rsplit(".", 1)[0].lower()
    for path in here:
        stem = path.rpartition("/")[2].rsplit(".", 1)[0].lower()
        if name == stem or name.startswith(f"{stem}_"):
            return path
    if len(here) != 1:
        others = f"{len(here)} others" if here else "none"
        raise InputError(
            f"{motion}: no .asf file of its name beside it, and {others} of another; put its skeleton there, named as"
            f" '{file.split('_')[0].rsplit('.', 1)[0]}.asf'"
        )
    stem = here[0].rpartition("/")[2].rsplit(".", 1)[0]
    if stem.isdigit() and name.split("_")[0].isdigit():  # CMU numbers its subjects, whose bones differ in length
        log.warning("%s: read with the skeleton of another subject, %s.asf, the only one beside it", motion, stem)
    return here[0]


def _asf(path: str) -> dict[str, _Bone]:
    """Bones by name, parents first, the root among them."""
    root, bones = _Bone("root"), {}
    section, bone = "", None
    children: list[tuple[int, str, list[str]]] = []
    for number, line in enumerate(_lines(path), 1):
        words, where = line.split("#")[0].split(), f"{path}: line {number}"
        if not words:
            continue
        if words[0].startswith(":"):
            section = words[0].lower()
        elif section == ":root":
            if words[0] == "order":
                root.dof = [word.lower() for word in words[1:]]
        elif section == ":bonedata":
            if words[0] == "begin":
                bone = _Bone("")
            elif words[0] == "end" and bone is not None:
                if not bone.name or bone.name in bones or bone.name == "root":
                    raise InputError(f"{where}: bone '{bone.name}' has no name, or one that is there twice")
                bones[bone.name], bone = bone, None
            elif bone is not None:
                _bone_line(where, bone, words)
        elif section == ":hierarchy" and words[0] not in ("begin", "end"):
            children.append((number, words[0], words[1:]))
    if not root.dof or not bones:
        raise InputError(f"{path}: not an ASF skeleton (no :root order or no :bonedata)")
    if set(root.dof) - {"tx", "ty", "tz", "rx", "ry", "rz"}:
        raise InputError(f"{path}: :root order: expected TX TY TZ RX RY RZ in some order")
    return _in_order(path, root, bones, children)


def _bone_line(where: str, bone: _Bone, words: list[str]) -> None:
    key, values = words[0], words[1:]
    if key == "name" and values:
        bone.name = values[0]
    elif key == "direction":
        bone.direction = _numbers(where, values, 3)
    elif key == "length":
        bone.length = float(_numbers(where, values, 1)[0])
    elif key == "axis":
        order = values[3].lower() if len(values) == 4 else "xyz"
        if sorted(order) != ["x", "y", "z"]:
            raise InputError(f"{where}: axis order '{order}', expected the letters X, Y and Z")
        bone.axis = _turn(np.radians(_numbers(where, values[:3], 3))[None], [f"r{letter}" for letter in order])[0]
    elif key == "dof":
        bone.dof = [value.lower() for value in values]
        if not set(bone.dof) <= {"rx", "ry", "rz"} or len(set(bone.dof)) < len(bone.dof):
            raise InputError(f"{where}: dof of '{bone.name}': expected some of rx ry rz, got {' '.join(values)[:40]}")


def _in_order(path: str, root: _Bone, bones: dict[str, _Bone], children: list) -> dict[str, _Bone]:
    ordered = {"root": root}
    for number, parent, names in children:
        if parent not in ordered:
            raise InputError(f"{path}: line {number}: '{parent}' is a parent before it is a child")
        for name in names:
            if name not in bones:
                raise InputError(f"{path}: line {number}: no bone '{name}' in :bonedata")
            if name in ordered:
                raise InputError(f"{path}: line {number}: '{name}' has two parents")
            bones[name].parent = parent
            ordered[name] = bones[name]
    return ordered


def _amc(path: str, bones: dict[str, _Bone]) -> dict[str, np.ndarray]:
    """(T, values) for each bone that has any. Frames may begin at any number, as those of a part of a recording do."""
    first = 1
    frames: list[dict[str, list[str]]] = []
    for number, line in enumerate(_lines(path), 1):
        words = line.split()
        if not words or words[0].startswith(("#", ":")):
            continue
        if len(words) == 1 and words[0].isdecimal():
            frame = int(words[0][:12])
            first = first if frames else frame
            if frame != first + len(frames):
                raise InputError(f"{path}: line {number}: frame {frame} after frame {first + len(frames) - 1}")
            frames.append({})
        elif not frames or words[0] not in bones:
            raise InputError(f"{path}: line {number}: '{words[0][:30]}' is no frame and no bone of the skeleton")
        elif words[0] in frames[-1]:
            raise InputError(f"{path}: line {number}: '{words[0]}' is there twice in frame {len(frames)}")
        else:
            frames[-1][words[0]] = words[1:]
    if not frames:
        raise InputError(f"{path}: has no frames")
    values = {}
    for name, bone in bones.items():
        if not bone.dof:
            continue
        lacking = [index for index, frame in enumerate(frames) if name not in frame]
        if lacking:
            raise InputError(f"{path}: frame {lacking[0] + 1}: no values for bone '{name}'")
        rows = [frame[name] for frame in frames]
        wrong = [index for index, row in enumerate(rows) if len(row) != len(bone.dof)]
        if wrong:
            raise InputError(f"{path}: frame {wrong[0] + 1}: bone '{name}': expected {len(bone.dof)} values")
        try:
            values[name] = np.array(rows, np.float64)
        except ValueError:
            raise InputError(f"{path}: bone '{name}': a value is not a number") from None
        bad = ~(abs(values[name]) <= _LARGEST).all(1)
        if bad.any():
            raise InputError(f"{path}: frame {int(np.argmax(bad)) + 1}: bone '{name}': a value is not finite or too large")
    return values


def _positions(bones: dict[str, _Bone], values: dict[str, np.ndarray]) -> np.ndarray:
    """(T, bones, 3): where each bone ends, in file units; the root is where it is."""
    frames = len(values["root"])
    turns, ends = {}, {}
    for name, bone in bones.items():
        angles = np.radians(values.get(name, np.zeros((frames, 0))))
        local = bone.axis @ _turn(angles, bone.dof) @ bone.axis.T
        if name == "root":
            turns[name] = local
            ends[name] = np.stack([values[name][:, bone.dof.index(f"t{x}")] if f"t{x}" in bone.dof else np.zeros(frames)
                                   for x in "xyz"], axis=1)  # fmt: skip
        else:
            turns[name] = turns[bone.parent] @ local
            ends[name] = ends[bone.parent] + turns[name] @ (bone.direction * bone.length)
    return np.stack(list(ends.values()), axis=1)


def _turn(angles: np.ndarray, order: list[str]) -> np.ndarray:
    """(T, 3, 3) of angles (T, n) about fixed axes, the first of the order applied first; translations are passed over."""
    turn = np.broadcast_to(np.eye(3), (len(angles), 3, 3))
    for column, name in enumerate(order):
        if name.startswith("r"):
            turn = rotation("xyz".index(name[1]), angles[:, column]) @ turn
    return turn


def _lines(path: str) -> list[str]:
    return storage.read_bytes(path).decode("utf-8", "replace").splitlines()


def _numbers(where: str, words: list[str], count: int) -> np.ndarray:
    try:
        values = np.array(words, np.float64)
    except ValueError:
        values = np.empty(0)
    if len(values) != count or not (abs(values) <= _LARGEST).all():
        raise InputError(f"{where}: expected {count} finite numbers, got '{' '.join(words)[:40]}'")
    return values
