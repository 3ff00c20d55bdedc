"""What `lift` is given, before anything is read: which source reads it, whose poses are wanted, and what is missing."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from pose_diffusion import storage
from pose_diffusion.config import ArchiveConfig, Config, HeatmapsConfig, Mmpose3dConfig
from pose_diffusion.data import sources
from pose_diffusion.data.sequence import LazySequence
from pose_diffusion.data.sources.unread import VIDEOS
from pose_diffusion.errors import InputError

log = logging.getLogger(__name__)

ADD_SIZE = (
    "add --image-size WIDTHxHEIGHT, the video's size in pixels, as --image-size 1920x1080 (Python: image_size=(1920, 1080))"
)
ADD_ANGLE = "add --field-of-view DEGREES, the camera's horizontal angle (Python: field_of_view=60)"
_SHOWN = 20  # names in an error line
_DETECTORS = (
    "Ultralytics `yolo pose predict model=yolo11n-pose.pt source={video} save_txt=True save_conf=True`",
    "RTMPose `python demo/inferencer_demo.py {video} --pose2d human --pred-out-dir keypoints`",
    "AlphaPose `python scripts/demo_inference.py --cfg CONFIG --checkpoint WEIGHTS --video {video} --outdir keypoints`",
    "OpenPose `openpose.bin --video {video} --write_json keypoints --display 0 --render_pose 0`",
)


def resolve(config: Config) -> tuple[Config, str]:
    """The config with prepare.input, the source that reads it and its image size; and what wrote the input.

    Raises InputError for an input that is missing, a video, or of no tool that is known.
    """
    path = config.lift.input
    if not path:
        raise InputError("no input: expected a file or folder of keypoints, as `pose-diffusion lift keypoints.json`")
    if config.prepare.source == "synthetic":
        raise InputError("key 'prepare.source': synthetic reads no file, lift needs a source that does")
    if not storage.exists(path):
        raise InputError(f"{path}: no such file or folder")
    _refuse_video(path)
    config = config.model_copy(update={"prepare": config.prepare.model_copy(update={"input": path})})
    config, found = sources.resolve(config)
    if found is not None:
        log.info("lift: %s (%s)", found.tool, found.reason)
    return _with_image_size(config), found.tool if found else config.prepare.source


def chosen_people(clips: Sequence[LazySequence], people: Sequence[str] | None, path: str) -> list[LazySequence]:
    """The sequences of the people of these names or numbers, for None of everybody. Raises InputError for one not there."""
    if people is None:
        return list(clips)
    chosen = set[int]()
    for wanted in people:
        of_one = [clip for clip in clips if wanted.strip() in (clip.subject, clip.subject.rpartition("person ")[2])]
        if not of_one:
            names = list(dict.fromkeys(clip.subject or "a person without a name" for clip in clips))
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise InputError(f"{path}: no person '{wanted}'; there are {', '.join(names[:_SHOWN])}{more}")
        chosen.update(map(id, of_one))
    return [clip for clip in clips if id(clip) in chosen]


def _refuse_video(path: str) -> None:
    names = storage.list_files(path) or [path]
    video = next((name for name in names if name.lower().endswith(VIDEOS)), None)
    if video is None or not all(name.lower().endswith(VIDEOS) for name in names):
        return
    name = os.path.basename(video)
    ways = "; ".join(way.format(video=name) for way in _DETECTORS)
    raise InputError(
        f"{path}: a video, and lift reads keypoints: find them first by one of these, then lift what it writes: {ways}"
    )


def _with_image_size(config: Config) -> Config:
    """With lift.image_size as that of the source's section. Raises InputError for a source that takes none."""
    size, name = config.lift.image_size, config.prepare.source
    if size is None:
        return config
    section = getattr(config, name)
    if not isinstance(section, ArchiveConfig | HeatmapsConfig | Mmpose3dConfig):
        raise InputError(
            f"{config.lift.input}: read as prepare.source={name}, whose image size is known: leave --image-size out"
        )
    if section.image_size not in (None, size):
        raise InputError(f"'{name}.image_size' is {section.image_size}, --image-size {size[0]}x{size[1]}: give one of them")
    return config.model_copy(update={name: section.model_copy(update={"image_size": size})})
