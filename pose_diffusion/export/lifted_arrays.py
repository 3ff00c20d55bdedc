"""Lifted people as arrays: poses.npz and poses.parquet, which say themselves what they hold.

Both hold what `describe` says, as JSON: joints, units and frames of reference, and of each recording the image size, frame
rate and camera, known or assumed, and the model's hash. Per person, T rows:

    frame     (T,)        0-based
    time      (T,)        seconds, frame / fps
    pose_3d   (T, 17, 3)  metres, camera frame (x right, y down, z away from the camera), minus the pelvis
    root_3d   (T, 3)      the pelvis in the camera frame, metres
    world     (T, 17, 3)  metres: joints in the world, z up, the floor at z = 0; NaN where unknown
    spread    (T, 17)     metres, RMS distance of hypotheses from their mean; 0 where there is one
    pose_2d   (T, 17, 2)  pixels; a guess where a joint was not seen
    seen      (T, 17)     whether the detector saw the joint

npz: arrays 'person0/frame', 'person0/pose_3d', ...; 'people' names them, 'recording' says which recording each is in, and
'about' is the JSON. Parquet: columns recording, person and those above; the JSON is the schema's metadata 'pose_diffusion'.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pose_diffusion.data.schema import tensor_column
from pose_diffusion.geometry.skeleton import JOINTS, N_JOINTS
from pose_diffusion.geometry.world import World
from pose_diffusion.inference.lifted import LiftedFile, LiftedRecording

NPZ, PARQUET = "poses.npz", "poses.parquet"
METADATA = b"pose_diffusion"
VERSION = 1
UNITS = {
    "frame": "0-based number of the image",
    "time": "seconds, frame / fps",
    "pose_3d": "metres, camera frame (x right, y down, z away from the camera), minus the pelvis",
    "root_3d": "metres, camera frame: the pelvis, fitted to pose_2d by the camera",
    "world": "metres, world frame (z up, floor at z = 0, y away from the camera, origin on the floor under it); NaN if unknown",
    "spread": "metres, RMS distance of the hypotheses from their mean; 0 where there is one",
    "pose_2d": "pixels, x right, y down; a guess where a joint was not seen",
    "seen": "whether the detector saw the joint",
}
_ROWS_OF_A_GROUP = 1 << 16


def describe(lifted: LiftedFile) -> dict[str, Any]:
    """What the arrays are, as plain values for JSON."""
    return {
        "format": "pose-diffusion-lifted",
        "version": VERSION,
        "input": lifted.path,
        "found": lifted.found,
        "model": {"name": lifted.bundle, "content_hash": lifted.recordings[0].model},
        "joints": list(JOINTS),
        "units": UNITS,
        "recordings": [_describe(recording) for recording in lifted.recordings],
    }


def _describe(recording: LiftedRecording) -> dict[str, Any]:
    return {
        "name": recording.name,
        "people": [person.name for person in recording.people],
        "image_size": [recording.width, recording.height],
        "fps": recording.fps,
        "fps_assumed": recording.fps_assumed,
        "camera": recording.camera.to_dict(),
        "camera_assumed": recording.camera_assumed,
        "world": _describe_world(recording.world),
    }


def _describe_world(world: World | None) -> dict[str, Any] | None:
    """How the camera stands in the world, and how that is known."""
    if world is None:
        return None
    return {
        "rotation": world.rotation.tolist(),
        "camera_height": world.camera_height,
        "tilt_degrees": world.tilt,
        "roll_degrees": world.roll,
        "up_from": world.up_source,
        "up_deviation_degrees": world.up_deviation,
    }


def write_npz(lifted: LiftedFile, path: Path) -> None:
    """All people of all recordings, in their order."""
    people = [
        (number, place, person)
        for number, recording in enumerate(lifted.recordings)
        for place, person in enumerate(recording.people)
    ]
    arrays: dict[str, Any] = {
        "about": np.array(json.dumps(describe(lifted))),
        "joints": np.array(JOINTS),
        "people": np.array([person.name for _, _, person in people]),
        "recording": np.array([number for number, _, _ in people]),
        "fps": np.array([recording.fps for recording in lifted.recordings]),
        "image_size": np.array([(recording.width, recording.height) for recording in lifted.recordings]),
        "camera_assumed": np.array([recording.camera_assumed for recording in lifted.recordings]),
    }
    for index, (number, place, _) in enumerate(people):
        for name, values in _arrays(lifted.recordings[number], place).items():
            arrays[f"person{index}/{name}"] = values
    with path.open("wb") as file:
        np.savez(file, **arrays)


def write_parquet(lifted: LiftedFile, path: Path) -> None:
    """A row a pose, all people of all recordings one after another."""
    schema = _table(lifted.recordings[0], 0).schema
    schema = schema.with_metadata({METADATA: json.dumps(describe(lifted)).encode()})
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        for recording in lifted.recordings:
            for number in range(len(recording.people)):
                file.write_table(_table(recording, number).replace_schema_metadata(schema.metadata), _ROWS_OF_A_GROUP)


def _arrays(recording: LiftedRecording, number: int) -> dict[str, np.ndarray]:
    """Of one person, in the order of UNITS."""
    person = recording.people[number]
    made = {"time": person.frame / recording.fps, "world": recording.joints_world(number)}
    return {name: made[name] if name in made else getattr(person, name) for name in UNITS}


def _table(recording: LiftedRecording, number: int) -> pa.Table:
    person = recording.people[number]
    rows = len(person.frame)
    columns: dict[str, pa.Array] = {
        name: pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value], pa.string()))
        for name, value in (("recording", recording.name), ("person", person.name))
    }
    for name, values in _arrays(recording, number).items():
        if name == "seen":  # a tensor's numbers have no type of one bit
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), N_JOINTS)
        else:
            columns[name] = pa.array(values) if values.ndim == 1 else tensor_column(values, rows, values.shape[1:])
    return pa.table(columns)
