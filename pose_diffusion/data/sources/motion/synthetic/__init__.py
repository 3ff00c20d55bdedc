"""Synthetic motion: bodies of different build walk, sit, reach and so on before Human3.6M's cameras.

Everything is drawn from (seed, subject, action, clip, camera), so a clip is the same whichever worker makes it.
"""

from __future__ import annotations

import zlib
from functools import partial

import numpy as np

from pose_diffusion.config import SyntheticConfig
from pose_diffusion.data.sequence import LazySequence, PoseSequence, Source
from pose_diffusion.data.sources.file_format import FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.motion import camera_rig
from pose_diffusion.data.sources.motion.simulated_detector import detect
from pose_diffusion.data.sources.motion.synthetic.actions import ACTIONS, FPS, Angles
from pose_diffusion.data.sources.motion.synthetic.body import Body, joints
from pose_diffusion.data.sources.sample import Sample, Seen
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import h36m_cameras
from pose_diffusion.geometry.skeleton import JOINTS, ROOT
from pose_diffusion.runtime.executor import Executor

_FEET = [JOINTS.index("RFoot"), JOINTS.index("LFoot")]
_SOFT_CONTACT = 0.02  # metres of height over which the weight passes from foot to foot
_WALK_RADIUS = 2.0  # metres from the middle beyond which paths bend back

FORMATS = (FileFormat("this program: synthetic motion", "nothing", "Human3.6M's cameras", "one person", ("h36m17",)),)


def recognise(sample: Sample) -> Seen | None:
    """No file is of it."""
    return None


def open_source(inputs: Inputs, settings: SyntheticConfig, executor: Executor) -> Source:
    """A sequence a subject, action, repetition and camera; the actions' names end in the repetition, as in 'Walking 2'.

    Raises InputError for a subject without a published camera rig and for an unknown action.
    """
    rigs = h36m_cameras()
    actions = list(ACTIONS) if settings.actions is None else settings.actions
    for key, given, known in (("subjects", settings.subjects, rigs), ("actions", actions, ACTIONS)):
        unknown = [name for name in given if name not in known]
        if unknown or not given or len(set(given)) != len(given):
            what = f"unknown '{unknown[0]}'" if unknown else "the list is empty or names one twice"
            raise InputError(f"key 'synthetic.{key}': {what}; known are {', '.join(known)}")
    found = [
        LazySequence(
            subject, f"{action} {take + 1}", camera, settings.frames,
            partial(make, subject, action, take, camera, settings.frames, settings.kernels, inputs.seed),
        )
        for subject in settings.subjects
        for action in actions
        for take in range(settings.clips)
        for camera in rigs[subject]
    ]  # fmt: skip
    cameras = {f"{subject}/{name}": c.to_dict() for subject in settings.subjects for name, c in rigs[subject].items()}
    description = {"converter": "synthetic", "frames_per_second": FPS, **settings.model_dump(mode="json")}
    return Source(found, settings.kernels, cameras, description)


def make(subject: str, action: str, take: int, camera: str, frames: int, kernels: int, seed: int) -> PoseSequence:
    """One clip as one camera of the subject's rig sees it."""
    lens = h36m_cameras()[subject][camera]
    world = motion(subject, action, take, frames, seed)
    points = lens.to_camera(world)
    mixture = detect(points, lens, kernels, _generator(seed, "detector", subject, action, take, camera))
    pose = (points - points[:, ROOT, None]).astype(np.float32)
    return PoseSequence(
        subject, f"{action} {take + 1}", camera, np.arange(frames, dtype=np.int32), mixture, lens.width, lens.height,
        pose, points[:, ROOT].astype(np.float32),
    )  # fmt: skip


def motion(subject: str, action: str, take: int, frames: int, seed: int) -> np.ndarray:
    """The 17 joints (T, 17, 3) in the world of the subject's rig, metres, z up, floor at 0."""
    body = Body.draw(_generator(seed, "body", subject))
    rng = _generator(seed, "motion", subject, action, take)
    angles = Angles(frames, np.array(body.habit) + rng.normal(0, 0.7, len(body.habit)) * np.radians(4), rng)
    ACTIONS[action](angles)
    points = joints(body, angles.values)
    points += _root(points[:, _FEET], body.ankle, camera_rig.middle(h36m_cameras()[subject].values()) + rng.normal(0, 0.45, 2))[
        :, None
    ]
    return points


def _root(feet: np.ndarray, ankle: float, place: np.ndarray) -> np.ndarray:
    """Where the pelvis must be (T, 3) so that the lower foot stands on the floor and stays where it stands.

    feet: (T, 2, 3) relative to the pelvis. ankle: its height over the floor. place: middle of the path, (2,).
    """
    weight = np.exp(-(feet[..., 2:] - feet[..., 2:].min(1, keepdims=True)) / _SOFT_CONTACT)
    weight /= weight.sum(1, keepdims=True)
    step = -(weight[:-1] * np.diff(feet, axis=0)).sum(1)[:, :2]
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(step, axis=0)])
    path -= path.mean(0)
    return np.column_stack([camera_rig.inside(path, _WALK_RADIUS) + place, ankle - (weight * feet).sum(1)[:, 2]])


def _generator(seed: int, *keys: str | int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32("/".join(map(str, keys)).encode())])
