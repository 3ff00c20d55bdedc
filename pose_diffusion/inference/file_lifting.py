"""Files of keypoints to 3D poses in this process, without Ray: what the jobs `prepare` and `infer` do, in memory.

    file or folder -> source (recognised) -> PoseSequence, one at a time -> Estimate -> LiftedPerson -> LiftedRecording

A person's root is fitted in every case: by the camera that the input states, else by an assumed one, which is said.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from pose_diffusion import pretrained
from pose_diffusion.config import Config, InferConfig
from pose_diffusion.data import manifest, schema, sources
from pose_diffusion.data.sequence import LazySequence, PoseSequence, Source
from pose_diffusion.data.sources.summary import summary
from pose_diffusion.errors import ImageSizeUnknown, InputError, StorageError
from pose_diffusion.geometry.camera import Camera, to_pixels
from pose_diffusion.geometry.person_view import assumed_camera
from pose_diffusion.inference import lift_input
from pose_diffusion.inference.bundle import Bundle, load_bundle
from pose_diffusion.inference.clip_lifting import ASSUMED_RATE
from pose_diffusion.inference.estimation import Estimate
from pose_diffusion.inference.lifted import LiftedFile, LiftedPerson, LiftedRecording
from pose_diffusion.inference.options import SamplingOptions, check_video_settings
from pose_diffusion.inference.placing import placed
from pose_diffusion.inference.sequence_lifting import Reached, estimate_frames, estimate_video, frames
from pose_diffusion.inference.video_bundle import VideoBundle
from pose_diffusion.runtime.process import configure_runtime
from pose_diffusion.runtime.progress import Progress

log = logging.getLogger(__name__)
_NEAREST_M = 0.1  # of a joint to the camera


@dataclass(frozen=True)
class _Rate:
    """fps: frames a second. assumed: whether nobody says it."""

    fps: float
    assumed: bool


def lift_file(
    path: str,
    image_size: tuple[int, int] | None = None,
    fps: float | None = None,
    *,
    field_of_view: float | None = None,
    person: Sequence[str] | None = None,
    bundle: str = "",
    device: str = "auto",
    **sections: Mapping[str, Any],
) -> LiftedFile:
    """A file or folder of any tool's keypoints to 3D, as the command `pose-diffusion lift` does it; writes nothing.

    path: local or s3://. image_size: (width, height) in pixels, where the file does not say it. fps: frames a second, where
    the file does not say it; 30 are assumed without it. field_of_view: horizontal, degrees; without it the focal length is
    assumed to be the image's diagonal. person: lift these alone. bundle: the shipped model for ''. device: auto, cpu or cuda.
    sections: any keys of the configuration, as coco={"tracking": True}.

    Raises InputError, in one line, for an input that cannot be read and for what is missing.
    """
    from pose_diffusion.config import loading

    values: dict[str, dict[str, Any]] = {name: dict(section) for name, section in sections.items()}
    given: dict[str, dict[str, Any]] = {
        "lift": {"input": path, "image_size": None if image_size is None else list(image_size), "person": person},
        "infer": {"fps": fps, "field_of_view": field_of_view, "bundle": bundle, "device": device},
    }
    for section, keys in given.items():
        values[section] = keys | values.get(section, {})
    return lift_files(loading.from_dict(values, "lift_file"))


def lift_files(config: Config) -> LiftedFile:
    """Lifts lift.input with the settings of `lift`, `prepare`, `infer` and the source's own section.

    Raises InputError for bad input or configuration, and where nothing is left of an input.
    """
    infer = config.infer
    config, tool = lift_input.resolve(config)
    try:
        source = sources.open_sources(config)
    except ImageSizeUnknown as error:
        raise InputError(f"{error.where}: nothing says how large the images are; {lift_input.ADD_SIZE}") from None
    found = summary(source, tool)
    clips = lift_input.chosen_people(source.sequences, config.lift.person, config.lift.input)
    model = load_bundle(infer.bundle, _device(infer))
    configure_runtime(infer.threads or torch.get_num_threads(), infer.precision == "tf32")
    lifter = _Lifter(model, infer, source, tool, _rate(infer, source))
    started = time.monotonic()
    skip = config.prepare.on_error == "skip"
    recordings, skipped = _lift_all(lifter, clips, skip)
    recordings = tuple(placed(one, config.lift.camera_tilt, config.lift.camera_roll) for one in recordings)
    if not recordings:
        raise InputError(f"{config.lift.input}: nothing could be lifted; the first of {len(skipped)}: {skipped[0]}")
    return LiftedFile(
        path=config.lift.input.rstrip("/"),
        recordings=recordings,
        found=found,
        skipped=(*source.skipped, *skipped),
        bundle=pretrained.title(infer.bundle),
        provenance=model.provenance,
        seconds=time.monotonic() - started,
    )


class _Lifter:
    """Lifts sequences of one source with one model."""

    def __init__(self, model: Bundle | VideoBundle, infer: InferConfig, source: Source, tool: str, rate: _Rate):
        if isinstance(model, VideoBundle):
            check_video_settings(infer)
        elif not infer.diffusion:
            model = replace(model, denoiser=None)
        self.model, self.infer, self.source, self.tool, self.rate = model, infer, source, tool, rate
        self.options = SamplingOptions.from_config(infer)

    def camera(self, sequence: PoseSequence) -> tuple[Camera, bool]:
        """For the sequence's own image size; and whether its focal length is assumed."""
        name = f"{sequence.subject}/{sequence.camera}"
        stated = self.source.cameras.get(name)
        if stated is not None:
            camera = Camera.from_dict(dict(stated), f"camera '{name}'")
            return replace(camera, width=sequence.width, height=sequence.height), False
        angle = self.infer.field_of_view
        return assumed_camera(sequence.width, sequence.height, angle), angle is None

    def estimate(self, sequence: PoseSequence, camera: Camera, assumed: bool, reached: Reached) -> Estimate:
        infer, model, intrinsic = self.infer, self.model, camera.intrinsic
        with torch.autocast(model.device.type, torch.bfloat16, enabled=infer.precision == "bf16"):
            if isinstance(model, VideoBundle):
                longest = model.model.frames
                found = estimate_video(
                    model.network, longest, sequence, self.options, intrinsic, intrinsic, self.rate.fps, reached
                )
            else:
                self._check_hypotheses(sequence, assumed)
                options = replace(self.options, reproject=infer.aggregate != "mean")
                found = estimate_frames(model, sequence, options, intrinsic, infer.seed, reached)
        if infer.smooth:
            found = found.smoothed(frames(sequence), torch.zeros(len(sequence), dtype=torch.int64), infer.smooth)
        return found

    def _check_hypotheses(self, sequence: PoseSequence, assumed: bool) -> None:
        assert isinstance(self.model, Bundle)
        infer, resolved = self.infer, self.options.resolve(self.model.diffusion)
        if infer.hypotheses == 1:
            return
        if sequence.mixture.shape[2] == 1 and (not resolved.eta or self.model.denoiser is None):
            raise InputError(
                "key 'infer.hypotheses': they differ by draws from mixtures or by infer.eta > 0, but these poses have one "
                "kernel a joint and eta is 0"
            )
        if infer.aggregate != "mean" and assumed:
            raise InputError(f"key 'infer.aggregate': {infer.aggregate} reprojects: {lift_input.ADD_ANGLE}, or use mean")

    def person(self, sequence: PoseSequence, found: Estimate) -> LiftedPerson:
        seen = np.ones(sequence.mixture.shape[:2], bool) if sequence.confidence is None else sequence.confidence > 0
        assert found.root_3d is not None  # there is a camera, stated or assumed
        pose_3d = list(found.poses.values())[-1].float().numpy()
        return LiftedPerson(
            name=sequence.subject or "person 0",
            frame=sequence.frame.astype(np.int64),
            pose_2d=to_pixels(found.pose_2d.numpy(), sequence.width, sequence.height),
            seen=seen,
            pose_3d=pose_3d,
            spread=found.spread_mm.float().numpy() * np.float32(self.infer.spread_scale / 1000),
            root_3d=in_front(found.root_3d.float().numpy(), pose_3d, sequence),
        )


