"""3D positions of Human3.6M's 17 joints in the world, as arrays: an .npz with one a recording, or a folder of such files.

An array is named 'SUBJECT/ACTION', where the subject may have slashes of its own. It is (T, 17, 3): frames, joints in the order
of `skeleton.JOINTS`, and x, y, z with z up unless `joints.up` says otherwise. Floats are usually metres; int16 in quarter
millimetres takes half the space and reaches 8 m. `joints.unit=auto` tells them apart by the height of the person, as elsewhere,
and takes quarter millimetres for whole numbers only. `joints.split` names a split file (`split_file`) beside the arrays.
"""

from __future__ import annotations

import logging

import numpy as np

from pose_diffusion import storage
from pose_diffusion.config import JointsConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources.file_format import RIG, FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.motion import split_file
from pose_diffusion.data.sources.motion.mocap import Motion, Recording, motion_source
from pose_diffusion.data.sources.sample import ArrayHeader, Sample, Seen
from pose_diffusion.data.untrusted import npz
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.skeleton import JOINTS, N_JOINTS
from pose_diffusion.runtime.executor import Executor

log = logging.getLogger(__name__)

_LARGEST = 1e6  # file units

FORMATS = (
    FileFormat(
        "motion capture as arrays of the 17 joints' places in the world",
        ".npz, or a folder of them, with an array `SUBJECT/ACTION` (frames, 17, 3) a recording", RIG, "one person an array",
        ("h36m17",),
    ),
)  # fmt: skip


def open_source(inputs: Inputs, settings: JointsConfig, executor: Executor) -> Source:
    """A sequence an array and camera. Raises InputError for bad files, and for a split that does not fit them."""
    recordings = _recordings(inputs, settings)
    if settings.split:
        recordings = _divided(inputs, settings, recordings)
    return motion_source("joints", inputs, settings, executor, recordings, read)


def recognise(sample: Sample) -> Seen | None:
    """An .npz with nothing but arrays 'SUBJECT/ACTION' of 17 joints; an array without a slash may be 2D and a score."""
    if sample.suffix != ".npz" or not sample.arrays or not all(map(_is_motion, sample.arrays, sample.arrays.values())):
        return None
    name, header = next(iter(sample.arrays.items()))
    return Seen("arrays of 3D joints", f"an .npz with arrays such as '{name}' {header.shape}")


def read(fps: float, path: str, name: str) -> Motion:
    """One array. Raises InputError for anything but finite numbers (T, 17, 3)."""
    where = _where(path, name)
    shape = npz.shape_of(path, name)
    if len(shape) != 3 or shape[1:] != (N_JOINTS, 3):
        raise InputError(f"{where}: expected (frames, {N_JOINTS}, 3), x, y, z of Human3.6M's {N_JOINTS} joints, got {shape}")
    if not shape[0]:
        raise InputError(f"{where}: has no frames; leave it out of the file")
    positions = npz.load(path, [name])[name]
    if positions.dtype.kind == "f":
        positions = positions.astype(np.float64)
    bad = np.argwhere(~(abs(positions) <= _LARGEST).all(-1))
    if len(bad):
        frame, joint = bad[0]
        raise InputError(f"{where}: frame {frame}: {JOINTS[joint]} is not finite or beyond {_LARGEST:g}; cut the array there")
    return Motion(list(JOINTS), positions, fps)


def _recordings(inputs: Inputs, settings: JointsConfig) -> dict[str, Recording]:
    """The arrays of all files, by their places for errors."""
    recordings: dict[str, Recording] = {}
    places: dict[tuple[str, str], str] = {}
    for path in inputs.files(".npz"):
        names = npz.names(path)
        if not names:
            raise InputError(f"{path}: holds no array; expected one a recording, named 'SUBJECT/ACTION'")
        for name in names:
            where = _where(path, name)
            subject, slash, action = name.rpartition("/")
            if not action or (slash and not all(subject.split("/"))):
                raise InputError(f"{where}: expected a name 'SUBJECT/ACTION', with nothing empty")
            subject = subject or settings.subject
            if (before := places.setdefault((subject, action), where)) != where:
                raise InputError(f"{where}: recording '{subject}/{action}' is there twice, before in {before}; rename one")
            recordings[where] = Recording(subject, action, (settings.source_fps, path, name))
    return recordings


def _divided(inputs: Inputs, settings: JointsConfig, recordings: dict[str, Recording]) -> dict[str, Recording]:
    """The recordings that the split file keeps, with their split."""
    folder = inputs.path if storage.list_files(inputs.path) else inputs.path.rpartition("/")[0]
    path = storage.absolute(settings.split, folder)
    parts = split_file.read(path, {f"{one.subject}/{one.action}": one.subject for one in recordings.values()})
    kept = {}
    for where, one in recordings.items():
        part = parts[f"{one.subject}/{one.action}"]
        if part != "none":
            kept[where] = Recording(one.subject, one.action, one.arguments, part)
    if not kept:
        raise InputError(f"{path}: leaves out all of the {len(recordings)} recordings")
    if left_out := len(recordings) - len(kept):
        log.info("prepare: %s leaves out %d of %d recordings", path, left_out, len(recordings))
    return kept


def _where(path: str, name: str) -> str:
    return f"{path}: member '{name}'"


def _is_motion(name: str, header: ArrayHeader) -> bool:
    return "/" in name and header.kind in "fiu" and len(header.shape) == 3 and header.shape[1:] == (N_JOINTS, 3)
