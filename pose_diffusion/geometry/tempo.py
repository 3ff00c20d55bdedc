"""Whether a motion is played too fast: how long its steps take, and how often its limbs swing.

A walking step is 0.4 to 1 leg long however fast it is shown, and takes about half a second; the steps of a run, which take
less than 0.34 s, are longer. Ankles and wrists swing at sqrt(mean a^2 / mean v^2) / 2 pi = 1.4 times a second (median), rarely
above 2, and a recording shown at twice its speed has twice that and four times its accelerations a. Set on 474 clips of CMU's
database: of the 159 with four walking steps or more, the first bound names 2 at their own frame rate and 104 at twice that; of
all, the second names 8 at their own (short runs, boxing) and 69 % at twice that.
"""

from __future__ import annotations

import numpy as np

from pose_diffusion.geometry.skeleton import JOINTS, ROOT

QUICKEST_STEP = 0.34  # seconds of a step of a walk
FEWEST_STEPS = 4
_SHORTEST_STEP, _LONGEST_STEP = 0.4, 1.0  # legs the pelvis moves in a step of a walk
_STRIDE = 0.2  # legs between the ankles, front to back, from which on one foot is before the other
_SMOOTH = 0.1  # seconds over which positions are averaged
_QUICKEST_HZ, _VIGOROUS = 2.2, 1.3  # swings a second, and root mean square of accelerations in g
_GRAVITY = 9.81  # m/s^2
_AT = {name: number for number, name in enumerate(JOINTS)}
_LEG = (("RHip", "RKnee"), ("RKnee", "RFoot"))
_ENDS = [_AT[joint] for joint in ("RFoot", "LFoot", "RWrist", "LWrist")]


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


def limb_motion(pose: np.ndarray, fps: float) -> tuple[float, float, int]:
    """Sums over frames and limbs of the ankles' and wrists' squared speed, m^2/s^2, and acceleration, m^2/s^4, and of how many.

    pose: (T, 17, 3) metres, relative to the root.
    """
    width = max(3, round(_SMOOTH * fps) | 1)
    if len(pose) < width + 2:
        return 0.0, 0.0, 0
    weights = np.hanning(width + 2)[1:-1]
    windows = np.lib.stride_tricks.sliding_window_view(pose[:, _ENDS], width, axis=0)  # (T, limbs, 3, width)
    velocity = np.diff(windows @ (weights / weights.sum()), axis=0) * fps
    acceleration = np.diff(velocity, axis=0) * fps
    return float((velocity[1:] ** 2).sum()), float((acceleration**2).sum()), len(acceleration) * len(_ENDS)


def too_quick(speed: float, acceleration: float, count: int) -> float | None:
    """How many times a second limbs swing, where that is more often than people's do as vigorously; sums of `limb_motion`."""
    if not count or speed <= 0:
        return None
    hertz = float(np.sqrt(acceleration / speed)) / (2 * np.pi)
    return hertz if hertz > _QUICKEST_HZ and np.sqrt(acceleration / count) > _VIGOROUS * _GRAVITY else None
