"""Joint layouts of other tools and data sets, and how each becomes Human3.6M's 17 joints.

A layout names its joints in order; its converter gives each of the 17 as a weighted mean of them. Converters are named
and recorded with the data, since tools disagree on what spine, neck and head mean:

coco17, body25, coco18, mediapipe33: hip and thorax are the middles of hips and shoulders, spine the middle of those two,
Neck/Nose the nose, Head the middle of the eyes (MotionBERT's and MMPose's conversion of COCO; likewise for the others).
halpe26: Hip, Thorax and Head are the layout's own hip, neck and head (MotionBERT). mpi_inf_3dhp17: its own pelvis, spine,
neck, head and head top (D3DP, P-STMO). h36m17: as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pose_diffusion.geometry.skeleton import JOINTS, N_JOINTS


@dataclass(frozen=True)
class Layout:
    """joints: names in the tool's order. parts: for each of the 17, the joints whose mean it is."""

    name: str
    joints: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]

    @cached_property
    def weights(self) -> np.ndarray:
        """(17, joints) float32, rows that sum to 1."""
        weights = np.zeros((N_JOINTS, len(self.joints)), np.float32)
        for row, parts in enumerate(self.parts):
            for part in parts:
                weights[row, self.joints.index(part)] += 1 / len(parts)
        return weights

    def positions(self, points: np.ndarray) -> np.ndarray:
        """(..., joints, d) to (..., 17, d)."""
        return self.weights.astype(points.dtype) @ points

    def confidence(self, confidence: np.ndarray) -> np.ndarray:
        """(..., joints) to (..., 17): a joint is as sure as the least sure of its parts."""
        return np.stack([confidence[..., row > 0].min(-1) for row in self.weights], axis=-1)


def simplified(name: str) -> str:
    """A joint's name as it is compared: 'Left Shoulder', 'left_shoulder', 'LShoulder' and 'shoulder.L' are one."""
    *others, last = re.split(r"[\W_]+", name.lower().strip(" _.")) or [""]
    plain = last + "".join(others) if last in ("l", "r") else "".join([*others, last])
    for side in ("left", "right"):
        if plain.startswith(side):
            return side[0] + plain.removeprefix(side)
        if plain.endswith(side):
            return side[0] + plain.removesuffix(side)
    return plain


def by_names(names: Sequence[str], candidates: Sequence[Layout]) -> tuple[Layout, list[int]] | None:
    """The layout all of whose joints are among the names, and where each of them stands there; None if there is none."""
    places = {simplified(name): place for place, name in enumerate(names)}
    for layout in candidates:
        wanted = [simplified(joint) for joint in layout.joints]
        if all(joint in places for joint in wanted):
            return layout, [places[joint] for joint in wanted]
    return None


_LIMBS = tuple(
    f"{side} {part}" for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
)
_COCO = ("nose", "left eye", "right eye", "left ear", "right ear", *_LIMBS)
_BODY_18 = (
    "nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
    "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
    "right eye", "left eye", "right ear", "left ear",
)  # fmt: skip
_FEET = ("left big toe", "left small toe", "left heel", "right big toe", "right small toe", "right heel")
_MEDIAPIPE = (
    "nose", "left eye inner", "left eye", "left eye outer", "right eye inner", "right eye", "right eye outer",
    "left ear", "right ear", "mouth left", "mouth right", *_LIMBS[:6],
    "left pinky", "right pinky", "left index", "right index", "left thumb", "right thumb", *_LIMBS[6:],
    "left heel", "right heel", "left foot index", "right foot index",
)  # fmt: skip
_HALPE = (
    *_COCO, "head", "neck", "hip", "left big toe", "right big toe", "left small toe", "right small toe",
    "left heel", "right heel",
)  # fmt: skip
_3DHP = (
    "head top", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
    "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle", "pelvis", "spine", "head",
)  # fmt: skip
_HIPS, _SHOULDERS, _EYES = ("left hip", "right hip"), ("left shoulder", "right shoulder"), ("left eye", "right eye")


def _layout(name: str, joints: tuple[str, ...], **middle: tuple[str, ...]) -> Layout:
    """Limbs by their names; the five joints of the trunk and head as given (hip, spine, thorax, nose, head)."""
    limbs = {
        f"{side[0].upper()}{ours}": (f"{side} {theirs}",)
        for side in ("left", "right")
        for ours, theirs in (("Hip", "hip"), ("Knee", "knee"), ("Foot", "ankle"), ("Shoulder", "shoulder"),
                             ("Elbow", "elbow"), ("Wrist", "wrist"))
    }  # fmt: skip
    trunk = dict(zip(("Hip", "Spine", "Thorax", "Neck/Nose", "Head"), middle.values(), strict=True))
    parts = limbs | trunk
    return Layout(name, joints, tuple(parts[joint] for joint in JOINTS))


_FROM_MIDDLES = {"hip": _HIPS, "spine": _HIPS + _SHOULDERS, "thorax": _SHOULDERS, "nose": ("nose",), "head": _EYES}

COCO_17 = _layout("coco17", _COCO, **_FROM_MIDDLES)
MEDIAPIPE_33 = _layout("mediapipe33", _MEDIAPIPE, **_FROM_MIDDLES)
COCO_18 = _layout("coco18", _BODY_18, **(_FROM_MIDDLES | {"thorax": ("neck",), "spine": ("neck", "neck", *_HIPS)}))
BODY_25 = _layout(
    "body25", (*_BODY_18[:8], "mid hip", *_BODY_18[8:], *_FEET),
    hip=("mid hip",), spine=("mid hip", "neck"), thorax=("neck",), nose=("nose",), head=_EYES,
)  # fmt: skip
HALPE_26 = _layout("halpe26", _HALPE, hip=("hip",), spine=("hip", "neck"), thorax=("neck",), nose=("nose",), head=("head",))
MPI_INF_3DHP_17 = _layout(
    "mpi_inf_3dhp17", _3DHP, hip=("pelvis",), spine=("spine",), thorax=("neck",), nose=("head",), head=("head top",)
)
H36M_17 = Layout("h36m17", JOINTS, tuple((joint,) for joint in JOINTS))

LAYOUTS = {
    layout.name: layout
    for layout in (COCO_17, BODY_25, COCO_18, HALPE_26, MEDIAPIPE_33, MPI_INF_3DHP_17, H36M_17)
}  # fmt: skip
