"""Kinds of files that people have and no source reads, by what they look like, each with the nearest way out."""

from __future__ import annotations

from pose_diffusion.data.sources.sample import Sample, Seen, dicts, is_numbers

_DETECT = "poses are read, not images; run a 2D pose estimator on it first, such as MMPose, AlphaPose, OpenPose or YOLO"
VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".mts")
_BY_SUFFIX = {
    **dict.fromkeys(VIDEOS, ("a video", _DETECT)),
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif"), ("an image", _DETECT)),
    ".fbx": ("FBX motion", "FBX is not read; export BVH, as Blender and MotionBuilder do"),
    ".c3d": ("C3D markers", "markers are not read; solve a skeleton and export BVH"),
    ".trc": (
        "TRC markers",
        "3D markers are not read; give the 2D JSON that they come from, or export BVH of a solved skeleton",
    ),
    ".pkl": ("a pickle", "pickles are not loaded; save the poses as one of the formats that are read"),
    ".pickle": ("a pickle", "pickles are not loaded; save the poses as one of the formats that are read"),
    ".pt": ("a file of PyTorch", "pickles are not loaded; save the poses as one of the formats that are read"),
}
_SPACE = "holds 3D poses, a result; give the 2D keypoints that they were lifted from"
_TO_TRAIN_ON = "or, for motion to train on, set prepare.source=joints"
ONE_TABLE = "save it as a table: frame, person, <joint>_x, <joint>_y, <joint>_confidence, which prepare.source=table reads"


def recognise(sample: Sample) -> Seen | None:
    """What kind a file is, with `wrong` set."""
    return _json(sample) or _arrays(sample) or _table(sample) or _suffix(sample)


def _json(sample: Sample) -> Seen | None:
    content = sample.json
    if isinstance(content, dict) and {"files", "kernels", "joints", "settings"} <= set(content):
        return Seen(
            "a shard folder", "manifest.json", "prepare has written it; give it to data.shards, infer.input or inspect.input"
        )
    if isinstance(content, dict) and "annolist" in content:
        return Seen("PoseTrack 2017", "a mapping with 'annolist'", "'annolist' is not read; give PoseTrack18's COCO-like files")
    entry = next(iter(dicts(content)), content if isinstance(content, dict) else {})
    if {"joints", "joints_vis"} <= set(entry):
        return Seen("MPII in MMPose's form", "a list of {joints, joints_vis}", "MPII's form is not read; convert it to COCO's")
    if is_numbers(entry.get("keypoints"), 3) and "image_id" not in entry and "category_id" in entry:
        way = "one image's people without image_id; put them in one list with {image_id: frame's number} added to each"
        return Seen("OpenPifPaf predictions", "a list of {keypoints, bbox, score, category_id}", way)
    people = content[0] if isinstance(content, list) and content and isinstance(content[0], list) else []
    keypoints = next(iter(dicts(people)), entry).get("keypoints")
    if keypoints is not None and not isinstance(keypoints, dict):  # a mapping x, y, visible is YOLO's
        return Seen("keypoints in a form of one's own", "entries with 'keypoints'", f"no tool's form; {ONE_TABLE}")
    return None


def _arrays(sample: Sample) -> Seen | None:
    if "reconstruction" in sample.arrays:
        return Seen("poses lifted by another program", "an .npz with 'reconstruction'", _SPACE)
    for name, header in sample.arrays.items():
        if header.kind == "f" and len(header.shape) >= 3 and header.shape[-1] == 3 and header.shape[-2] == 17:
            if sample.suffix == ".npz":
                return Seen("3D poses", f"an array '{name}' {header.shape}", f"{_SPACE}; {_TO_TRAIN_ON}")
            way = f"3D poses, or 2D and a score, of nobody knows whom and when; if 2D, {ONE_TABLE}"
            return Seen("an array of poses", f"an .npy array {header.shape}", way)
    if any(header.kind == "O" for header in sample.arrays.values()) and sample.suffix == ".npy":
        return Seen("pickled objects", "an .npy of objects", "pickled objects are not loaded; save an array of numbers")
    return None


def _table(sample: Sample) -> Seen | None:
    columns = {name.lower() for name in sample.columns}
    if {"nose.x", "nose.y"} <= columns:
        return Seen("a table of joints", "columns such as 'nose.x'", f"its columns have other names; {ONE_TABLE}")
    numbered = [name for number in range(200) for name in (f"x{number}", f"x_{number}") if name in columns]
    if len(numbered) >= 5:
        way = f"the numbers do not say which joints; {ONE_TABLE}"
        return Seen("a table of numbered joints", f"columns '{numbered[0]}' to '{numbered[-1]}'", way)
    return None


def _suffix(sample: Sample) -> Seen | None:
    if sample.suffix not in _BY_SUFFIX:
        return None
    kind, way = _BY_SUFFIX[sample.suffix]
    return Seen(kind, f"its name ends in {sample.suffix}", way)
