"""Writes known motion as BVH and ASF/AMC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pose_diffusion.config import loading
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import open_source
from pose_diffusion.data.sources.motion import mocap, synthetic
from pose_diffusion.geometry.skeleton import JOINTS, PARENTS
from pose_diffusion.runtime.executor import Executor

MIXAMO = {
    "Hip": "Hips", "RHip": "RightUpLeg", "RKnee": "RightLeg", "RFoot": "RightFoot", "LHip": "LeftUpLeg", "LKnee": "LeftLeg",
    "LFoot": "LeftFoot", "Spine": "Spine1", "Thorax": "Neck", "Neck/Nose": "Head", "Head": "HeadTop_End",
    "LShoulder": "LeftArm", "LElbow": "LeftForeArm", "LWrist": "LeftHand",
    "RShoulder": "RightArm", "RElbow": "RightForeArm", "RWrist": "RightHand",
}  # fmt: skip
NAMES = [f"mixamorig:{MIXAMO[joint]}" for joint in JOINTS]


def motion(frames: int = 20) -> np.ndarray:
    """(T, 17, 3) metres, z up: a person who walks."""
    return synthetic.motion("S1", "Walking", 0, frames, 0)


def hierarchy(names: list[str], channels: str = "6 Xposition Yposition Zposition Zrotation Xrotation Yrotation") -> str:
    """Our tree of joints under other names."""

    def joint(index: int) -> str:
        kind = "ROOT" if PARENTS[index] < 0 else "JOINT"
        children = "".join(joint(child) for child, parent in enumerate(PARENTS) if parent == index)
        end = "" if children else "End Site\n{\nOFFSET 0 1 0\n}\n"
        return f"{kind} {names[index]}\n{{\nOFFSET 0 0 0\nCHANNELS {channels}\n{children}{end}}}\n"

    return "HIERARCHY\n" + joint(0)


def depth_first() -> list[int]:
    order, waiting = [], [0]
    while waiting:
        index = waiting.pop(0)
        order.append(index)
        waiting = [child for child, parent in enumerate(PARENTS) if parent == index] + waiting
    return order


def write_bvh(path: Path, points: np.ndarray, names: list[str] = NAMES, fps: float = 50, up: str = "y") -> None:
    """Every joint's place in its position channels, whatever unit the points have; z of the points becomes `up`."""
    axis, sign = "xyz".index(up[-1]), -1.0 if up.startswith("-") else 1.0
    points = np.roll(points * [1, sign, sign], axis - 2, axis=-1)  # right-handed still
    local = points.copy()
    local[:, 1:] -= points[:, list(PARENTS[1:])]
    rows = [" ".join(f"{x:.5f} {y:.5f} {z:.5f} 0 0 0" for x, y, z in frame[depth_first()]) for frame in local]
    head = f"MOTION\nFrames: {len(points)}\nFrame Time: {1 / fps:.7f}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(hierarchy(names) + head + "\n".join(rows) + "\n")


class Skeleton:
    """A BVH file of joints with rest offsets, turned by their Euler angles (ZXY); offsets and places in any unit.

    joints: (name, parent, offset), parents first; a name that ends in '_end' is an End Site.
    """

    def __init__(self, joints: list[tuple[str, str, tuple]]):
        self.joints = joints

    def hierarchy(self, name: str) -> str:
        offset = next(offset for one, _, offset in self.joints if one == name)
        text = f"{{\nOFFSET {' '.join(map(str, offset))}\n"
        if name.endswith("_end"):
            return f"End Site\n{text}}}\n"
        parent = next(parent for one, parent, _ in self.joints if one == name)
        position = "6 Xposition Yposition Zposition" if not parent else "3"
        children = "".join(self.hierarchy(one) for one, above, _ in self.joints if above == name)
        kind = "JOINT" if parent else "ROOT"
        return f"{kind} {name}\n{text}CHANNELS {position} Zrotation Xrotation Yrotation\n{children}}}\n"

    def write(self, path: Path, frames: list[dict[str, tuple]], fps: float = 50) -> None:
        """frames: for the root 6 values, for other joints 3, where they are not zero."""
        names = [name for name in self._order() if not name.endswith("_end")]
        zero = {name: (0,) * (6 if index == 0 else 3) for index, name in enumerate(names)}
        rows = [" ".join(f"{value:.6f}" for name in names for value in (zero | frame)[name]) for frame in frames]
        head = f"MOTION\nFrames: {len(frames)}\nFrame Time: {1 / fps:.7f}\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("HIERARCHY\n" + self.hierarchy(names[0]) + head + "\n".join(rows) + "\n")

    def _order(self, name: str = "") -> list[str]:
        below = [one for one, parent, _ in self.joints if parent == name]
        return [each for one in below for each in [one, *self._order(one)]]


