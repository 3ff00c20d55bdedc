"""What looks wrong in motion that could be read: bones that no person has, or a speed that nobody moves at."""

from __future__ import annotations

import numpy as np

from pose_diffusion.geometry import proportions, tempo
from pose_diffusion.geometry.skeleton import ROOT


def warnings(points: np.ndarray, fps: float, converter: str) -> list[str]:
    """A line for each thing that looks wrong, with the key that helps. points: (T, 17, 3) metres."""
    return [*_bones(points, converter), *_speed(points, fps, converter)]


def _bones(points: np.ndarray, converter: str) -> list[str]:
    bones = proportions.lengths(points)
    way_out = f"a joint map of your own ({converter}.joints=FILE) says which joints to take"
    if what := proportions.mixed_ends(bones):
        return [f"thighs of {bones['LKnee']:.2f} m and shins of {bones['LFoot']:.2f} m: {what}? {way_out}"]
    if none := proportions.of_no_length(bones):
        return [f"the bone to {none[0]} has no length: two names of one joint? {way_out}"]
    if odd := proportions.out_of_proportion(bones):
        bone, factor = next(iter(odd.items()))
        return [f"the bone to {bone} has {factor:.1f} times a person's length ({bones[bone]:.2f} m): joint names that mean"
                f" something else? {way_out}"]  # fmt: skip
    return []


def _speed(points: np.ndarray, fps: float, converter: str) -> list[str]:
    way_out = f"a file that says twice its frame rate (as CMU's of 60)? {converter}.source_fps={fps / 2:.4g} halves it"
    root = points[:, ROOT]
    pose = points - root[:, None]
    steps = tempo.steps(pose, root) / fps
    if len(steps) >= tempo.FEWEST_STEPS and np.median(steps) < tempo.QUICKEST_STEP:
        return [f"at {fps:.4g} frames a second a walking step takes {np.median(steps):.2f} s: {way_out}"]
    if hertz := tempo.too_quick(*tempo.limb_motion(pose, fps)):
        return [f"at {fps:.4g} frames a second arms and legs swing {hertz:.1f} times a second: noise, or {way_out}"]
    return []
