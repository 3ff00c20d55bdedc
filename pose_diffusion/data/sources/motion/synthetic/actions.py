"""Motions: each action turns a random generator into joint angles over time, a different clip each time.

An action fills columns of `Angles` (degrees, added to the person's habit and idle sway). Its pace, reach, side and order
of episodes are drawn anew for a clip, so no two clips share a trajectory.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pose_diffusion.data.sources.motion.synthetic.body import ANGLES, SIDES, SWAY

FPS = 50


class Angles:
    """Joint angles of one clip: `values` (T, angles) in radians, to which actions add in degrees."""

    def __init__(self, frames: int, habit: np.ndarray, rng: np.random.Generator) -> None:
        self.rng = rng
        self.seconds = np.arange(frames) / FPS
        self.values = habit + SWAY * self.wander(len(ANGLES), 2.5)
        self.add("heading", rng.uniform(-180, 180))
        for side in SIDES:
            self.add(f"{side}_shoulder_abduct", 8)
            self.add(f"{side}_elbow", 15)

    def add(self, name: str, degrees: np.ndarray | float) -> None:
        self.values[:, ANGLES[name]] += np.radians(degrees)

    def wander(self, count: int, period: float) -> np.ndarray:
        """Smooth unit-variance noise (T, count) that takes about `period` seconds to come back: sinusoids out of tune."""
        waves = 5
        rate = self.rng.uniform(0.4, 1.6, (count, waves)) / period
        phase = self.rng.uniform(0, 2 * np.pi, (count, waves))
        return np.sqrt(2 / waves) * np.sin(2 * np.pi * rate * self.seconds[:, None, None] + phase).sum(-1)

    def episodes(self, period: float) -> np.ndarray:
        """(T,) between 0 and 1: something that is done, let go and done again, about every `period` seconds."""
        return 0.5 + 0.5 * np.tanh(3 * self.wander(1, period)[:, 0] + self.rng.normal(0.4, 0.5))

    def phase(self, hertz: float) -> np.ndarray:
        """(T,) radians of a cycle whose pace varies by some percent."""
        pace = hertz * (1 + 0.06 * self.wander(1, 3)[:, 0])
        return 2 * np.pi * np.cumsum(pace) / FPS + self.rng.uniform(0, 2 * np.pi)

    def side(self) -> tuple[str, str]:
        """One side at random, and the other."""
        return SIDES if self.rng.random() < 0.5 else SIDES[::-1]


def _bump(phase: np.ndarray, centre: float, sharpness: float) -> np.ndarray:
    """A periodic bump of height 1 at `centre` (radians)."""
    return np.exp(sharpness * (np.cos(phase - centre) - 1))


def _step(a: Angles, amount: np.ndarray | float, phase: np.ndarray) -> None:
    """Gait at `phase` (0 is the right heel's strike): hip, knee and arm curves of level walking, scaled by `amount`."""
    rng = a.rng
    stride, lift, arms = rng.uniform(17, 25), rng.uniform(45, 62), rng.uniform(8, 28)
    for side, shift in zip(SIDES, (0, np.pi), strict=True):
        own = phase + shift
        a.add(f"{side}_hip_flex", amount * (8 + stride * np.cos(own)))
        a.add(f"{side}_knee", amount * (4 + lift * _bump(own, 1.45 * np.pi, 3) + 11 * _bump(own, 0.3 * np.pi, 5)))
        a.add(f"{side}_shoulder_flex", -amount * arms * np.cos(own))
        a.add(f"{side}_elbow", amount * (rng.uniform(5, 25) - 0.4 * arms * np.cos(own)))
    a.add("spine_turn", amount * rng.uniform(2, 7) * np.cos(phase))
    a.add("pelvis_bend", amount * rng.uniform(0, 5))


def walking(a: Angles) -> None:
    hertz = a.rng.uniform(0.7, 1.05)
    _step(a, 1.0, a.phase(hertz))
    # Round and round, as in a capture hall: about 1.3 m of path a stride on a circle of 0.9 to 1.8 m.
    rate = np.degrees(1.3 * hertz / a.rng.uniform(0.9, 1.8)) * a.rng.choice([-1, 1])
    a.add("heading", np.cumsum(rate * (1 + 0.35 * a.wander(1, 4)[:, 0])) / FPS)


def turning(a: Angles) -> None:
    rate = 70 * a.wander(1, 3)[:, 0]
    a.add("heading", np.cumsum(rate) / FPS)
    a.add("neck_turn", 0.35 * rate)
    a.add("spine_turn", 0.15 * rate)
    _step(a, 0.5 * np.minimum(abs(rate) / 60, 1), a.phase(a.rng.uniform(0.8, 1.1)))


def _gesture(a: Angles, side: str, amount: np.ndarray | float, period: float = 1.6) -> None:
    """A forearm that talks."""
    flex, abduct, turn, elbow = a.wander(4, period).T
    a.add(f"{side}_shoulder_flex", amount * (a.rng.uniform(10, 35) + 14 * flex))
    a.add(f"{side}_shoulder_abduct", amount * (a.rng.uniform(0, 18) + 9 * abduct))
    a.add(f"{side}_shoulder_turn", amount * (a.rng.uniform(-5, 25) + 18 * turn))
    a.add(f"{side}_elbow", amount * (a.rng.uniform(50, 85) + 22 * elbow))


def _shift_weight(a: Angles) -> None:
    lean = a.wander(1, 4)[:, 0]
    a.add("pelvis_side", 4 * lean)
    for side, sign in zip(SIDES, (1, -1), strict=True):
        ease = np.maximum(sign * lean, 0)
        a.add(f"{side}_knee", 14 * ease)
        a.add(f"{side}_hip_flex", 8 * ease)


def discussion(a: Angles) -> None:
    _shift_weight(a)
    for side in SIDES:
        _gesture(a, side, a.episodes(5))
    a.add("heading", 25 * a.wander(1, 6)[:, 0])
    a.add("neck_turn", 12 * a.wander(1, 3)[:, 0])


def phoning(a: Angles) -> None:
    near, far = a.side()
    hold = 0.75 + 0.25 * a.episodes(8)
    a.add(f"{near}_shoulder_flex", hold * a.rng.uniform(30, 55))
    a.add(f"{near}_shoulder_abduct", hold * a.rng.uniform(15, 45))
    a.add(f"{near}_shoulder_turn", hold * a.rng.uniform(15, 40))
    a.add(f"{near}_elbow", hold * a.rng.uniform(115, 130))
    a.add("neck_side", a.rng.uniform(0, 14) * (1 if near == "right" else -1))
    _gesture(a, far, a.episodes(5))
    if a.rng.random() < 0.5:
        _step(a, 0.35 * a.episodes(6), a.phase(0.7))
        a.add("heading", 50 * a.wander(1, 8)[:, 0])
    else:
        _shift_weight(a)


def waving(a: Angles) -> None:
    near, far = a.side()
    up = a.episodes(4)
    swing = np.sin(a.phase(a.rng.uniform(1.2, 2.2)))
    a.add(f"{near}_shoulder_abduct", up * a.rng.uniform(50, 100))
    a.add(f"{near}_shoulder_flex", up * a.rng.uniform(40, 95))
    a.add(f"{near}_shoulder_turn", up * (a.rng.uniform(-40, 10) + a.rng.uniform(15, 35) * swing))
    a.add(f"{near}_elbow", up * (a.rng.uniform(45, 90) + a.rng.uniform(5, 18) * swing))
    if a.rng.random() < 0.3:
        _gesture(a, far, a.episodes(5))
    _shift_weight(a)
    a.add("heading", 20 * a.wander(1, 6)[:, 0])


def reaching(a: Angles) -> None:
    for side, share in zip(a.side(), (1.0, a.rng.choice([0.0, 1.0])), strict=True):
        out = share * a.episodes(2.5)
        height, spread = a.wander(2, 5).T
        a.add(f"{side}_shoulder_flex", out * (a.rng.uniform(50, 120) + 30 * height))
        a.add(f"{side}_shoulder_abduct", out * (a.rng.uniform(0, 40) + 20 * spread))
        a.add(f"{side}_elbow", out * a.rng.uniform(-15, 15) + (1 - out) * a.rng.uniform(10, 50))
        a.add("spine_turn", out * a.rng.uniform(0, 25) * (1 if side == "right" else -1))
        a.add("spine_bend", out * a.rng.uniform(-5, 20))
        a.add("pelvis_bend", out * a.rng.uniform(-5, 15))
    _shift_weight(a)
    a.add("heading", 30 * a.wander(1, 6)[:, 0])


def stretching(a: Angles) -> None:
    up = a.episodes(4)
    for side in SIDES:
        a.add(f"{side}_shoulder_flex", up * a.rng.uniform(100, 150))
        a.add(f"{side}_shoulder_abduct", (1 - up) * a.rng.uniform(0, 70) + up * a.rng.uniform(0, 15))
        a.add(f"{side}_elbow", up * a.rng.uniform(-10, 60))
        a.add(f"{side}_hip_abduct", a.rng.uniform(4, 16))
    bend = a.wander(1, 3)[:, 0]
    a.add("spine_side", 16 * bend)
    a.add("pelvis_side", 4 * bend)
    a.add("spine_turn", 18 * a.wander(1, 3.5)[:, 0])
    fold = a.episodes(5) * a.rng.uniform(0, 1)
    a.add("pelvis_bend", 45 * fold)
    a.add("spine_bend", 35 * fold)
    for side in SIDES:
        a.add(f"{side}_hip_flex", 45 * fold)


def kicking(a: Angles) -> None:
    near, far = a.side()
    phase = a.phase(a.rng.uniform(0.3, 0.5))
    back, kick = _bump(phase, 0.8 * np.pi, 6), _bump(phase, 1.15 * np.pi, 9)
    a.add(f"{near}_hip_flex", a.rng.uniform(45, 90) * kick - 15 * back)
    a.add(f"{near}_hip_abduct", a.rng.uniform(0, 20) * kick)
    a.add(f"{near}_knee", a.rng.uniform(50, 90) * back + a.rng.uniform(5, 30) * kick)
    a.add(f"{far}_knee", 15 * (kick + back))
    a.add(f"{far}_hip_flex", 10 * (kick + back))
    a.add(f"{far}_shoulder_flex", 40 * kick - 15 * back)
    a.add(f"{near}_shoulder_flex", 25 * back - 25 * kick)
    a.add(f"{near}_shoulder_abduct", a.rng.uniform(5, 40) * kick)
    a.add(f"{far}_shoulder_abduct", a.rng.uniform(5, 40) * kick)
    a.add("spine_bend", 12 * kick)
    a.add("pelvis_bend", -8 * kick)
    a.add("heading", 60 * a.wander(1, 6)[:, 0])


def crouching(a: Angles) -> None:
    down = a.episodes(3.5)
    depth, lean = a.rng.uniform(0.55, 1.0), a.rng.uniform(15, 40)
    a.add("pelvis_bend", down * lean)
    a.add("spine_bend", down * a.rng.uniform(5, 30))
    a.add("neck_bend", -down * a.rng.uniform(5, 30))
    for side in SIDES:
        a.add(f"{side}_hip_flex", down * (depth * 78 + lean + a.rng.uniform(-8, 8)))
        a.add(f"{side}_knee", down * (depth * 122 + a.rng.uniform(-8, 8)))
        a.add(f"{side}_hip_abduct", down * a.rng.uniform(3, 22))
        a.add(f"{side}_shoulder_flex", down * a.rng.uniform(20, 80))
        a.add(f"{side}_elbow", down * a.rng.uniform(0, 50))
    a.add("heading", 20 * a.wander(1, 6)[:, 0])


def sitting(a: Angles) -> None:
    down = a.episodes(7) if a.rng.random() < 0.35 else np.ones(len(a.seconds))
    rising = 4 * down * (1 - down)
    recline = a.rng.uniform(-15, 12)
    a.add("pelvis_bend", down * recline + 32 * rising)
    a.add("spine_bend", down * a.rng.uniform(0, 25))
    crossed, _ = a.side()
    cross = a.rng.random() < 0.3
    for side in SIDES:
        over = down * (cross and side == crossed)
        stretch = down * a.episodes(4) * a.rng.uniform(0, 35)
        a.add(f"{side}_hip_flex", down * (86 + recline + a.rng.uniform(-6, 6)) + 20 * over + 32 * rising)
        a.add(f"{side}_knee", down * (88 + a.rng.uniform(-8, 12)) - stretch - 15 * over)
        a.add(f"{side}_hip_abduct", down * a.rng.uniform(0, 16) - 14 * over)
        rest = down * (1 - a.episodes(4))
        a.add(f"{side}_shoulder_flex", rest * a.rng.uniform(10, 35))
        a.add(f"{side}_shoulder_turn", rest * a.rng.uniform(5, 40))
        a.add(f"{side}_elbow", rest * a.rng.uniform(30, 65))
        _gesture(a, side, down - rest)
    a.add("neck_turn", 14 * a.wander(1, 3)[:, 0])


ACTIONS: dict[str, Callable[[Angles], None]] = {
    "Crouching": crouching,
    "Discussion": discussion,
    "Kicking": kicking,
    "Phoning": phoning,
    "Reaching": reaching,
    "Sitting": sitting,
    "Stretching": stretching,
    "Turning": turning,
    "Walking": walking,
    "Waving": waving,
}