def person(names: dict[str, str], up: str = "y", head: float | None = 18) -> Skeleton:
    """A body of a grown person, in centimetres, which stands with its arms spread; head: to its end, None for none at all.

    names: of 'Hip', 'Spine', 'Thorax', 'Neck/Nose', and the limbs' joints.
    """
    offsets: dict[str, tuple[str, tuple]] = {
        "Hip": ("", (0, 0, 0)), "Spine": ("Hip", (0, 22, 0)), "Thorax": ("Spine", (0, 24, 0)),
        "Neck/Nose": ("Thorax", (0, 11, 2)),
    }  # fmt: skip
    for side, sign in (("L", 1), ("R", -1)):
        offsets |= {
            f"{side}Hip": ("Hip", (sign * 10, -4, 0)), f"{side}Knee": (f"{side}Hip", (0, -42, 1)),
            f"{side}Foot": (f"{side}Knee", (0, -40, -1)), f"{side}Shoulder": ("Thorax", (sign * 17, -1, 0)),
            f"{side}Elbow": (f"{side}Shoulder", (sign * 28, 0, 0)), f"{side}Wrist": (f"{side}Elbow", (sign * 24, 0, 0)),
        }  # fmt: skip
    turned = {"y": lambda x, y, z: (x, y, z), "z": lambda x, y, z: (x, -z, y)}[up]
    joints = [(names[joint], names.get(parent, ""), turned(*offset)) for joint, (parent, offset) in offsets.items()]
    if head is not None:
        joints.append((f"{names['Neck/Nose']}_end", names["Neck/Nose"], turned(0, head, 0)))
    for side in "LR":
        joints.append((f"{names[f'{side}Foot']}_end", names[f"{side}Foot"], turned(0, -6, 14)))
        joints.append((f"{names[f'{side}Wrist']}_end", names[f"{side}Wrist"], turned(8 if side == "L" else -8, 0, 0)))
    return Skeleton(joints)


def limbs(pattern: str, **parts: str) -> dict[str, str]:
    """Names of both sides' joints, '{s}' for L or R and '{l}' for l or r."""
    return {f"{side}{part}": name.format(s=side, l=side.lower()) for part, name in parts.items() for side in pattern}


def write_map(path: Path, names: dict[str, str]) -> None:
    path.write_text(yaml.safe_dump({"ends": "near"} | {joint: [name] for joint, name in names.items()}))


def write_arrays(folder: Path, name: str = "motion.npz") -> None:
    """Recordings of two people as arrays of joints: int16 in quarter millimetres, z up."""
    clips = {"lab/anna/walk": motion(6), "lab/anna/run": motion(4), "lab/bob/walk": motion(5)}
    arrays: dict[str, Any] = {clip: np.round(points * 4000).astype(np.int16) for clip, points in clips.items()}
    np.savez(folder / name, **arrays)


