"""People of known motion in one room, as a static camera and an imperfect 2D pose detector see them.

The bodies and their motion are the project's synthetic ones (`motion`), moved along paths on the floor: some people stand,
some wander, some pass through once. Joints behind a nearer person are hidden, and so are people of whom little is seen.
The detector adds noise, misses joints and people (singly and for some time) and finds people who are not there: 1 to 8
joints beside a person or anywhere, for one frame or a few. Rows of a frame are in random order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_diffusion.data.sources.motion.synthetic import motion
from pose_diffusion.geometry.skeleton import JOINTS, N_JOINTS, PARENTS

WIDTH, HEIGHT = 1920, 1080
FALSE_FIND = -1  # the person of rows that are nobody
_FOCAL = 1400.0  # pixels
_STANDING = ("Crouching", "Discussion", "Kicking", "Phoning", "Reaching", "Stretching", "Turning", "Waving")
_MOTION_FPS = 50
_CHILDREN = np.arange(1, N_JOINTS)
_LIMB_RADIUS = np.where(np.isin(_CHILDREN, [1, 4, 7, 8, 11, 14]), 0.15, 0.07)  # metres about a bone: the torso's, a limb's
_LEFT_HIP, _RIGHT_HIP = JOINTS.index("LHip"), JOINTS.index("RHip")


@dataclass(frozen=True)
class Scene:
    """points: (n, 17, 2) pixels. confidence: (n, 17), 0 where a joint is missing. frame: (n,). person: (n,), the truth."""

    points: np.ndarray
    confidence: np.ndarray
    frame: np.ndarray
    person: np.ndarray

    @property
    def seen(self) -> np.ndarray:
        return self.confidence > 0

    def every(self, stride: int, renumbered: bool = False) -> Scene:
        """The frames 0, stride, 2 stride, ..., with these numbers or renumbered 0, 1, 2, ..."""
        rows = self.frame % stride == 0
        frame = self.frame[rows] // stride if renumbered else self.frame[rows]
        return Scene(self.points[rows], self.confidence[rows], frame, self.person[rows])


def scene(people: int, fps: int, seed: int, seconds: float = 12, hidden_joints: str = "missing") -> Scene:
    """hidden_joints: 'missing' as bottom-up detectors leave them, or 'guessed' as top-down ones do, of low confidence."""
    rng = np.random.default_rng([seed, people])
    world = np.stack([_person(rng, fps, seconds) for _ in range(people)])  # (people, T, 17, 3)
    x, depth, scale = _project(world, height=rng.uniform(1.6, 3.0))
    hidden, nearest = _hidden(x, depth, scale)
    outside = ((x < 0) | (x > [WIDTH, HEIGHT])).any(-1) | (depth < 0.5)
    size = 1.7 * scale  # pixels of a standing person, (people, T)

    jitter = rng.normal(0, 0.012, x.shape) + rng.normal(0, 0.008, (*x.shape[:2], 1, 2))
    wild = rng.random(x.shape[:3]) < 0.01
    jitter += np.where(wild[..., None], rng.normal(0, 0.12, x.shape), 0)
    confidence = rng.beta(9, 3, x.shape[:3])
    if hidden_joints == "guessed":
        jitter += np.where(hidden[..., None], rng.normal(0, 0.05, x.shape), 0)
        confidence = np.where(hidden, rng.uniform(0.05, 0.4, hidden.shape), confidence)
        confidence[outside] = 0
        taken = hidden & (rng.random(hidden.shape) < 0.3)  # the nearer person's joint in its place
        x = np.where(taken[..., None], np.take_along_axis(x, nearest[..., None], 0), x)
    else:
        confidence[outside | hidden] = 0
    confidence[rng.random(confidence.shape) < 0.04] = 0
    points = x + jitter * size[..., None, None]

    visible = (~hidden & ~outside).mean(-1)
    found = (visible > rng.normal(0.3, 0.07, visible.shape)) & ((confidence > 0).sum(-1) >= 3)
    found &= (rng.random(found.shape) > 0.02) & ~_bursts(rng, found.shape, fps)

    who, when = np.nonzero(found)
    rows = [(points[who, when], confidence[who, when], when, who)]
    rows += _false_finds(rng, points, size, found, fps)
    points, confidence, frame, person = (np.concatenate(column) for column in zip(*rows, strict=True))
    order = rng.permutation(len(frame))
    order = order[np.argsort(frame[order], kind="stable")]
    points[confidence == 0] = 0
    return Scene(points[order], confidence[order], frame[order], person[order])


def _person(rng: np.random.Generator, fps: int, seconds: float) -> np.ndarray:
    """(T, 17, 3) metres, z up, the floor at 0, around the middle of the room."""
    kind = rng.choice(["stands", "wanders", "passes"], p=[0.2, 0.5, 0.3])
    action = str(rng.choice(_STANDING)) if kind == "stands" else "Walking"
    pace = rng.uniform(1.2, 1.8) if kind == "passes" and rng.random() < 0.4 else 1.0  # a runner's steps
    frames = int(seconds * _MOTION_FPS * pace) + 2
    body = motion("S1", action, 0, frames, int(rng.integers(2**31)))
    body[..., :2] -= body[:, :1, :2]
    clock = np.arange(int(seconds * fps)) / fps
    body = _at(body, clock * _MOTION_FPS * pace)
    if kind == "stands":
        return body + [*rng.uniform([-3, -2.5], [3, 2.5]), 0]
    path = _wander(rng, clock) if kind == "wanders" else _pass(rng, clock, seconds, pace)
    way = np.gradient(path, axis=0)
    across = body[:, _LEFT_HIP, :2] - body[:, _RIGHT_HIP, :2]
    turn = np.arctan2(way[:, 1], way[:, 0]) - np.arctan2(-across[:, 0], across[:, 1])
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    x, y, z = np.moveaxis(body, -1, 0)
    return np.stack([cos * x - sin * y + path[:, :1], sin * x + cos * y + path[:, 1:], z], -1)


def _at(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Values (T, ...) at fractional indices, linearly between."""
    low = np.minimum(index.astype(int), len(values) - 2)
    share = (index - low).reshape(-1, *[1] * (values.ndim - 1))
    return values[low] * (1 - share) + values[low + 1] * share


