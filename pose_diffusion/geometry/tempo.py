"""Whether a motion is played too fast: how long its steps take, and how fast its body falls.

A walking step is 0.4 to 1 leg long however fast it is shown, and takes about half a second; the steps of a run, which take
less than 0.34 s, are longer. A body that leaves the ground falls at 9.81 m/s^2 and no faster, and a recording shown at twice
its speed has four times its accelerations. Both bounds were set on 474 clips of CMU's database. Of the 159 in which people
take four walking steps or more, the first names 2 at their own frame rate and 104 at twice that; the second names none of 119
at their own and 45 at twice that, mostly other ones: runs, jumps and dances.
"""

from __future__ import annotations

import numpy as np

from pose_diffusion.geometry.skeleton import JOINTS, ROOT

GRAVITY = 9.81  # m/s^2
QUICKEST_STEP = 0.34  # seconds of a step of a walk
FEWEST_STEPS = 4
_SHORTEST_STEP, _LONGEST_STEP = 0.4, 1.0  # legs the pelvis moves in a step of a walk
_STRIDE = 0.2  # legs between the ankles, front to back, from which on one foot is before the other
FASTEST_FALL = 1.6  # of the earth's acceleration
FALLING_SHARE = 0.003  # of the frames that may fall faster, which is noise
_SMOOTH = 0.16  # seconds over which the middle of the body is averaged
_AT = {name: number for number, name in enumerate(JOINTS)}
_LEG = (("RHip", "RKnee"), ("RKnee", "RFoot"))
# The middle of the body's mass, by joints that hardly move against it.
_MASS = {"Hip": 0.35, "Spine": 0.2, "Thorax": 0.25, "Neck/Nose": 0.1, "RKnee": 0.05, "LKnee": 0.05}


def steps(pose: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Frames that each walking step takes. pose: (T, 17, 3), root: (T, 3), metres in any frame of reference."""
    if len(pose) < 2:
        return np.zeros(0, np.int64)
    across = pose[:, _AT["RHip"]] - pose[:, _AT["LHip"]]
    forward = np.cross(pose[:, _AT["Thorax"]] - pose[:, ROOT], across)
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True).clip(1e-9)
    leg = sum(np.linalg.norm(pose[:, _AT[end]] - pose[:, _AT[start]], axis=-1) for start, end in _LEG)
    leg = max(float(np.median(leg)), 1e-9)
    ahead = ((pose[:, _AT["LFoot"]] - pose[:, _AT["RFoot"]]) * forward).sum(-1) / leg
    before = np.flatnonzero(abs(ahead) > _STRIDE)  # frames in which one foot is before the other
    left = ahead[before] > 0
    changes = before[1:][left[1:] != left[:-1]]
    length = np.linalg.norm(np.diff(root[changes], axis=0), axis=-1) / leg
    return np.diff(changes)[(length > _SHORTEST_STEP) & (length < _LONGEST_STEP)]


def fall(pose: np.ndarray, root: np.ndarray, up: np.ndarray, fps: float) -> np.ndarray:
    """Downward acceleration of the body's middle at (almost) each frame, in g. pose: relative to root. up: (3,)."""
    middle = sum(share * pose[:, _AT[joint]] for joint, share in _MASS.items()) + root
    height = middle @ up
    width = max(3, round(_SMOOTH * fps) | 1)
    if len(height) < width + 2:
        return np.zeros(0)
    weights = np.hanning(width + 2)[1:-1]
    smooth = np.convolve(height, weights / weights.sum(), "valid")
    return -np.diff(smooth, 2) * fps**2 / GRAVITY
