"""MMPose's body3d annotations (preprocess_h36m.py and preprocess_mpi_inf_3dhp.py of its tools/dataset_converters): one .npz,
and a detector's .npy beside it.

'imgname': 'S1_Directions_1.54138969_000001.jpg' (Human3.6M), 'S1_Seq1_Cam0_000001.jpg' or 'TS1_000001.jpg' (MPI-INF-3DHP,
training and test), 'part': (n, 17, 3) x, y in pixels and visibility, 'S': (n, 17, 4) x, y, z
in metres in the camera frame and 1. Detections: (n, 17, 3) x, y, score, rows as in the annotations.
"""

from __future__ import annotations

import re

import numpy as np

from pose_diffusion import storage
from pose_diffusion.config import Mmpose3dConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import parsing
from pose_diffusion.data.sources.benchmarks import camera_space
from pose_diffusion.data.sources.file_format import FileFormat
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.sample import Sample, Seen
from pose_diffusion.data.untrusted import npz
from pose_diffusion.errors import ImageSizeUnknown, InputError
from pose_diffusion.geometry.camera import h36m_cameras
from pose_diffusion.geometry.layouts import LAYOUTS
from pose_diffusion.runtime.executor import Executor

_H36M = re.compile(r"(S\d+)_(.+)\.(\d+)_(\d+)")
_3DHP_TEST = re.compile(r"(TS\d+)_(\d+)")
_3DHP = re.compile(r"(T?S\d+)_(Seq\d+|.+?)_(?:Cam|video_)(\d+)_(\d+)")

FORMATS = (
    FileFormat(
        "MMPose's body3d annotations of Human3.6M and MPI-INF-3DHP",
        ".npz with `imgname`, `part` and `S`, maybe a detector's .npy",
        "the data set's cameras, else `image_size`", "one person", ("h36m17", "mpi_inf_3dhp17"),
    ),
)  # fmt: skip


def open_source(inputs: Inputs, settings: Mmpose3dConfig, executor: Executor) -> Source:
    """A sequence a subject, action and camera. Raises InputError for bad files."""
    base = inputs.path
    path = storage.join(base, settings.annotations) if settings.annotations else base
    content = npz.load(path, ["imgname", "part", "S"])
    images = content["imgname"]
    if not isinstance(images, np.ndarray) or images.dtype.kind not in "UO" or images.ndim != 1 or not len(images):
        raise InputError(f"{path}: imgname: expected a list of names")
    points = _numbers(path, "part", content["part"], len(images), 3)
    joints = _numbers(path, "S", content["S"], len(images), 4)[..., :3]
    if settings.detections:
        detections = storage.join(base, settings.detections)
        points = _numbers(detections, "rows", npz.load_npy(detections), len(images), 3)
    layout = LAYOUTS[_layout(path, images) if settings.layout == "auto" else settings.layout]
    points = np.concatenate([layout.positions(points[..., :2]), layout.confidence(points[..., 2])[..., None]], axis=2)
    joints = layout.positions(joints)

    keys = [_key(path, str(image)) for image in images]
    frame = np.array([key[3] for key in keys])
    groups: dict[tuple[str, str, str], list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key[:3], []).append(row)
    found, cameras = [], {}
    for subject, action, camera in sorted(groups, key=lambda group: parsing.natural(" / ".join(group))):
        rows = np.array(groups[subject, action, camera])
        where = f"{path}: {subject} / {action} / camera {camera}" if camera else f"{path}: {subject}"
        known = h36m_cameras().get(subject, {}).get(camera)
        if settings.image_size is not None:
            width, height = settings.image_size
        elif known is not None:
            width, height = known.width, known.height
        else:
            raise ImageSizeUnknown(f"{where}: not a camera of Human3.6M; set 'mmpose3d.image_size'", where)
        if known is not None and (known.width, known.height) == (width, height):
            cameras[f"{subject}/{camera}"] = known.to_dict()
        found.append(
            camera_space.clip(
                subject, action, camera, frame[rows], points[rows], joints[rows], (width, height),
                settings.point_sigma_px, True, where,
            )
        )  # fmt: skip
    description = {"converter": "mmpose3d", "layouts": [layout.name], **settings.model_dump(mode="json")}
    return Source(found, 1, cameras, description)


def recognise(sample: Sample) -> Seen | None:
    """An .npz with imgname, part and S."""
    if not {"imgname", "part", "S"} <= set(sample.arrays):
        return None
    return Seen("MMPose's body3d annotations", "an .npz with 'imgname', 'part' and 'S'", settings={"annotations": sample.name})


def _layout(path: str, images: np.ndarray) -> str:
    """The joints of the data set that all image names are of."""
    names = {"mpi_inf_3dhp17" if _is_3dhp(_stem(str(image))) else "h36m17" for image in images}
    if len(names) > 1:
        raise InputError(f"{path}: imgname: names of Human3.6M and of MPI-INF-3DHP; give each a file, or set 'mmpose3d.layout'")
    return names.pop()


def _stem(image: str) -> str:
    return image.rpartition("/")[2].rsplit(".", 1)[0]


def _is_3dhp(name: str) -> bool:
    return not _H36M.fullmatch(name) and bool(_3DHP_TEST.fullmatch(name) or _3DHP.fullmatch(name))


def _key(path: str, image: str) -> tuple[str, str, str, int]:
    """Subject, action, camera and frame of an image's name."""
    name = _stem(image)
    if test := _3DHP_TEST.fullmatch(name):
        return test[1], test[1], "", parsing.frame_number(int(test[2]), path)
    match = _H36M.fullmatch(name) or _3DHP.fullmatch(name)
    if match is None:
        expected = "S1_Directions_1.54138969_000001.jpg, S1_Seq1_Cam0_000001.jpg or TS1_000001.jpg"
        raise InputError(f"{path}: imgname '{image}': expected names like {expected}")
    return match[1], match[2].replace("_", " "), match[3], parsing.frame_number(int(match[4]), path)


def _numbers(path: str, name: str, value: object, rows: int, columns: int) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.shape != (rows, 17, columns):
        found = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        way = "; expected are the 17 joints of body3d annotations" if _of_other_joints(value) else ""
        raise InputError(f"{path}: {name}: expected numbers {(rows, 17, columns)}, got {found}{way}")
    return value.astype(np.float64)


def _of_other_joints(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 3 and value.shape[1] != 17
