"""MediaPipe Pose's 33 landmarks, as people write them to JSON (`mediapipe_json`), CSV (`mediapipe_table`) or .npy arrays.

.npy: (T, 33, 4) x, y, z, visibility, rows of NaN for frames without a person. x and y are shares of the image's width and
height, as MediaPipe gives them, or pixels: told by the values. (Google, MediaPipe Pose Landmarker.)

MediaPipe places all 33 landmarks, also those that it does not see, such as the legs of a person at a webcam, below the image.
A landmark is missing where it lies outside the image by more than a tenth of its size and has a visibility below 0.5; and,
with a warning, where it lies further outside than the image is wide or high, whatever its visibility is. Other landmarks
outside the image stay where they are, among them those of files without a visibility.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from pose_diffusion.config import ArchiveConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources.detections import mediapipe_json, mediapipe_table
from pose_diffusion.data.sources.detections.archive import detections_source
from pose_diffusion.data.sources.detections.detections import Detections, pixels_or_shares
from pose_diffusion.data.sources.file_format import FOLLOWED, NO_SIZE, FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.sample import Sample, Seen
from pose_diffusion.data.untrusted import npz
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import MEDIAPIPE_33
from pose_diffusion.runtime.executor import Executor

_JOINTS = len(MEDIAPIPE_33.joints)
_HIPS = [MEDIAPIPE_33.joints.index(f"{side} hip") for side in ("left", "right")]
_LARGEST = 1e6  # pixels, beyond which numbers are refused later
_FACE = 11  # landmarks, which come first
_FACE_SHARE = 0.7  # of the size of a person, which no face has
_AT_THE_HIPS = 0.02  # of the image: how far from 0, 0 the middle of the hips lies in world landmarks

FORMATS = (
    FileFormat(
        "MediaPipe Pose and Holistic, their landmarks as people save them",
        "JSON with frames of `landmarks` or `pose_landmarks`; .npy (T, 33, 4)",
        f"`width` and `height` in the JSON, else {NO_SIZE}", FOLLOWED, ("mediapipe33",),
    ),
    FileFormat(
        "MediaPipe Pose and Holistic, tables",
        "CSV: columns `nose_x`, `landmark_0_x` or `x1`, or a row a landmark", f"columns `width` and `height`, else {NO_SIZE}",
        f"column `person`, else {FOLLOWED}", ("mediapipe33",),
    ),
    FileFormat(
        "BlazePose of TensorFlow.js pose-detection", "JSON with frames of `keypoints` with names", NO_SIZE, FOLLOWED,
        ("mediapipe33",),
    ),
)  # fmt: skip
_PICKLED = (
    "holds pickled objects, which are not loaded; save numbers: np.array([[p.x, p.y, p.z, p.visibility] for p in landmarks])"
)


def open_source(inputs: Inputs, settings: ArchiveConfig, executor: Executor) -> Source:
    """A sequence a person and file. Raises InputError for bad files."""
    paths = inputs.files(".json", ".npy", ".csv")
    return detections_source("mediapipe", inputs, settings, executor, paths, partial(_read, inputs))


def recognise(sample: Sample) -> Seen | None:
    """Frames of 33 landmarks: JSON, a table or an .npy array."""
    if "" in sample.arrays:
        header = sample.arrays[""]
        if header.kind == "O" and b"mediapipe" in sample.head:
            return Seen("MediaPipe landmarks", "an .npy of landmark objects", _PICKLED)
        is_landmarks = header.kind == "f" and header.shape[1:] == (_JOINTS, 4)
        return Seen("MediaPipe landmarks", f"an .npy array {header.shape}") if is_landmarks else None
    if sample.rows:
        why = mediapipe_table.table_of_landmarks(sample.columns)
        return Seen("MediaPipe landmarks", why) if why else None
    content = sample.json
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list)]
        content = content["frames"] if isinstance(content.get("frames"), list) else next(iter(lists), None)
    if not isinstance(content, list):
        return None
    why = next((why for entry in content if (why := mediapipe_json.frame_of_landmarks(entry))), None)
    return Seen("MediaPipe landmarks", why) if why else None


def _read(inputs: Inputs, path: str) -> list[Detections]:
    return read(path, inputs.stem(path))


def read(path: str, name: str) -> list[Detections]:
    """The recordings of a file, of which a table may hold several. name: of a file that is one."""
    suffix = path.lower().rpartition(".")[2]
    recordings = mediapipe_table.read(path, name) if suffix == "csv" else [_one(path, name, suffix)]
    return [_in_picture(recording) for recording in recordings]


def _one(path: str, name: str, suffix: str) -> Detections:
    if suffix == "npy":
        return _from_npy(path, name)
    found = mediapipe_json.read(path)
    size = None if found.size is None else found.size[0]
    return Detections(path, name, MEDIAPIPE_33, found.points, found.frame, None, size, empty=found.empty)


def _from_npy(path: str, name: str) -> Detections:
    values = npz.load_npy(path)
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.shape[1:] != (_JOINTS, 4):
        raise InputError(f"{path}: expected numbers (frames, {_JOINTS}, 4): x, y, z, visibility")
    present = ~np.isnan(values).all((1, 2))
    frame = np.flatnonzero(present)
    empty = np.flatnonzero(~present).tolist()
    return Detections(path, name, MEDIAPIPE_33, values[present][..., [0, 1, 3]], frame, ["0"] * len(frame), empty=empty)


def _in_picture(found: Detections) -> Detections:
    """The same with the unit of its values. Raises InputError for coordinates that are not of the picture."""
    hips = found.points[:, _HIPS]
    hips = hips[((hips[..., 2] > 0) & (hips[..., :2] != 0).any(-1)).all(1), :, :2]  # (seen, 2, 2)
    if len(hips) and np.median(abs(hips.mean(1)).max(-1)) < _AT_THE_HIPS:
        raise InputError(
            f"{found.where}: the middle of the hips lies at 0, 0: world landmarks, or coordinates that were centred; "
            "give pose_landmarks, whose x and y are shares of the image"
        )
    if _face_is_apart(found.points):
        raise InputError(
            f"{found.where}: eyes, ears and mouth lie as far apart as the whole body; expected MediaPipe's {_JOINTS} landmarks "
            "in their order; if they are others, name the columns and use prepare.source=table"
        )
    return replace(found, unit=pixels_or_shares(found.points), extrapolates=True)


def _face_is_apart(points: np.ndarray) -> bool:
    """Whether the landmarks 0 to 10 of most people are spread as all 33 are, as where a table has other numbered points."""
    whole = points[((points[..., 2] > 0) & (abs(points) < _LARGEST).all(-1)).all(1)][..., :2]  # (whole people, 33, 2)
    if not len(whole):
        return False
    face, body = (np.linalg.norm(np.ptp(some, axis=1), axis=-1) for some in (whole[:, :_FACE], whole))
    return bool(np.median(face / np.maximum(body, 1e-12)) > _FACE_SHARE)
