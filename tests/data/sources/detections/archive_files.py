"""Writes known people in the file format of each tool, as that tool writes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pose_diffusion.config import loading
from pose_diffusion.data.sequence import PoseSequence, Source
from pose_diffusion.data.sources import open_source
from pose_diffusion.geometry.layouts import BODY_25, COCO_17, COCO_18, H36M_17, HALPE_26, MEDIAPIPE_33, Layout
from pose_diffusion.runtime.executor import Executor

WIDTH, HEIGHT, FRAMES, PEOPLE = 1280, 720, 12, 2


# A standing person seen from the front, in heights from the floor's middle: x to the person's left, y up.
_BODY = {
    "nose": (0, 0.91), "neck": (0, 0.82), "head": (0, 0.99), "head top": (0, 1), "head bottom": (0, 0.85),
    "eye": (0.02, 0.93), "ear": (0.045, 0.92), "mouth": (0.015, 0.89), "shoulder": (0.12, 0.8), "elbow": (0.17, 0.62),
    "wrist": (0.19, 0.47), "hand": (0.2, 0.42), "hip": (0.07, 0.51), "knee": (0.08, 0.28), "ankle": (0.085, 0.05),
    "foot": (0.1, 0.01), "trunk": (0, 0.51), "spine": (0, 0.65), "face": (0, 0.9),
}  # fmt: skip
_PARTS = {
    "pinky": "hand", "index": "hand", "thumb": "hand", "finger": "hand", "hand": "hand", "toe": "foot", "heel": "foot",
    "foot index": "foot", "Foot": "ankle", "mid hip": "trunk", "pelvis": "trunk", "Spine": "spine", "Thorax": "neck",
    "thorax": "neck", "Neck/Nose": "nose", "Head": "head", "Hip": "hip", "Knee": "knee", "Shoulder": "shoulder",
    "Elbow": "elbow", "Wrist": "wrist",
}  # fmt: skip


def _place(joint: str) -> tuple[float, float]:
    """Where a joint stands, by its name in a layout."""
    side = 1 if "left" in joint or joint[:1] == "L" else -1 if "right" in joint or joint[:1] == "R" else 0
    name = "trunk" if joint in ("hip", "Hip") else max((key for key in {**_BODY, **_PARTS} if key in joint), key=len)
    x, y = _BODY[_PARTS.get(name, name)]
    return side * x, y


def people(layout: Layout, frames: int = FRAMES, count: int = PEOPLE) -> np.ndarray:
    """(frames, people, J, 3): x, y in pixels, two decimals, confidence. People stand side by side and hardly move."""
    rng = np.random.default_rng(len(layout.joints))
    body = np.array([_place(joint) for joint in layout.joints]) * [400, -400]
    feet = np.stack([np.linspace(160, WIDTH - 160, count), np.full(count, HEIGHT - 60)], 1)
    sway = rng.uniform(-5, 5, (frames, count, 1, 2))
    places = feet[:, None] + body + sway + rng.uniform(-3, 3, (frames, count, *body.shape))
    confidence = rng.uniform(0.3, 1, (*places.shape[:-1], 1))
    return np.round(np.concatenate([places, confidence], axis=-1), 2)


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def flat(person: np.ndarray) -> list[float]:
    return person.reshape(-1).tolist()


def coco_results(folder: Path, points: np.ndarray) -> None:
    entries = [
        {"image_id": t, "category_id": 1, "keypoints": flat(person), "score": 0.9, "track_id": 10 + index}
        for t, frame in enumerate(points)
        for index, person in enumerate(frame)
    ]
    write_json(folder / "clip.json", entries)


def coco_annotations(folder: Path, points: np.ndarray) -> None:
    seen = points.copy()
    seen[..., 2] = 2
    annotations = [
        {"id": len(points) * t + index, "image_id": t, "category_id": 1, "keypoints": flat(person), "num_keypoints": 17}
        for t, frame in enumerate(seen)
        for index, person in enumerate(frame)
    ]
    images = [{"id": t, "file_name": f"{t}.jpg", "width": WIDTH, "height": HEIGHT} for t in range(len(points))]
    names = [joint.replace(" ", "_") for joint in COCO_17.joints]
    categories = [{"id": 1, "name": "person", "keypoints": names}]
    write_json(folder / "clip.json", {"images": images, "annotations": annotations, "categories": categories})


def openpose(folder: Path, points: np.ndarray) -> None:
    for t, frame in enumerate(points):
        found = [{"person_id": [-1], "pose_keypoints_2d": flat(person), "face_keypoints_2d": []} for person in frame]
        write_json(folder / f"clip_{t:012d}_keypoints.json", {"version": 1.3, "people": found})


def alphapose(folder: Path, points: np.ndarray) -> None:
    entries = [
        {"image_id": f"{t}.jpg", "category_id": 1, "keypoints": flat(person), "score": 2.9, "idx": [[float(index + 1)]]}
        for t, frame in enumerate(points)
        for index, person in enumerate(frame)
    ]
    write_json(folder / "clip.json", sorted(entries, key=lambda entry: str(entry["image_id"])))


def _mmpose_instances(frame: np.ndarray) -> list[dict]:
    return [
        {"keypoints": p[:, :2].tolist(), "keypoint_scores": p[:, 2].tolist(), "bbox": [[0, 0, 9, 9]], "bbox_score": 0.9}
        for p in frame
    ]


def mmpose_demo(folder: Path, points: np.ndarray) -> None:
    frames = [{"frame_id": t, "instances": _mmpose_instances(frame)} for t, frame in enumerate(points)]
    names = {str(index): joint.replace(" ", "_") for index, joint in enumerate(COCO_17.joints)}
    write_json(
        folder / "clip.json", {"meta_info": {"dataset_name": "coco", "keypoint_id2name": names}, "instance_info": frames}
    )


def mmpose_video(folder: Path, points: np.ndarray) -> None:
    write_json(folder / "clip.json", [{"frame_id": t, "instances": _mmpose_instances(f)} for t, f in enumerate(points)])


def mmpose_images(folder: Path, points: np.ndarray) -> None:
    for t, frame in enumerate(points):
        write_json(folder / "clip" / f"{t}.json", _mmpose_instances(frame))


def _unit(points: np.ndarray) -> np.ndarray:
    return points / [WIDTH, HEIGHT, 1]


def mediapipe_json(folder: Path, points: np.ndarray) -> None:
    frames = [
        {"frame": t, "landmarks": [[{"x": x, "y": y, "z": 0.1, "visibility": v} for x, y, v in p.tolist()] for p in frame]}
        for t, frame in enumerate(_unit(points))
    ]
    write_json(folder / "clip.json", {"width": WIDTH, "height": HEIGHT, "frames": frames})


def mediapipe_npy(folder: Path, points: np.ndarray) -> None:
    unit = _unit(points[:, 0])
    np.save(folder / "clip.npy", np.concatenate([unit[..., :2], np.zeros((*unit.shape[:2], 1)), unit[..., 2:]], axis=2))


def _landmark_rows(points: np.ndarray) -> list[list[object]]:
    """frame, person, landmark, x, y, z, visibility of each landmark."""
    return [
        [t, f"p{n}", joint, x, y, 0.1, v]
        for t, frame in enumerate(_unit(points))
        for n, person in enumerate(frame)
        for joint, (x, y, v) in enumerate(person.tolist())
    ]


def write_csv(path: Path, header: list[str], rows: list, delimiter: str = ",") -> None:
    path.write_text("".join(delimiter.join(map(str, row)) + "\n" for row in [header, *rows]))


def mediapipe_table(folder: Path, points: np.ndarray) -> None:
    names = [joint.replace(" ", "_") for joint in MEDIAPIPE_33.joints]
    header = ["frame", "person", *(f"{name}_{axis}" for name in names for axis in ("x", "y", "z", "visibility"))]
    rows = np.array(_landmark_rows(points), object).reshape(-1, len(names), 7)
    write_csv(folder / "clip.csv", header, [[*row[0, :2], *row[:, 3:].ravel()] for row in rows])


def mediapipe_long_table(folder: Path, points: np.ndarray) -> None:
    header = ["Frame", "Person", "Landmark_ID", "Landmark_X", "Landmark_Y", "Landmark_Z", "Landmark_Visibility"]
    write_csv(folder / "clip.csv", header, _landmark_rows(points))


def mediapipe_tfjs(folder: Path, points: np.ndarray) -> None:
    names = [joint.replace(" ", "_") for joint in MEDIAPIPE_33.joints]
    frames = [
        {
            "frameNum": t,
            "keypoints": [
                {"x": x, "y": y, "z": 0.1, "score": v, "name": name}
                for name, (x, y, v) in zip(names, person.tolist(), strict=True)
            ],
        }
        for t, person in enumerate(points[:, 0])
    ]
    write_json(folder / "clip.json", {"fileName": "clip.mp4", "ticksPerSecond": 25, "frames": frames})


def tfjs_pose(person: np.ndarray, **more: object) -> dict:
    """A person as MoveNet of pose-detection gives it."""
    names = [joint.replace(" ", "_") for joint in COCO_17.joints]
    points = [{"y": y, "x": x, "score": c, "name": name} for name, (x, y, c) in zip(names, person.tolist(), strict=True)]
    return {"keypoints": points, "score": 0.8} | more


def posenet_pose(person: np.ndarray) -> dict:
    """A person as the older package posenet gives it."""
    parts = [joint.title().replace(" ", "") for joint in COCO_17.joints]
    points = [
        {"score": c, "part": part[0].lower() + part[1:], "position": {"x": x, "y": y}}
        for part, (x, y, c) in zip(parts, person.tolist(), strict=True)
    ]
    return {"score": 0.8, "keypoints": points}


def tfjs(folder: Path, points: np.ndarray) -> None:
    write_json(folder / "clip.json", [[tfjs_pose(person) for person in frame] for frame in points])


def label_line(person: np.ndarray, *rest: object, confidence: bool = True) -> str:
    """A person in pixels as save_txt writes it. rest: what stands behind the joints."""
    unit = person / [WIDTH, HEIGHT, 1]
    seen = unit[(person[:, :2] != 0).any(1), :2]
    low, high = seen.min(0) - 0.01, seen.max(0) + 0.01
    values = [0, *(low + high) / 2, *(high - low), *unit[:, : 3 if confidence else 2].ravel()]
    return " ".join([*(f"{value:.8g}" for value in values), *map(str, rest)])


def yolo_labels(folder: Path, points: np.ndarray) -> None:
    (folder / "labels").mkdir(exist_ok=True)
    for t, frame in enumerate(points):
        lines = [label_line(person, n + 1) + "\n" for n, person in enumerate(frame)]
        (folder / "labels" / f"clip_{t}.txt").write_text("".join(lines))


def yolo_people(frame: np.ndarray, **more: object) -> list[dict]:
    """A frame as Results.summary gives it."""
    found = []
    for person in frame:
        low, high = person[:, :2].min(0).tolist(), person[:, :2].max(0).tolist()
        x, y, visible = person.T.tolist()
        box = {"x1": low[0], "y1": low[1], "x2": high[0], "y2": high[1]}
        entry = {"name": "person", "class": 0, "confidence": 0.9, "box": box, "keypoints": {"x": x, "y": y, "visible": visible}}
        found.append(entry | more)
    return found


def yolo_json(folder: Path, points: np.ndarray) -> None:
    write_json(folder / "clip.json", [yolo_people(frame) for frame in points])


def detectron2(folder: Path, points: np.ndarray) -> None:
    x, y, c = np.moveaxis(points, -1, 0)
    keypoints = np.empty((len(points), 2), object)
    for t in range(len(points)):
        keypoints[t] = [], np.stack([x[t], y[t], np.zeros_like(x[t]), c[t]], axis=1).astype(np.float32)
    np.savez(folder / "clip.npz", keypoints=keypoints, boxes=keypoints, metadata=np.array({"w": WIDTH, "h": HEIGHT}, object))


def videopose3d(folder: Path, points: np.ndarray) -> None:
    nested = {"clip.mp4": {"custom": [points[:, 0, :, :2].astype(np.float32)]}}
    metadata = {"layout_name": "coco", "num_joints": 17, "video_metadata": {"clip.mp4": {"w": WIDTH, "h": HEIGHT}}}
    np.savez(folder / "clip.npz", positions_2d=np.array(nested, object), metadata=np.array(metadata, object))


def _table(points: np.ndarray, layout: Layout) -> pa.Table:
    frames, count = points.shape[:2]
    columns: dict[str, np.ndarray] = {"frame": np.repeat(np.arange(frames), count), "person": np.tile(np.arange(count), frames)}
    for joint, values in zip(layout.joints, points.reshape(frames * count, -1, 3).transpose(1, 2, 0), strict=True):
        for suffix, column in zip(("x", "y", "confidence"), values, strict=True):
            columns[f"{joint.replace(' ', '_')}_{suffix}"] = column
    return pa.table(columns | {"width": np.full(frames * count, WIDTH), "height": np.full(frames * count, HEIGHT)})


def table_csv(folder: Path, points: np.ndarray) -> None:
    pyarrow.csv.write_csv(_table(points, COCO_17), folder / "clip.csv")


def table_parquet(folder: Path, points: np.ndarray) -> None:
    pq.write_table(_table(points, H36M_17), folder / "clip.parquet")


def table_of_pictures(folder: Path, points: np.ndarray) -> None:
    """The columns that scripts write for pictures, or for frames that they have saved as pictures."""
    table = _table(points, COCO_17)
    pictures = pa.array([f"frames/clip_{frame:04d}.jpg" for frame in table["frame"].to_pylist()])
    table = table.set_column(0, "file_name", pictures)
    other = {"file_name": "file_name", "person": "tracking_id", "width": "frame_width", "height": "frame_height"}
    names = [other.get(name) or _capitals(name) for name in table.column_names]
    pyarrow.csv.write_csv(table.rename_columns(names), folder / "clip.csv")


def _capitals(column: str) -> str:
    """'LEFT_KNEE_x' of 'left_knee_x', 'LEFT_KNEE_score' of 'left_knee_confidence'."""
    joint, _, what = column.rpartition("_")
    return f"{joint.upper()}_{what.replace('confidence', 'score')}"


def deeplabcut(folder: Path, points: np.ndarray) -> None:
    """Several individuals; body parts are named as people do."""
    parts = [joint.title().replace(" ", "") for joint in COCO_17.joints]
    scorer = "DLC_resnet50_walkMay1shuffle1_1000"
    cells = [(f"p{n}", part, c) for n in range(points.shape[1]) for part in parts for c in ("x", "y", "likelihood")]
    titles = ("scorer", "individuals", "bodyparts", "coords")
    header = [[title, *row] for title, row in zip(titles, zip(*((scorer, *c) for c in cells), strict=True), strict=True)]
    rows = [[t, *values] for t, values in enumerate(points.reshape(len(points), -1).tolist())]
    lines = [",".join(map(str, row)) for row in [*header, *rows]]
    (folder / f"clip{scorer}_el.csv").write_text("\n".join(lines) + "\n")


def sleap_hdf5(folder: Path, points: np.ndarray) -> None:
    x_y, score = points[..., :2], points[..., 2]
    with h5py.File(folder / "clip.analysis.h5", "w") as file:
        file["node_names"] = np.array([joint.replace(" ", "_").encode() for joint in COCO_17.joints])
        file["track_names"] = np.array([f"track_{n}".encode() for n in range(points.shape[1])])
        file["track_occupancy"] = np.ones(points.shape[:2], np.uint8)
        file.create_dataset("tracks", data=x_y.transpose(1, 3, 2, 0), compression="gzip")  # (people, 2, joints, frames)
        file.create_dataset("point_scores", data=score.transpose(1, 2, 0), compression="gzip")


def sleap_csv(folder: Path, points: np.ndarray) -> None:
    header = [
        "track",
        "frame_idx",
        "instance.score",
        *(f"{joint}.{c}" for joint in COCO_17.joints for c in ("x", "y", "score")),
    ]
    rows = [[f"track_{n}", t, 0.9, *person.ravel()] for t, frame in enumerate(points) for n, person in enumerate(frame)]
    lines = [",".join(map(str, row)) for row in [header, *rows]]
    (folder / "clip.analysis.csv").write_text("\n".join(lines) + "\n")


# format -> prepare.source, the layout it is written in, its writer
FORMATS: dict[str, tuple[str, Layout, Callable[[Path, np.ndarray], None]]] = {
    "coco results": ("coco", COCO_17, coco_results),
    "coco annotations": ("coco", COCO_17, coco_annotations),
    "openpose body 25": ("openpose", BODY_25, openpose),
    "openpose coco 18": ("openpose", COCO_18, openpose),
    "alphapose 17": ("alphapose", COCO_17, alphapose),
    "alphapose 26": ("alphapose", HALPE_26, alphapose),
    "mmpose demo": ("mmpose", COCO_17, mmpose_demo),
    "mmpose video": ("mmpose", COCO_17, mmpose_video),
    "mmpose video 26": ("mmpose", HALPE_26, mmpose_video),
    "mmpose images": ("mmpose", COCO_17, mmpose_images),
    "mediapipe json": ("mediapipe", MEDIAPIPE_33, mediapipe_json),
    "mediapipe npy": ("mediapipe", MEDIAPIPE_33, mediapipe_npy),
    "mediapipe table": ("mediapipe", MEDIAPIPE_33, mediapipe_table),
    "mediapipe long table": ("mediapipe", MEDIAPIPE_33, mediapipe_long_table),
    "mediapipe tfjs": ("mediapipe", MEDIAPIPE_33, mediapipe_tfjs),
    "tfjs": ("tfjs", COCO_17, tfjs),
    "yolo labels": ("yolo", COCO_17, yolo_labels),
    "yolo json": ("yolo", COCO_17, yolo_json),
    "detectron2": ("detectron2", COCO_17, detectron2),
    "videopose3d": ("videopose3d", COCO_17, videopose3d),
    "deeplabcut": ("deeplabcut", COCO_17, deeplabcut),
    "sleap hdf5": ("sleap", COCO_17, sleap_hdf5),
    "sleap csv": ("sleap", COCO_17, sleap_csv),
    "table csv": ("table", COCO_17, table_csv),
    "table parquet": ("table", H36M_17, table_parquet),
    "table of pictures": ("table", COCO_17, table_of_pictures),
}
SIZE_IN_FILE = {
    "coco annotations",
    "mediapipe json",
    "detectron2",
    "videopose3d",
    "table csv",
    "table parquet",
    "table of pictures",
}
ONE_PERSON = {"mediapipe npy", "mediapipe tfjs", "videopose3d"}
FOLDER_OF_FILES = {"openpose body 25", "openpose coco 18", "mmpose images", "yolo labels"}
NOT_JSON = {
    "mediapipe npy",
    "mediapipe table",
    "mediapipe long table",
    "yolo labels",
    "detectron2",
    "videopose3d",
    "table csv",
    "table parquet",
    "table of pictures",
    "deeplabcut",
    "sleap hdf5",
    "sleap csv",
}
EMPTY_IS_NOBODY = {"yolo labels"}
SHORTER_IS_READ = {  # cut at the end of a line or number
    "table csv",
    "table of pictures",
    "mediapipe table",
    "mediapipe long table",
    "yolo labels",
}
NO_CONFIDENCE = {"coco annotations", "videopose3d"}


def source_of(
    kind: str, folder: Path | str, prepare: dict | None = None, executor: Executor | None = None, **settings: object
) -> Source:
    """The source that reads a folder or file written in a format (or of a prepare.source)."""
    name = FORMATS[kind][0] if kind in FORMATS else kind
    section = {"source": name, "input": str(folder), **(prepare or {})}
    return open_source(loading.from_dict({"prepare": section, name: settings}), executor)


def sequences(kind: str, folder: Path | str, **settings: object) -> list[PoseSequence]:
    """Everything that source_of holds, with the image size given where the format has none."""
    if kind in FORMATS and kind not in SIZE_IN_FILE:
        settings.setdefault("image_size", [WIDTH, HEIGHT])
    return [clip.load() for clip in source_of(kind, folder, **settings).sequences]
