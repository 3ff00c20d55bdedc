"""A jointed body: joint angles within human limits to the 17 joints, by forward kinematics.

Body frame: x forward, y left, z up. At rest legs and arms hang straight down. Segment lengths are shares of stature
(Drillis and Contini 1966, in Winter, Biomechanics and Motor Control of Human Movement, table 4.1; pelvis, spine and head
placed where Human3.6M's joints lie); limits are the usual clinical ranges of motion, somewhat inside them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_diffusion.geometry.skeleton import JOINTS, N_JOINTS

SIDES = ("right", "left")

# Degrees: least, most, spread of a person's habit, spread of idle sway. Limb angles exist once a side.
_TRUNK = {
    "heading": (-1e9, 1e9, 0, 4),  # turn of the whole body, unlimited
    "pelvis_bend": (-25, 80, 3, 1.5),  # forward lean of the pelvis
    "pelvis_side": (-25, 25, 1.5, 1),
    "spine_bend": (-25, 60, 6, 2.5),
    "spine_side": (-30, 30, 3, 2),
    "spine_turn": (-45, 45, 4, 3),
    "neck_bend": (-45, 50, 8, 5),
    "neck_side": (-35, 35, 4, 3),
    "neck_turn": (-70, 70, 8, 9),
}
_LIMB = {
    "shoulder_flex": (-50, 170, 8, 4),  # arm forward and up
    "shoulder_abduct": (-5, 150, 6, 3),  # arm out to its side
    "shoulder_turn": (-70, 80, 12, 5),  # inward, about the upper arm
    "elbow": (0, 145, 10, 5),
    "hip_flex": (-20, 120, 3, 1.5),  # thigh forward and up
    "hip_abduct": (-15, 45, 3, 1),  # thigh out to its side
    "hip_turn": (-35, 35, 6, 2),  # toes inward
    "knee": (0, 145, 3, 1.5),
}
_TABLE = _TRUNK | {f"{side}_{name}": row for side in SIDES for name, row in _LIMB.items()}
ANGLES = {name: column for column, name in enumerate(_TABLE)}
LOW, HIGH, HABIT, SWAY = np.radians(np.array(list(_TABLE.values()), np.float64)).T

# Offsets of each joint from its parent at rest, shares of stature, without the mirror image: (forward, left, up).
_HIP_WIDTH, _SHOULDER_WIDTH = 0.076, 0.088
_SPINE_LOW, _SPINE_HIGH = 0.135, 0.148
_NECK, _HEAD = (0.03, 0.0, 0.062), (-0.02, 0.0, 0.066)
_THIGH, _SHANK, _ANKLE = 0.245, 0.246, 0.039
_UPPER_ARM, _FOREARM = 0.172, 0.150


@dataclass(frozen=True)
class Body:
    """One person's lengths in metres."""

    hip_width: float
    shoulder_width: float
    spine_low: float
    spine_high: float
    neck: tuple[float, ...]
    head: tuple[float, ...]
    thigh: float
    shank: float
    ankle: float
    upper_arm: float
    forearm: float
    habit: tuple[float, ...]

    @staticmethod
    def draw(rng: np.random.Generator) -> Body:
        """A person at random: stature 1.71 m (sd 9 cm), proportions that vary by some percent, and a habitual posture."""
        stature = float(np.clip(rng.normal(1.71, 0.09), 1.5, 1.95))

        def length(share: float) -> float:
            return share * stature * float(np.clip(rng.normal(1, 0.045), 0.88, 1.12))

        return Body(
            length(_HIP_WIDTH), length(_SHOULDER_WIDTH), length(_SPINE_LOW), length(_SPINE_HIGH),
            tuple(length(x) for x in _NECK), tuple(length(x) for x in _HEAD),
            length(_THIGH), length(_SHANK), length(_ANKLE), length(_UPPER_ARM), length(_FOREARM),
            tuple(rng.normal(0, 0.6 * HABIT).tolist()),
        )  # fmt: skip


def joints(body: Body, angles: np.ndarray) -> np.ndarray:
    """Angles (T, angles) in radians, clipped to the limits, to joints (T, 17, 3) in metres around the pelvis, z up."""
    angle = dict(zip(ANGLES, np.clip(angles, LOW, HIGH).T, strict=True))
    points = np.zeros((len(angles), N_JOINTS, 3))

    def place(joint: str, parent: str, turn: np.ndarray, offset: tuple[float, ...]) -> None:
        points[:, JOINTS.index(joint)] = points[:, JOINTS.index(parent)] + turn @ np.array(offset)

    pelvis = _turn(2, angle["heading"]) @ _turn(1, angle["pelvis_bend"]) @ _turn(0, angle["pelvis_side"])
    half = [angle[f"spine_{name}"] / 2 for name in ("bend", "side", "turn")]
    bend = _turn(1, half[0]) @ _turn(0, half[1]) @ _turn(2, half[2])
    lumbar = pelvis @ bend
    chest = lumbar @ bend
    head = chest @ _turn(2, angle["neck_turn"]) @ _turn(1, angle["neck_bend"]) @ _turn(0, angle["neck_side"])
    place("Spine", "Hip", lumbar, (0, 0, body.spine_low))
    place("Thorax", "Spine", chest, (0, 0, body.spine_high))
    place("Neck/Nose", "Thorax", head, body.neck)
    place("Head", "Neck/Nose", head, body.head)
    for side, initial, left in zip(SIDES, "RL", (-1, 1), strict=True):
        limb = {name: angle[f"{side}_{name}"] for name in _LIMB}
        thigh = pelvis @ _swing(left, limb["hip_flex"], limb["hip_abduct"], limb["hip_turn"])
        place(f"{initial}Hip", "Hip", pelvis, (0, left * body.hip_width, 0))
        place(f"{initial}Knee", f"{initial}Hip", thigh, (0, 0, -body.thigh))
        place(f"{initial}Foot", f"{initial}Knee", thigh @ _turn(1, limb["knee"]), (0, 0, -body.shank))
        arm = chest @ _swing(left, limb["shoulder_flex"], limb["shoulder_abduct"], limb["shoulder_turn"])
        place(f"{initial}Shoulder", "Thorax", chest, (0, left * body.shoulder_width, -0.12 * body.spine_high))
        place(f"{initial}Elbow", f"{initial}Shoulder", arm, (0, 0, -body.upper_arm))
        place(f"{initial}Wrist", f"{initial}Elbow", arm @ _turn(1, -limb["elbow"]), (0, 0, -body.forearm))
    return points


def _swing(left: int, flex: np.ndarray, abduct: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Rotation (T, 3, 3) of a limb at shoulder or hip; `left` is 1 for the left side, -1 for the right."""
    return _turn(0, left * abduct) @ _turn(1, -flex) @ _turn(2, -left * turn)


def _turn(axis: int, angle: np.ndarray) -> np.ndarray:
    """Rotations (T, 3, 3) about one axis, right-handed."""
    a, b = (axis + 1) % 3, (axis + 2) % 3
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.zeros((len(angle), 3, 3))
    rotation[:, axis, axis] = 1
    rotation[:, a, a] = rotation[:, b, b] = cos
    rotation[:, a, b], rotation[:, b, a] = -sin, sin
    return rotation