# A skeleton with CMU's bones: parent, direction, length in its units (inches * 0.45).
BONES = {
    "lhipjoint": ("root", (1, 0, 0), 1.8), "lfemur": ("lhipjoint", (0.34202, -0.939693, 0), 7.1),
    "ltibia": ("lfemur", (0.34202, -0.939693, 0), 7.3), "rhipjoint": ("root", (-1, 0, 0), 1.8),
    "rfemur": ("rhipjoint", (-0.34202, -0.939693, 0), 7.1), "rtibia": ("rfemur", (-0.34202, -0.939693, 0), 7.3),
    "lowerback": ("root", (0, 1, 0), 2.0), "upperback": ("lowerback", (0, 1, 0), 2.0), "thorax": ("upperback", (0, 1, 0), 2.0),
    "lowerneck": ("thorax", (0, 1, 0), 1.7), "upperneck": ("lowerneck", (0, 1, 0), 1.6), "head": ("upperneck", (0, 1, 0), 1.6),
    "lclavicle": ("thorax", (0.9, 0.4, 0), 3.5), "lhumerus": ("lclavicle", (1, 0, 0), 5.0),
    "lradius": ("lhumerus", (1, 0, 0), 3.5),
    "rclavicle": ("thorax", (-0.9, 0.4, 0), 3.5), "rhumerus": ("rclavicle", (-1, 0, 0), 5.0),
    "rradius": ("rhumerus", (-1, 0, 0), 3.5),
    "lfoot": ("ltibia", (0.3, -0.4, 0.87), 2.2), "rfoot": ("rtibia", (-0.3, -0.4, 0.87), 2.2),
    "lwrist": ("lradius", (1, 0, 0), 1.7), "rwrist": ("rradius", (-1, 0, 0), 1.7),
    "lhand": ("lwrist", (1, 0, 0), 0.7), "rhand": ("rwrist", (-1, 0, 0), 0.7),
}  # fmt: skip
AXIS = {"lfemur": (0, 0, 20), "rfemur": (0, 0, -20), "ltibia": (0, 0, 20), "rtibia": (0, 0, -20), "lhumerus": (180, 30, 90)}
DOF = {"lfemur": "rx ry rz", "ltibia": "rx", "lhumerus": "rx ry rz"}
METRE = 0.0254 / 0.45


def asf_text() -> str:
    lines = [
        ":version 1.10",
        ":units",
        "  length 0.45",
        "  angle deg",
        ":root",
        "order TX TY TZ RX RY RZ",
        "axis XYZ",
        ":bonedata",
    ]
    for name, (_, direction, length) in BONES.items():
        axis = " ".join(map(str, AXIS.get(name, (0, 0, 0))))
        lines += ["begin", f"name {name}", f"direction {' '.join(map(str, direction))}", f"length {length}", f"axis {axis} XYZ"]
        lines += [f"dof {DOF[name]}"] if name in DOF else []
        lines.append("end")
    lines += [":hierarchy", "begin"]
    parents = dict.fromkeys(parent for parent, _, _ in BONES.values())
    lines += [" ".join([parent, *(name for name, bone in BONES.items() if bone[0] == parent)]) for parent in parents]
    return "\n".join([*lines, "end", ""])


def amc_text(frames: list[dict[str, tuple]]) -> str:
    lines = ["#!OML:ASF", ":FULLY-SPECIFIED", ":DEGREES"]
    for index, frame in enumerate(frames, 1):
        rest = {name: (0,) * len(dof.split()) for name, dof in DOF.items()}
        values = {"root": (0, 16, 0, 0, 0, 0)} | rest | frame
        lines += [str(index), *(f"{name} {' '.join(map(str, row))}" for name, row in values.items())]
    return "\n".join([*lines, ""])


def source_of(
    name: str, folder: Path | str, prepare: dict | None = None, executor: Executor | None = None, **settings: object
) -> Source:
    section = {"source": name, "input": str(folder), **(prepare or {})}
    return open_source(loading.from_dict({"prepare": section, name: settings}), executor)


def world_of(source: Source, clip: int = 0) -> np.ndarray:
    """(T, 17, 3) of a clip in metres, z up."""
    sequence = source.sequences[clip].load()
    camera = mocap.Camera.from_dict(source.cameras[f"{sequence.subject}/{sequence.camera}"])
    assert sequence.pose_3d is not None and sequence.root_3d is not None
    return camera.to_world((sequence.pose_3d + sequence.root_3d[:, None]).astype(np.float64))