def _wander(rng: np.random.Generator, clock: np.ndarray) -> np.ndarray:
    """Round about the room, up to about 1.5 m/s, seldom out of the picture: sinusoids, (T, 2)."""
    period, phase = rng.uniform(8, 20, (3, 2)), rng.uniform(0, 2 * np.pi, (3, 2))
    waves = np.sin(2 * np.pi * clock[:, None, None] / period + phase)  # (T, 3, 2)
    return (waves * [1.3, 1.0]).sum(1)


def _pass(rng: np.random.Generator, clock: np.ndarray, seconds: float, pace: float) -> np.ndarray:
    """Straight through the room once, at 0.9 to 1.6 m/s times the pace, (T, 2)."""
    angle = rng.choice([0, np.pi]) + rng.normal(0, 0.35)
    middle = rng.uniform([-2, -2], [2, 2])
    speed = rng.uniform(0.9, 1.6) * pace
    return middle + (speed * (clock - rng.uniform(0.2, 0.8) * seconds))[:, None] * [np.cos(angle), np.sin(angle)]


def _project(world: np.ndarray, height: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels (..., 2) and depths (...) of world points, and pixels a metre at each person, (people, T).

    The camera stands 7.5 m from the middle of the room, `height` metres over the floor, and looks at 0.9 m.
    """
    down = np.arctan2(height - 0.9, 7.5)
    x, y, z = world[..., 0], world[..., 1] + 7.5, world[..., 2] - height
    depth = np.cos(down) * y - np.sin(down) * z
    below = -np.cos(down) * z - np.sin(down) * y
    safe = np.maximum(depth, 0.3)
    pixels = np.stack([x, below], -1) / safe[..., None] * _FOCAL + [WIDTH / 2, HEIGHT / 2]
    return pixels, depth, _FOCAL / safe.mean(-1)


def _hidden(x: np.ndarray, depth: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which joints are behind a bone of a nearer person, (people, T, 17), and whose (the last such)."""
    hidden, by = np.zeros(depth.shape, bool), np.zeros(depth.shape, np.int64)
    start, end = x[:, :, list(PARENTS[1:])], x[:, :, 1:]  # (people, T, 16, 2)
    bone = end - start
    length = np.maximum((bone**2).sum(-1), 1e-9)
    away = depth.mean(-1)  # (people, T)
    for near in range(len(x)):
        offset = x[:, :, :, None] - start[near][None, :, None]  # (people, T, 17, 16, 2)
        along = np.clip((offset * bone[near][None, :, None]).sum(-1) / length[near][None, :, None], 0, 1)
        apart = np.linalg.norm(offset - along[..., None] * bone[near][None, :, None], axis=-1)
        covers = (apart < _LIMB_RADIUS * scale[near][None, :, None, None]).any(-1)
        covers &= ((away[near] < away - 0.1) & (away[near] > 0.5))[..., None]
        hidden |= covers
        by = np.where(covers, near, by)
    return hidden, by


def _bursts(rng: np.random.Generator, shape: tuple[int, int], fps: int) -> np.ndarray:
    """Where a person is missed for 0.2 to 0.6 s, about once in ten seconds, (people, T)."""
    missed = np.zeros(shape, bool)
    for person, start in np.argwhere(rng.random(shape) < 0.1 / fps):
        missed[person, start : start + int(rng.uniform(0.2, 0.6) * fps)] = True
    return missed


def _false_finds(
    rng: np.random.Generator, points: np.ndarray, size: np.ndarray, found: np.ndarray, fps: int
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Rows like those of `scene` for what is nobody: beside each person once a second, and anywhere 0.7 times a second."""
    frames = found.shape[1]
    rows = []
    starts = [(who, when) for who, when in np.argwhere(found & (rng.random(found.shape) < 1.0 / fps))]
    starts += [(None, when) for when in np.flatnonzero(rng.random(frames) < 0.7 / fps)]
    for who, start in starts:
        joints = rng.choice(N_JOINTS, rng.integers(1, 9), replace=False)
        copied = who is not None and rng.random() < 0.5  # the person's own joints a second time, or a small heap of points
        place = rng.uniform(0, [WIDTH, HEIGHT])
        heap = rng.normal(0, 0.1, (N_JOINTS, 2))
        drift = rng.normal(0, 0.15, 2)
        for when in range(start, min(start + rng.geometric(0.6), frames)):
            if who is None:
                near = np.broadcast_to(place, (N_JOINTS, 2))
                height = 300.0
            else:
                near = points[who, when] if copied else np.broadcast_to(points[who, when].mean(0), (N_JOINTS, 2))
                height = size[who, when]
            found_at = near + height * (drift + (rng.normal(0, 0.02, (N_JOINTS, 2)) if copied else heap))
            confidence = np.zeros(N_JOINTS)
            confidence[joints] = rng.uniform(0.1, 0.6, len(joints))
            rows.append((found_at[None], confidence[None], np.array([when]), np.array([FALSE_FIND])))
    return rows
