"""MPI-INF-3DHP (Mehta et al. 2017, arXiv 1611.09813): P-STMO's .npz files, or the data set's own.

npz: train 'data': {'S1 Seq1': [{camera: {data_3d, data_2d}}]}, test 'data': {'TS1': {data_3d, data_2d, valid}}; 17 joints,
millimetres in the camera frame, pixels (P-STMO, arXiv 2203.07628; D3DP). Original: S*/Seq*/annot.mat (MATLAB 5; cells a
camera of annot2 (T, 56) and annot3, univ_annot3 (T, 84), 28 joints) and TS*/annot_data.mat (HDF5; 17 joints, valid_frame).
Images are 2048 x 2048, those of TS5 and TS6 1920 x 1080. univ_annot3 is scaled to one body height, so that it does not
project onto the 2D; there the pelvis' place is left unknown.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np

from pose_diffusion import storage
from pose_diffusion.config import MpiInf3dhpConfig
from pose_diffusion.data.sequence import LazySequence, Source
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.benchmarks import camera_space
from pose_diffusion.data.sources.detections.clip_cache import ClipCache
from pose_diffusion.data.sources.file_format import FileFormat
from pose_diffusion.data.sources.inputs import Inputs, map_inputs
from pose_diffusion.data.sources.sample import Sample, Seen
from pose_diffusion.data.untrusted import hdf5, matlab, npz
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import MPI_INF_3DHP_17
from pose_diffusion.runtime.executor import Executor, LocalExecutor

_JOINTS_28 = (7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6)  # where the 17 stand among the 28
_WIDE, _SQUARE = (1920, 1080), (2048, 2048)
_TRAIN = re.compile(r"(S\d+)[ /_](Seq\d+)")
_TEST = re.compile(r"TS\d+")

FORMATS = (
    FileFormat(
        "MPI-INF-3DHP as P-STMO publishes it", "a folder with `data_train_3dhp.npz` and `data_test_3dhp.npz`",
        "known", "one person",
        ("mpi_inf_3dhp17",),
    ),
    FileFormat(
        "MPI-INF-3DHP's own files", "`S*/Seq*/annot.mat` and `TS*/annot_data.mat`, with `files=original`",
        "known", "one person",
        ("mpi_inf_3dhp17",),
    ),
)  # fmt: skip
_ORIGINAL = {"files": "original"}


def open_source(inputs: Inputs, settings: MpiInf3dhpConfig, executor: Executor) -> Source:
    """A sequence a recording and camera. Raises InputError for bad files, and where prepare.test_subjects would let test
    sequences into training.
    """
    found, skipped = _npz(inputs, settings) if settings.files == "npz" else _original(inputs, settings)
    stray = sorted({clip.subject for clip in found if _TEST.fullmatch(clip.subject)} - set(inputs.test_subjects))
    if stray:
        raise InputError(f"key 'prepare.test_subjects': {stray[0]} is of the test set and not in it; expected TS1 to TS6")
    description = {"converter": "mpi_inf_3dhp", "layouts": [MPI_INF_3DHP_17.name], **settings.model_dump(mode="json")}
    return Source(found, 1, {}, description, skipped)


def recognise(sample: Sample) -> Seen | None:
    """P-STMO's .npz with 'data' alone, or the data set's own MATLAB files."""
    if set(sample.arrays) == {"data"} and sample.arrays["data"].kind == "O":
        return Seen("MPI-INF-3DHP in P-STMO's form", "an .npz with 'data'")
    if {"annot2", "annot3", "valid_frame"} <= sample.datasets and sample.name == "annot_data.mat":
        return Seen("MPI-INF-3DHP", "annot_data.mat with 'annot2' and 'annot3'", settings=_ORIGINAL)
    if sample.name == "annot.mat" and sample.head.startswith(b"MATLAB 5.0"):
        return Seen("MPI-INF-3DHP", "annot.mat of MATLAB 5", settings=_ORIGINAL)
    return None


def _npz(inputs: Inputs, settings: MpiInf3dhpConfig) -> tuple[list[LazySequence], list[str]]:
    names = [name for name in (settings.train, settings.test) if name]
    if not names:
        raise InputError("keys 'mpi_inf_3dhp.train' and 'mpi_inf_3dhp.test': both are empty")
    paths = [storage.join(inputs.path, name) for name in names]
    skipped: list[str] = []
    groups = map_inputs(inputs, partial(_npz_file, settings), paths, LocalExecutor(), skipped)
    return [sequence for _, group in groups for sequence in group], skipped


def _npz_file(settings: MpiInf3dhpConfig, path: str) -> list[LazySequence]:
    data = npz.load(path, ["data"])["data"]
    if not isinstance(data, dict) or not data:
        raise InputError(f"{path}: 'data': expected a dict of sequences")
    found = []
    for name in sorted(data, key=parsing.natural):
        train = _TRAIN.fullmatch(str(name))
        if train:
            cameras = data[name]
            cameras = cameras[0] if isinstance(cameras, list | tuple | np.ndarray) and len(cameras) else cameras
            if not isinstance(cameras, dict):
                raise InputError(f"{path}: {name}: expected [{{camera: ...}}]")
            for camera in sorted(cameras, key=parsing.natural):
                if str(camera) in map(str, settings.cameras):
                    where = f"{path}: {name} / camera {camera}"
                    found.append(_sequence(settings, train[1], train[2], str(camera), cameras[camera], where))
        elif _TEST.fullmatch(str(name)):
            found.append(_sequence(settings, str(name), str(name), "", data[name], f"{path}: {name}"))
        else:
            raise InputError(f"{path}: sequence '{name}', expected names like 'S1 Seq1' or 'TS1'")
    return found


def _original(inputs: Inputs, settings: MpiInf3dhpConfig) -> tuple[list[LazySequence], list[str]]:
    paths = [path for path in inputs.files(".mat") if path.endswith(("/annot.mat", "/annot_data.mat"))]
    if not paths:
        raise InputError(f"{inputs.path}: no S*/Seq*/annot.mat and no TS*/annot_data.mat")
    cache, skipped, found = ClipCache(), list[str](), list[LazySequence]()
    read = partial(_mat_file, settings)
    for path, sequences in map_inputs(inputs, read, paths, LocalExecutor(), skipped):
        found += cache.add(sequences, partial(read, path))
    return found, skipped


def _mat_file(settings: MpiInf3dhpConfig, path: str) -> list[LazySequence]:
    folder = path.rpartition("/")[0]
    if path.endswith("/annot_data.mat"):
        subject = folder.rpartition("/")[2]
        if not _TEST.fullmatch(subject):
            raise InputError(f"{path}: expected to lie in a folder TS1 to TS6")
        read = _hdf5(path, "annot2", settings.annotation, "valid_frame")
        sequence = {"data_2d": read["annot2"], "data_3d": read[settings.annotation], "valid": read["valid_frame"]}
        return [_sequence(settings, subject, subject, "", sequence, path)]
    train = _TRAIN.fullmatch("/".join(folder.split("/")[-2:]))
    if train is None:
        raise InputError(f"{path}: expected to lie in a folder like S1/Seq1")
    content = matlab.load(storage.read_bytes(path), ["annot2", settings.annotation], path)
    cells = {name: value.reshape(-1) for name, value in content.items()}
    found = []
    for camera in settings.cameras:
        where = f"{path}: camera {camera}"
        if camera >= min(len(cell) for cell in cells.values()):
            raise InputError(f"{where}: not in the file")
        values = {
            "data_2d": _cell(where, cells["annot2"][camera], 2),
            "data_3d": _cell(where, cells[settings.annotation][camera], 3),
        }
        found.append(_sequence(settings, train[1], train[2], str(camera), values, where))
    return found


def _cell(where: str, cell: Any, dimensions: int) -> np.ndarray:
    """(T, 28 * d) to the 17 joints (T, 17, d)."""
    if not isinstance(cell, np.ndarray) or cell.dtype.kind != "f" or cell.ndim != 2 or cell.shape[1] != 28 * dimensions:
        raise InputError(f"{where}: expected numbers (frames, {28 * dimensions}), got {getattr(cell, 'shape', type(cell))}")
    return cell.reshape(len(cell), 28, dimensions)[:, _JOINTS_28]


def _hdf5(path: str, *names: str) -> dict[str, np.ndarray]:
    with hdf5.open_file(path) as file:
        return {name: np.squeeze(file.read(name)) for name in names}


def _sequence(settings: MpiInf3dhpConfig, subject: str, action: str, camera: str, sequence: Any, where: str) -> LazySequence:
    names = ["data_2d", "data_3d"] + (["valid"] if _TEST.fullmatch(subject) and settings.valid_only else [])
    lacking = [name for name in names if not isinstance(sequence, dict) or name not in sequence]
    if lacking:
        raise InputError(f"{where}: no '{lacking[0]}'")
    arrays = [np.asarray(sequence[name]) for name in names]
    for name, array, shape in zip(names, arrays, ((17, 2), (17, 3), ()), strict=False):
        array = array.reshape(-1) if name == "valid" else array
        if array.dtype.kind not in "fiub" or array.shape != (len(arrays[0]), *shape):
            raise InputError(f"{where}: {name}: expected numbers {('frames', *shape)}, got {array.dtype} {array.shape}")
    frame = np.arange(len(arrays[0]))
    if len(arrays) == 3:
        frame = np.flatnonzero(arrays[2].reshape(-1) == 1)
    if not len(frame):
        raise InputError(f"{where}: no {'valid ' if len(arrays) == 3 else ''}frame")
    points = MPI_INF_3DHP_17.positions(arrays[0][frame].astype(np.float64))
    points = np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=2)
    joints = MPI_INF_3DHP_17.positions(arrays[1][frame].astype(np.float64)) / 1000
    size = _WIDE if subject in ("TS5", "TS6") else _SQUARE
    with_root = settings.annotation == "annot3"
    return camera_space.clip(subject, action, camera, frame, points, joints, size, settings.point_sigma_px, with_root, where)
