"""SLEAP's analysis exports: HDF5 and CSV.

HDF5: tracks (tracks, 2, nodes, frames) or, of sleap-io's 'standard' preset, (frames, tracks, nodes, 2), NaN where missing;
node_names; where there are, track_names, track_occupancy (frames, tracks) and point_scores as tracks without their axis of two.
The shape tells which. CSV: track, frame_idx, instance.score, and <node>.x,
<node>.y, <node>.score of each node. A node without a score was placed by a person and counts as certain. Where both exports
of a video are there, the HDF5 is read. People without tracks are followed.
(talmolab/sleap, sleap.io.convert; talmolab/sleap-io, analysis HDF5.)
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pose_diffusion.config import DeepLabCutConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources.detections.archive import detections_source
from pose_diffusion.data.sources.detections.detections import Detections
from pose_diffusion.data.sources.detections.named_joints import check_names, match_layout
from pose_diffusion.data.sources.detections.tables import columns, table_file
from pose_diffusion.data.sources.detections.tables.columns import ColumnFilter
from pose_diffusion.data.sources.detections.tables.table_file import RowRange
from pose_diffusion.data.sources.file_format import FOLLOWED, NO_SIZE, FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.sample import Sample, Seen
from pose_diffusion.data.untrusted import hdf5
from pose_diffusion.errors import InputError
from pose_diffusion.runtime.executor import Executor

_MATLAB, _STANDARD = ("track", "xy", "node", "frame"), ("frame", "track", "node", "xy")
_HDF5 = (".h5", ".hdf5")
_SPARE_BYTES = 256 << 20  # tracks of NaN, of people who are seldom there, are packed to a thousandth
_CSV = ColumnFilter(lambda name: name == "frame_idx" or name.endswith((".x", ".y", ".score")), lambda name: name == "track")
_WAY_OUT = "File > Export Analysis HDF5, or sleap-convert --format analysis"
FORMATS = (
    FileFormat(
        "SLEAP and sleap-io", "analysis exports, HDF5 or CSV", NO_SIZE, f"tracks, else {FOLLOWED}",
        ("every layout, by nodes' names",),
    ),
)  # fmt: skip


def open_source(inputs: Inputs, settings: DeepLabCutConfig, executor: Executor) -> Source:
    """A sequence a person and video. Raises InputError for bad files."""
    found = inputs.files(*_HDF5, ".csv", ".slp")
    stems = {inputs.stem(path) for path in found if path.lower().endswith(_HDF5)}
    paths = [
        path
        for path in found
        if path.lower().endswith(_HDF5) or (path.lower().endswith(".csv") and inputs.stem(path) not in stems)
    ]
    if not paths:
        raise InputError(f"{found[0]}: a project of SLEAP, expected its analysis export: {_WAY_OUT}")
    return detections_source("sleap", inputs, settings, executor, paths, lambda path: [read(path, inputs.stem(path), settings)])


def recognise(sample: Sample) -> Seen | None:
    """The analysis export, CSV or HDF5, or a project."""
    if sample.suffix == ".slp":
        way = "a project is not read; export its analysis: File > Export Analysis HDF5 or CSV"
        return Seen("SLEAP project", "its name ends in .slp", way)
    if {"frame_idx", "instance.score"} <= set(sample.columns):
        return Seen("SLEAP analysis CSV", "columns 'frame_idx' and 'instance.score'")
    return Seen("SLEAP analysis HDF5", "datasets 'tracks' and 'node_names'") if _is_sleap(sample) else None


def _is_sleap(sample: Sample) -> bool:
    return {"tracks", "node_names"} <= sample.datasets


def read(path: str, stem: str, settings: DeepLabCutConfig) -> Detections:
    """One file. stem: its name without suffix."""
    name = stem.removesuffix(".analysis")
    return (_from_hdf5 if path.lower().endswith(_HDF5) else _from_csv)(path, name, settings)


def _from_hdf5(path: str, name: str, settings: DeepLabCutConfig) -> Detections:
    with hdf5.open_file(path, _SPARE_BYTES) as file:
        present = file.names()
        check_names(path, present)
        if not {"tracks", "node_names"} <= set(present):
            got = ", ".join(present[:6]) or "nothing"
            raise InputError(f"{path}: expected SLEAP's analysis export with tracks and node_names, got {got}; {_WAY_OUT}")
        arrays = {key: file.read(key) for key in ("tracks", "node_names", "track_names", "point_scores") if key in present}
        occupancy = file.read("track_occupancy").shape if "track_occupancy" in present else ()
    nodes = _names(path, "node_names", arrays["node_names"])
    tracks = arrays["tracks"]
    if tracks.dtype.kind != "f" or tracks.ndim != 4:
        raise InputError(f"{path}: tracks: expected numbers (tracks, 2, nodes, frames), got {tracks.dtype} {tracks.shape}")
    axes = _axes(path, tracks.shape, len(nodes), occupancy)
    tracks = tracks.transpose([axes.index(axis) for axis in _STANDARD])  # (frames, tracks, nodes, 2)
    scores = None
    if "point_scores" in arrays:
        scores, of_scores = arrays["point_scores"], tuple(axis for axis in axes if axis != "xy")
        if scores.dtype.kind == "f" and scores.ndim == 3:
            scores = scores.transpose([of_scores.index(axis) for axis in _STANDARD[:3]])
        if scores.dtype.kind != "f" or scores.shape != tracks.shape[:3]:
            raise InputError(f"{path}: point_scores {arrays['point_scores'].shape} do not fit tracks {arrays['tracks'].shape}")
    layout, places = match_layout("sleap", settings, nodes, path)
    points = _points(tracks[:, :, places], None if scores is None else scores[:, :, places])
    frame, track = np.nonzero(points[..., 2].any(-1))
    names = _names(path, "track_names", arrays["track_names"]) if "track_names" in arrays else []
    if len(set(names)) != tracks.shape[1]:
        names = [str(number) for number in range(tracks.shape[1])]
        is_tracked = tracks.shape[1] == 1 or len(arrays.get("track_names", ())) == tracks.shape[1]
    else:
        is_tracked = True
    person = [names[number] for number in track] if is_tracked else None
    empty = sorted(set(range(len(tracks))) - set(frame.tolist()))
    points = points[frame, track]
    return Detections(where=path, name=name, layout=layout, points=points, frame=frame, person=person, empty=empty)


def _names(path: str, key: str, values: np.ndarray) -> list[str]:
    """Names as text. An array without values may be of numbers, as h5py writes an empty list."""
    if values.ndim != 1 or (len(values) and values.dtype.kind != "S"):
        raise InputError(f"{path}: {key}: expected names, got {values.dtype} {values.shape}")
    try:
        names = [one.decode().strip() for one in values.tolist()] if len(values) else []
    except UnicodeDecodeError:
        raise InputError(f"{path}: {key}: not UTF-8 text") from None
    check_names(f"{path}: {key}", names)
    return names


def _axes(path: str, shape: tuple[int, ...], nodes: int, occupancy: tuple[int, ...]) -> tuple[str, ...]:
    """The axes of tracks by their shape, and by that of track_occupancy (frames, tracks) where either fits."""
    fitting = [axes for axes in (_MATLAB, _STANDARD) if (shape[axes.index("node")], shape[axes.index("xy")]) == (nodes, 2)]
    if not fitting:
        raise InputError(
            f"{path}: tracks {shape}: expected (tracks, 2, {nodes} nodes, frames) or (frames, tracks, {nodes} nodes, 2)"
        )
    return next((axes for axes in fitting if (shape[axes.index("frame")], shape[axes.index("track")]) == occupancy), fitting[0])


def _points(places: np.ndarray, scores: np.ndarray | None) -> np.ndarray:
    """(..., 3): x, y and the score, 1 where there is none, of places (..., 2); all 0 where a coordinate is NaN."""
    points = np.ones((*places.shape[:-1], 3))
    points[..., :2] = places
    if scores is not None:
        points[..., 2] = np.where(np.isnan(scores), 1, scores)
    points[np.isnan(places).any(-1)] = 0
    return points


def _from_csv(path: str, name: str, settings: DeepLabCutConfig) -> Detections:
    present = table_file.header(path)
    nodes = [column.removesuffix(".x") for column in present if column.endswith(".x")]
    nodes = [node for node in nodes if f"{node}.y" in present]
    check_names(path, present)
    if "frame_idx" not in present or not nodes:
        got = ", ".join(present[:6])
        raise InputError(
            f"{path}: expected columns track, frame_idx, instance.score, <node>.x, <node>.y, <node>.score; got {got}"
        )
    layout, places = match_layout("sleap", settings, nodes, path)
    batches = [batch.table for batch in table_file.read_batches(RowRange(path), _CSV)]
    if not batches:
        raise InputError(f"{path}: has no rows")
    table = pa.concat_tables(batches)
    joints = [nodes[place] for place in places]
    xy = np.stack([[columns.numbers(path, table, f"{node}.{axis}") for axis in "xy"] for node in joints])  # (J, 2, rows)
    missing = np.full(table.num_rows, np.nan)
    scores = [columns.numbers(path, table, key) if (key := f"{node}.score") in present else missing for node in joints]
    points = _points(xy.transpose(2, 0, 1), np.stack(scores, axis=1))
    number = columns.numbers(path, table, "frame_idx")
    bad = ~(abs(number) < 2**53) | (number != np.floor(number))
    if bad.any():
        raise InputError(f"{path}: row {np.argmax(bad)}, column 'frame_idx': expected a whole number")
    frame = number.astype(np.int64)
    tracks, track = columns.names(path, table, "track")
    person = tracks[track].tolist() if "" not in tracks else None
    if not any(tracks) and len(np.unique(frame)) == len(frame):
        person = ["0"] * len(frame)
    there = np.asarray(points[..., 2].any(1))
    empty = sorted(set(frame.tolist()) - set(frame[there].tolist()))
    person = None if person is None else [one for one, is_there in zip(person, there, strict=True) if is_there]
    points, frame = points[there], frame[there]
    return Detections(where=path, name=name, layout=layout, points=points, frame=frame, person=person, empty=empty)