def in_front(root: np.ndarray, pose: np.ndarray, sequence: PoseSequence) -> np.ndarray:
    """Roots (T, 3) that leave no joint behind the camera: where one does, the pose (T, 17, 3) does not fit the image, as of
    people upside down, and the root is interpolated between frames where it fits. As they are where it fits nowhere.
    """
    good = root[:, 2] + pose[..., 2].min(1) > _NEAREST_M
    if good.all() or not good.any():
        return root
    log.warning("lift: %s: %d poses do not fit the image; where they stand is interpolated", sequence.where, (~good).sum())
    frame = sequence.frame
    return np.stack([np.interp(frame, frame[good], axis[good]) for axis in root.T], 1).astype(np.float32)


def _lift_all(lifter: _Lifter, clips: Sequence[LazySequence], skip: bool) -> tuple[tuple[LiftedRecording, ...], list[str]]:
    """The recordings, and a line for each sequence that was left out."""
    progress = Progress("lift", sum(clip.rows for clip in clips), "poses")
    done, skipped = 0, list[str]()
    recordings: dict[tuple, LiftedRecording] = {}
    for clip in clips:
        try:
            sequence = clip.load()
            schema.checked_table(sequence)
        except StorageError:
            raise
        except InputError as error:
            if not skip:
                raise
            log.warning("lift: skipped: %s", error)
            skipped.append(str(error))
            continue
        camera, assumed = lifter.camera(sequence)
        found = lifter.estimate(sequence, camera, assumed, _share(progress, done, clip.rows))
        person = lifter.person(sequence, found)
        done += clip.rows
        # Whom a detector found in one video stand in one scene; people of a data set have each a recording of their own.
        subject = sequence.subject if lifter.source.with_3d else ""
        key = (subject, sequence.action, sequence.camera, sequence.width, sequence.height)
        if key in recordings:
            recordings[key] = replace(recordings[key], people=(*recordings[key].people, person))
            continue
        recordings[key] = LiftedRecording(
            name=" / ".join(filter(None, (sequence.action, sequence.camera))),
            people=(person,),
            width=sequence.width,
            height=sequence.height,
            fps=lifter.rate.fps,
            fps_assumed=lifter.rate.assumed,
            camera=camera,
            camera_assumed=assumed,
            source=lifter.tool,
            model=lifter.model.content_hash,
        )
    return tuple(recordings.values()), skipped


def _share(progress: Progress, done: int, rows: int) -> Callable[[float], None]:
    return lambda share: progress.reached(done + int(share * rows))


def _rate(infer: InferConfig, source: Source) -> _Rate:
    known = manifest.stated_rate(source.description)
    if known is None:
        return _Rate(infer.fps or ASSUMED_RATE, infer.fps is None)
    if infer.fps not in (None, known):
        log.warning("lift: the input says %g frames a second, %g is not used", known, infer.fps)
    return _Rate(known, False)


def _device(infer: InferConfig) -> str:
    if infer.device != "auto":
        return infer.device
    with contextlib.suppress(RuntimeError):
        return "cuda" if torch.cuda.is_available() else "cpu"
    return "cpu"
