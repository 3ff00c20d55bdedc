"""Joint layouts of other tools and data sets, and how each becomes Human3.6M's 17 joints: a YAML file of this folder each.

    name         of the layout, with the number of its joints
    written_by   the tools and data sets that have it
    source       where its order is described, and whose conversion to the 17 it is
    joints       names in the tool's order
    trunk        which of them each of Hip, Spine, Thorax, Neck/Nose and Head is the mean of (a joint twice counts twice);
                 the limbs are the joints named left or right hip, knee, ankle, shoulder, elbow, wrist
    also         other names that files give a joint (optional); they count where a file has no more joints than the layout

A file more is a layout more: error lines, `--help` and the documentation's tables are made from them. Converters are recorded
with the data, since tools disagree on what spine, neck and head mean.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import yaml

from pose_diffusion.errors import InputError
from pose_diffusion.geometry.skeleton import JOINTS, N_JOINTS

_LIMBS = {
    f"{side[0].upper()}{ours}": (f"{side} {theirs}",)
    for side in ("left", "right")
    for ours, theirs in (("Hip", "hip"), ("Knee", "knee"), ("Foot", "ankle"), ("Shoulder", "shoulder"),
                         ("Elbow", "elbow"), ("Wrist", "wrist"))
}  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """joints: names in the tool's order. parts: for each of the 17, the joints whose mean it is.

    written_by, source: for people, see the module. also: pairs of a joint and another name of it.
    Raises InputError for another number of parts, an empty one, and a joint in one that is not among the joints.
    """

    name: str
    joints: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]
    written_by: str = ""
    source: str = ""
    also: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if len(self.parts) != N_JOINTS:
            raise InputError(f"layout '{self.name}': expected the joints of each of the {N_JOINTS}, got {len(self.parts)}")
        for joint, parts in zip(JOINTS, self.parts, strict=True):
            if not parts:
                raise InputError(f"layout '{self.name}': no joints for {joint}")
        unknown = {part for parts in self.parts for part in parts} - set(self.joints)
        if unknown:
            raise InputError(f"layout '{self.name}': '{min(unknown)}' is not among its joints")

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
    """The first layout all of whose joints are among the names, and where each of them stands there; None if there is none."""
    places = {simplified(name): place for place, name in enumerate(names)}
    for layout in candidates:
        found = _places(layout, places)
        if found is not None:
            return layout, found
    return None


def largest_by_names(names: Sequence[str]) -> tuple[Layout, list[int]] | None:
    """Of all layouts the one with the most joints that has all of them among the names, as `by_names` gives it.

    Of several with as many joints, the one whose order the names have.
    """
    found = [match for layout in LAYOUTS.values() if (match := by_names(names, [layout]))]
    return max(found, key=lambda match: (len(match[1]), match[1] == sorted(match[1])), default=None)


def _places(layout: Layout, places: dict[str, int]) -> list[int] | None:
    known = dict(places)
    if len(places) == len(layout.joints):  # else another joint may be meant: JHMDB's head is the face, CrowdPose's is its top
        for joint, other in layout.also:
            if simplified(other) in places:
                known.setdefault(simplified(joint), places[simplified(other)])
    wanted = [simplified(joint) for joint in layout.joints]
    return [known[joint] for joint in wanted] if all(joint in known for joint in wanted) else None


def of_size(joints: int) -> list[Layout]:
    """The layouts of so many joints."""
    return [layout for layout in LAYOUTS.values() if len(layout.joints) == joints]


def read(path: Path) -> Layout:
    """The layout of a YAML file as the module describes it. Raises ValueError where it does not describe one."""
    values = yaml.safe_load(path.read_text())
    joints = tuple(values["joints"])
    parts = _LIMBS | {joint: tuple(of) for joint, of in values["trunk"].items()}
    unknown = {part for of in parts.values() for part in of} - set(joints)
    if set(parts) != set(JOINTS) or unknown or len(set(joints)) < len(joints) or values["name"] != path.stem:
        raise ValueError(f"{path.name}: not a layout: parts {sorted(set(parts) ^ set(JOINTS))}, joints {sorted(unknown)}")
    also = tuple((joint, other) for joint, others in values.get("also", {}).items() for other in others)
    if not {joint for joint, _ in also} <= set(joints):
        raise ValueError(f"{path.name}: not a layout: 'also' has joints that are not its own")
    return Layout(path.stem, joints, tuple(parts[joint] for joint in JOINTS), values["written_by"], values["source"], also)


H36M_17 = Layout(
    "h36m17", JOINTS, tuple((joint,) for joint in JOINTS), "Human3.6M's 17 joints, which the models take", "arXiv 1811.11742"
)
LAYOUTS = {path.stem: read(path) for path in sorted(Path(__file__).parent.glob("*.yaml"))} | {H36M_17.name: H36M_17}
COCO_17, COCO_18, BODY_25 = LAYOUTS["coco17"], LAYOUTS["coco18"], LAYOUTS["body25"]
HALPE_26, MEDIAPIPE_33, MPI_INF_3DHP_17 = LAYOUTS["halpe26"], LAYOUTS["mediapipe33"], LAYOUTS["mpi_inf_3dhp17"]
