"""A simulated 2D detector: what a keypoint network and its heatmaps would say of known joints.

Errors are drawn as centimetres on the body, so that far people get fewer pixels of error, as with real detectors:
noise that is partly steady over time, larger on the limbs' ends and behind the torso; rare jumps of a joint to a wrong
place that last some frames; limbs taken for those of the other side, more often the closer the two appear.
The mixture's heaviest kernel is the detection. Of the others, one is the second peak of a heatmap: where the detection
jumped or swapped it is often at the true place, elsewhere it is often at the other side's joint.
"""

from __future__ import annotations

import numpy as np

from pose_diffusion.data import mixture as gmm
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.geometry.skeleton import FLIP, JOINTS, N_JOINTS

# Standard deviation of a joint's noise, centimetres on the body.
_SIGMA_CM = {"Hip": 1.6, "Knee": 1.8, "Foot": 2.3, "Spine": 1.6, "Thorax": 1.4, "Neck/Nose": 1.4, "Head": 1.7,
             "Shoulder": 1.6, "Elbow": 2.2, "Wrist": 2.9}  # fmt: skip
_SIGMA = np.array([next(cm / 100 for part, cm in _SIGMA_CM.items() if name.endswith(part)) for name in JOINTS])
_LIMBS = ((1, 2, 3), (14, 15, 16))  # right leg, right arm; FLIP gives the left ones
_MEMORY = 0.93 ** np.arange(64)  # how a steady error fades, frame by frame
_HIDDEN = 1.8  # noise behind the torso, relative to noise in front of it
_JUMP = 2.4  # a joint's steady field above this (standard deviations) is a jump: about 1 frame in 100
_JUMP_SIZE = 0.12  # metres on the body
_SWAP = 1.9  # as _JUMP, for limbs that coincide; _SWAP_DISTANCE metres apart, a swap needs one deviation more
_SWAP_DISTANCE = 0.15
_SECOND_TRUE, _SECOND_MIRRORED = 0.75, 0.35  # how often the second kernel is at the true, or the other side's, place


def detect(points: np.ndarray, camera: Camera, kernels: int, rng: np.random.Generator) -> np.ndarray:
    """points: (T, 17, 3) metres in the camera frame. Returns mixtures (T, 17, K, 5) in normalised screen units."""
    frames, depth = len(points), points[..., 2]
    truth = camera.project(points)  # (T, 17, 2)
    metre = (camera.intrinsic[0] / depth[:, :1])[..., None]  # screen units of a metre at the pelvis' depth, (T, 1, 1)

    hidden = 1 / (1 + np.exp(-(_behind_torso(truth / metre, depth) - 0.5) * 8))
    sigma = _SIGMA[:, None] * (1 + (_HIDDEN - 1) * hidden)[..., None] * metre * rng.uniform(0.75, 1.25)  # (T, 17, 1)
    fields = _steady(rng.standard_normal((frames + len(_MEMORY) - 1, 3 * N_JOINTS + len(_LIMBS))))
    drift = fields[:, : 2 * N_JOINTS].reshape(frames, N_JOINTS, 2)
    found = truth + sigma * (0.7 * drift + 0.6 * rng.standard_normal(truth.shape))

    swapped = np.zeros((frames, N_JOINTS), bool)
    for limb, field in zip(_LIMBS, fields[:, 3 * N_JOINTS :].T, strict=True):
        joints, mirrored = list(limb), [FLIP[joint] for joint in limb]
        apart = np.linalg.norm((truth[:, joints[1:]] - truth[:, mirrored[1:]]) / metre, axis=-1).mean(1)
        swapped[:, joints + mirrored] = (field > _SWAP + apart / _SWAP_DISTANCE)[:, None]
    found = np.where(swapped[..., None], found[:, list(FLIP)], found)

    jumped = fields[:, 2 * N_JOINTS : 3 * N_JOINTS] > _JUMP - 0.5 * hidden
    direction = _steady(rng.standard_normal((frames + len(_MEMORY) - 1, 2 * N_JOINTS))).reshape(truth.shape)
    found = np.where(jumped[..., None], truth + _JUMP_SIZE * metre * direction * 1.3, found)
    return _mixture(truth, found, sigma, jumped | swapped, kernels, rng)


def _mixture(
    truth: np.ndarray, found: np.ndarray, sigma: np.ndarray, wrong: np.ndarray, kernels: int, rng: np.random.Generator
) -> np.ndarray:
    shape = wrong.shape  # (T, 17)
    mixture = np.empty((*shape, kernels, 5), np.float32)
    certainty = np.where(wrong, rng.uniform(0.35, 0.6, shape), rng.uniform(0.5, 0.98, shape))
    rest = rng.exponential(size=(*shape, kernels - 1)).astype(np.float32)
    if kernels > 1:
        rest[..., 0] += 1  # the second peak is the heaviest of the rest
        rest *= ((1 - certainty) / rest.sum(-1))[..., None]
        rest = np.minimum(rest, certainty[..., None])
    mixture[..., 0, 0], mixture[..., 1:, 0] = certainty, rest
    mixture[..., 0, gmm.MEAN] = found
    scatter = rng.standard_normal((*shape, kernels - 1, 2), dtype=np.float32)
    mixture[..., 1:, gmm.MEAN] = found[:, :, None] + scatter * (2 * sigma)[:, :, None]
    if kernels > 1:
        chance = rng.random(shape)
        second = mixture[..., 1, gmm.MEAN]
        place = np.where(wrong[..., None], truth, truth[:, list(FLIP)])
        there = chance < np.where(wrong, _SECOND_TRUE, _SECOND_MIRRORED)
        mixture[..., 1, gmm.MEAN] = np.where(there[..., None], place + 0.35 * (second - found), second)
    spread = rng.uniform(0.75, 1.3, (*shape, kernels, 1))
    mixture[..., gmm.SIGMA] = sigma[:, :, None] * spread
    return gmm.normalise(mixture)


def _behind_torso(image: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """(T, 17), about 1 where the torso stands between joint and camera and 0 where it does not. image: metres."""
    hip, thorax = image[:, None, 0], image[:, None, 8]
    axis = thorax - hip
    along = ((image - hip) * axis).sum(-1) / (axis**2).sum(-1).clip(1e-6)
    aside = np.linalg.norm(image - (hip + along.clip(0, 1)[..., None] * axis), axis=-1)
    behind = (depth - (depth[:, :1] + along.clip(0, 1) * (depth[:, 8:9] - depth[:, :1]))) / 0.1
    return behind.clip(0, 1) * (1.5 - aside / 0.15).clip(0, 1)


def _steady(white: np.ndarray) -> np.ndarray:
    """White noise (T + memory - 1, n) to unit-variance noise (T, n) whose errors fade over some frames."""
    weights = _MEMORY / np.linalg.norm(_MEMORY)
    windows = np.lib.stride_tricks.sliding_window_view(white, len(weights), axis=0)  # (T, n, memory)
    return windows @ weights
