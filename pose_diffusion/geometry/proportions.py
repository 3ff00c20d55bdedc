"""How long people's bones are, and what bones of other lengths probably are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pose_diffusion.geometry.skeleton import EDGES, JOINTS

BONES = tuple(JOINTS[child] for _, child in EDGES)  # a bone has the name of the joint it ends in
# Metres, as most people have them. What tools call spine, neck or hip is not always the same place.
USUAL = {"Hip": 0.11, "Knee": 0.42, "Foot": 0.41, "Spine": 0.22, "Thorax": 0.22, "Head": 0.13, "Shoulder": 0.165,
         "Elbow": 0.28, "Wrist": 0.22}  # fmt: skip
LIMBS = ("Knee", "Foot", "Elbow", "Wrist")
NO_LENGTH = 0.02  # metres below which a bone has no length
# Lengths of the limbs' bones where each joint stands one bone too high up (a bone's near end taken for its far end), or one
# too far down: of hip bone, thigh, collar bone and upper arm; of shin, foot, forearm and hand.
_SHIFTED = {"near ends taken for far ends": (0.11, 0.42, 0.165, 0.28), "far ends taken for near ends": (0.41, 0.13, 0.22, 0.08)}
_SHIFTED_SPREAD = 0.4  # of the logarithms of their ratios: bones fit to within a half
_MUCH_NEARER = 0.6  # of what is left against people's lengths


def part_of(bone: str) -> str:
    """'Knee' of 'LKnee'; 'Head' of 'Head'."""
    return bone[1:] if bone[0] in "LR" and bone[1:] in USUAL else bone


def lengths(points: np.ndarray) -> dict[str, float]:
    """Median length of each bone. points: (T, 17, 3) metres."""
    return {JOINTS[child]: float(np.median(np.linalg.norm(points[:, child] - points[:, parent], axis=-1)))
            for parent, child in EDGES}  # fmt: skip


def of_no_length(bones: Mapping[str, float]) -> list[str]:
    return [bone for bone, length in bones.items() if length < NO_LENGTH]


def out_of_proportion(bones: Mapping[str, float], loose: float = 2.8, tight: float = 1.6) -> dict[str, float]:
    """Bones that are too long or short for a person of the size of the others, with the factor; the worst first.

    loose, tight: factors that bones of the trunk and of limbs may differ by.
    """
    ratios = {bone: max(length, 1e-9) / USUAL[part_of(bone)] for bone, length in bones.items() if part_of(bone) in USUAL}
    scale = float(np.median(list(ratios.values())))
    off = {bone: ratio / scale for bone, ratio in ratios.items()}
    odd = [bone for bone in off if abs(np.log(off[bone])) > np.log(tight if part_of(bone) in LIMBS else loose)]
    return {bone: off[bone] for bone in sorted(odd, key=lambda name: -abs(np.log(off[name])))}


def mixed_ends(bones: Mapping[str, float]) -> str | None:
    """Which ends of bones were taken for the others, where the lengths of the limbs of both sides say so; metres."""
    sides = [np.log([max(bones[side + part], 1e-9) for part in LIMBS]) for side in "LR"]
    as_people = min(_spread(side - np.log([USUAL[part] for part in LIMBS])) for side in sides)
    for what, shifted in _SHIFTED.items():
        as_shifted = max(_spread(side - np.log(shifted)) for side in sides)
        if as_shifted < min(_SHIFTED_SPREAD, _MUCH_NEARER * as_people):
            return what
    return None


def _spread(errors: np.ndarray) -> float:
    """Of logarithms of ratios around their median, so that a person's size does not count."""
    return float(np.sqrt(((errors - np.median(errors)) ** 2).mean()))
