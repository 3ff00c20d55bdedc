"""Human3.6M as VideoPose3D and DiffPose publish it: two .npz files with nested dicts {subject: {action: ...}}.

`data_3d_h36m.npz`, 'positions_3d': (T, 32, 3) metres, world frame (VideoPose3D, arXiv 1811.11742, prepare_data_h36m.py).
2D, 'positions_2d', a list of four cameras: points (T, 17, 2) in pixels (VideoPose3D, any detector) or mixtures
(T, 17, K, 5), weight, mean u, mean v, sigma u, sigma v, means in pixels (DiffPose, arXiv 2211.16940).
2D is often longer than the mocap and is trimmed; shorter 2D is an error, for no one knows which frames are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from pose_diffusion import storage
from pose_diffusion.config import Human36MConfig
from pose_diffusion.data import mixture as gmm
from pose_diffusion.data import schema
from pose_diffusion.data.sequence import LazySequence, PoseSequence, Source
from pose_diffusion.data.sources.file_format import FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.parsing import natural
from pose_diffusion.data.sources.sample import Sample, Seen
from pose_diffusion.data.untrusted import npz
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera, h36m_cameras
from pose_diffusion.geometry.skeleton import H36M_32, N_JOINTS, ROOT
from pose_diffusion.runtime.executor import Executor

FORMATS = (
    FileFormat(
        "Human3.6M as VideoPose3D and DiffPose publish it",
        "a folder with `data_3d_h36m.npz` and a 2D .npz of points or mixtures", "the data set's cameras",
        "one person", ("h36m17",),
    ),
)  # fmt: skip


def open_source(inputs: Inputs, settings: Human36MConfig, executor: Executor) -> Source:
    """A sequence a subject, action and camera, in natural order. Both files are read here, whole; sequences are views of them.

    Raises InputError for a file missing or unreadable and for subjects, actions, cameras, lengths or shapes that disagree.
    """
    poses_path = storage.join(inputs.path, settings.poses)
    detections_path = storage.join(inputs.path, settings.detections)
    poses = _nested(poses_path, "positions_3d", settings.drop)
    detections = _nested(detections_path, "positions_2d", settings.drop)
    _check_same_keys(poses, poses_path, detections, detections_path)

    found: list[LazySequence] = []
    cameras: dict[str, dict] = {}
    kernels: int | None = None
    for subject in sorted(poses, key=natural):
        rig = _rig(subject, poses_path, settings)
        cameras |= {f"{subject}/{name}": camera.to_dict() for name, camera in rig.items()}
        for action in sorted(poses[subject], key=natural):
            where = f"{poses_path}: {subject} / {action}"
            world = _array(poses[subject][action], (32, 3), where)[:, H36M_32].astype(np.float32)
            seen = detections[subject][action]
            if not isinstance(seen, list | tuple) or len(seen) != len(rig):
                count = len(seen) if isinstance(seen, list | tuple) else type(seen).__name__
                raise InputError(f"{detections_path}: {subject} / {action}: expected {len(rig)} cameras, got {count}")
            for (name, camera), points in zip(rig.items(), seen, strict=True):
                where = f"{detections_path}: {subject} / {action} / camera {name}"
                points = _points(points, where, len(world))
                kernels = kernels or _kernels(points)
                if _kernels(points) != kernels:
                    raise InputError(f"{where}: {_kernels(points)} kernels a joint, {kernels} before")
                load = partial(_load, subject, action, name, camera, world, points[: len(world)], settings, where)
                found.append(LazySequence(subject, action, name, len(world), load))
    if kernels is None:
        raise InputError(f"{poses_path}: holds no sequence")
    description = {"converter": "human36m", "joints": "17 of Human3.6M's 32", **settings.model_dump(mode="json")}
    return Source(found, kernels, cameras, description)


def recognise(sample: Sample) -> Seen | None:
    """The mocap file, or mixtures in DiffPose's layout. Points in VideoPose3D's may go with them, or be alone."""
    if "positions_3d" in sample.arrays:
        return Seen("Human3.6M", "an .npz with 'positions_3d'")
    if "positions_2d" in sample.arrays and "metadata" not in sample.arrays:
        return Seen(
            "Human3.6M's 2D", "an .npz with 'positions_2d'", "2D alone; put data_3d_h36m.npz beside it and give the folder"
        )
    return None


def _load(
    subject: str, action: str, name: str, camera: Camera, world: np.ndarray, points: np.ndarray,
    settings: Human36MConfig, where: str,
) -> PoseSequence:  # fmt: skip
    _check_points(points, where)
    points_px = gmm.from_points(points, settings.point_sigma_px) if points.ndim == 3 else points
    sigma_in_pixels = points.ndim == 3 or settings.sigma_unit == "pixels"
    screen = gmm.pixels_to_screen(points_px, camera.width, camera.height, sigma_in_pixels)
    mixture = gmm.normalise(screen, in_place=True)
    pose = camera.to_camera(world)
    if not schema.all_finite(pose):
        _check_frames(np.isfinite(pose).all((1, 2)), where, "a 3D joint is not finite")
    root = pose[:, ROOT].copy()
    pose -= root[:, None]
    frame = np.arange(len(world), dtype=np.int32)
    return PoseSequence(subject, action, name, frame, mixture, camera.width, camera.height, pose, root)


def _check_points(points: np.ndarray, where: str) -> None:
    if not schema.all_finite(points):
        _check_frames(np.isfinite(points).reshape(len(points), -1).all(1), where, "a value is not finite")
    if points.ndim == 4 and (points.min(0)[..., [0, 3, 4]] < 0).any():
        _check_frames((points[..., gmm.WEIGHT] >= 0).all((1, 2, 3)), where, "a weight is negative")
        _check_frames((points[..., gmm.SIGMA] >= 0).all((1, 2, 3)), where, "a sigma is negative")


def _nested(path: str, key: str, drop: list[str]) -> dict[str, dict[str, Any]]:
    """{subject: {action: value}} of one file, without the dropped sequences."""
    subjects = npz.load(path, [key])[key]
    if not isinstance(subjects, dict) or not all(isinstance(actions, dict) for actions in subjects.values()):
        raise InputError(f"{path}: '{key}': expected nested dicts {{subject: {{action: ...}}}}")
    return {
        subject: {action: value for action, value in actions.items() if f"{subject}/{action}" not in drop}
        for subject, actions in subjects.items()
    }


def _check_same_keys(poses: Mapping, poses_path: str, detections: Mapping, detections_path: str) -> None:
    named = [(poses, poses_path, detections, detections_path), (detections, detections_path, poses, poses_path)]
    for present, present_path, other, other_path in named:
        for subject, actions in present.items():
            if subject not in other:
                raise InputError(f"{other_path}: no subject '{subject}', which {present_path} has")
            absent = [action for action in actions if action not in other[subject]]
            if absent:
                raise InputError(f"{other_path}: {subject} has no action '{absent[0]}', which {present_path} has")


def _rig(subject: str, path: str, settings: Human36MConfig) -> dict[str, Camera]:
    known = h36m_cameras()
    if subject not in known:
        raise InputError(f"{path}: no cameras are published for subject '{subject}', only for {', '.join(known)}")
    if settings.image_size == "camera":
        return known[subject]
    return {name: replace(camera, width=1000, height=1000) for name, camera in known[subject].items()}


def _array(value: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.shape[1:] != shape or not len(value):
        raise InputError(f"{where}: expected numbers (frames, {', '.join(map(str, shape))}), got {_shape(value)}")
    return value


def _points(value: Any, where: str, rows: int) -> np.ndarray:
    mixtures = isinstance(value, np.ndarray) and value.ndim == 4 and value.shape[2] > 0
    points = _array(value, (N_JOINTS, value.shape[2], 5) if mixtures else (N_JOINTS, 2), where)
    if len(points) < rows:
        raise InputError(f"{where}: {len(points)} frames of 2D for {rows} of 3D; 2D may be longer, not shorter")
    return points


def _kernels(points: np.ndarray) -> int:
    return points.shape[2] if points.ndim == 4 else 1


def _check_frames(good: Any, where: str, reason: str) -> None:
    if not good.all():
        raise InputError(f"{where}: frame {int(good.argmin())}: {reason}")


def _shape(value: Any) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
