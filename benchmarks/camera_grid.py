"""`python -m benchmarks.camera_grid BUNDLE MOTION.npz`: errors of a bundle on 3D motion seen by 14 cameras.

MOTION holds arrays as the source `joints` reads them (`data.sources.motion.joint_arrays`). Every camera sees the same motion;
`grid_cameras` says where each stands. The azimuth, and the side on which a person is off the axis, are drawn once a recording.
Paths are bent back at half a metre from their middle, so that the nearest camera keeps people in front of it.

The detections are those of `simulated_detector` with one kernel. Its errors are centimetres on the body. What it draws depends
on the recording alone, so each camera has the same errors but for what hides and swaps joints in its image.

A bundle of the video family is told each camera's focal length, or with --assume-focal what `person_view.assumed_intrinsic`
says of the image; then the line about a wrong focal length repeats the centred one. The published family looks at screen
coordinates and uses no focal length.
"""

from __future__ import annotations

import argparse
import logging
import sys
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.table import Table
from torch import Tensor

from benchmarks.grid_cameras import CENTRED, CONDITIONS, SIDES, Condition
from pose_diffusion.cli import show
from pose_diffusion.config import JointsConfig
from pose_diffusion.data.sequence import LazySequence
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.data.sources.motion import joint_arrays
from pose_diffusion.data.sources.motion.simulated_detector import detect
from pose_diffusion.distributed.cluster.causes import one_line
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.geometry.metrics import mpjpe, p_mpjpe
from pose_diffusion.geometry.person_view import assumed_intrinsic
from pose_diffusion.geometry.skeleton import ROOT
from pose_diffusion.inference.bundle import Bundle, load_bundle
from pose_diffusion.inference.clip_lifting import lift_clips
from pose_diffusion.inference.video_bundle import VideoBundle
from pose_diffusion.runtime.executor import LocalExecutor
from pose_diffusion.runtime.process import configure_runtime

log = logging.getLogger(__name__)

_WALK_RADIUS = 0.5  # metres


@dataclass(frozen=True)
class Clip:
    """A recording. points: (T, 17, 3) metres in the world, z up, the middle of the path at x = y = 0."""

    name: str
    points: np.ndarray

    def generator(self, seed: int, *purpose: int) -> np.random.Generator:
        """Random numbers that depend on the seed, the recording's name and what they are for."""
        return np.random.default_rng([seed, zlib.crc32(self.name.encode()), *purpose])


@dataclass(frozen=True)
class Seen:
    """All clips as one condition's cameras see them, N poses.

    mixture: (N, 17, 1, 5). intrinsic: (N, 9), what the model is told. sequence, frame: (N,), the clip and the frame in it.
    pose_3d: (N, 17, 3), the truth: metres in the camera frame, minus the pelvis.
    """

    mixture: Tensor
    intrinsic: Tensor
    sequence: Tensor
    frame: Tensor
    pose_3d: Tensor


@dataclass(frozen=True)
class Line:
    """Means over all poses of a condition, mm."""

    name: str
    mpjpe: float
    p_mpjpe: float


Lifter = Callable[[Seen], Tensor]  # to poses (N, 17, 3), metres in the camera frame


def read_clips(
    path: str, fps: float, split: str = "", part: str = "test", most: int = 0, walk_radius: float = _WALK_RADIUS
) -> list[Clip]:
    """The recordings of a part of the split, or all without one; `most` of them, evenly spaced, 0 for every one.

    split: relative to the arrays' folder. walk_radius: metres from a path's middle at which it is bent back.
    Raises InputError for bad files, and where the part has no recordings.
    """
    settings = JointsConfig(
        cameras="ring", ring_cameras=1, walk_radius=walk_radius, kernels=1, fps=fps, source_fps=fps, split=split
    )
    source = joint_arrays.open_source(Inputs(path), settings, LocalExecutor())
    sequences = [one for one in source.sequences if not split or one.split == part]
    if not sequences:
        raise InputError(f"{split}: no recording of {path} is in '{part}'")
    if most:
        sequences = [sequences[number] for number in range(len(sequences)) if _chosen(number, len(sequences), most)]
    return [_clip(one, Camera.from_dict(source.cameras[f"{one.subject}/{one.camera}"])) for one in sequences]


def look(clips: Sequence[Clip], condition: Condition, seed: int = 0, assume_focal: bool = False) -> Seen:
    """The clips as the condition's cameras see them. assume_focal: tell the model nothing but the image's size."""
    mixtures, intrinsics, poses = [], [], []
    for clip in clips:
        draw = clip.generator(seed)
        target = np.array([0, 0, clip.points[:, ROOT, 2].mean()])
        camera = condition.camera(target, draw.uniform(0, 2 * np.pi), int(draw.integers(len(SIDES))))
        points = camera.to_camera(clip.points)
        mixtures.append(detect(points, camera, 1, clip.generator(seed, 1)))
        told = assumed_intrinsic(camera.width, camera.height) if assume_focal else condition.told_intrinsic(camera)
        intrinsics.append(np.broadcast_to(told, (len(points), 9)))
        poses.append(points - points[:, ROOT, None])
    lengths = torch.tensor([len(clip.points) for clip in clips])
    return Seen(
        torch.from_numpy(np.concatenate(mixtures)),
        torch.from_numpy(np.concatenate(intrinsics)),
        torch.repeat_interleave(torch.arange(len(clips)), lengths),
        torch.cat([torch.arange(int(length)) for length in lengths]),
        torch.from_numpy(np.concatenate(poses)).float(),
    )


def lifter_of(bundle: Bundle | VideoBundle, fps: float, frames: int | None = None, flips: bool = True) -> Lifter:
    """The bundle as a lifter. frames: of the video family's longest clip, None for the bundle's own."""
    if isinstance(bundle, Bundle):
        if frames is not None:
            raise InputError("argument --frames: the published family sees one frame at a time, leave it out")
        return lambda seen: bundle.lift(seen.mixture, flips=flips).pose_3d
    network, longest = bundle.network, bundle.model.frames if frames is None else frames
    return lambda seen: lift_clips(network, seen.mixture, seen.intrinsic, seen.sequence, seen.frame, fps, longest, flips)


def measure(
    lift: Lifter,
    clips: Sequence[Clip],
    conditions: Iterable[Condition] = CONDITIONS,
    seed: int = 0,
    assume_focal: bool = False,
) -> list[Line]:
    """A line for each condition, in their order."""
    lines = []
    for condition in conditions:
        seen = look(clips, condition, seed, assume_focal)
        pose = lift(seen).cpu().float()
        errors = (metric(pose, seen.pose_3d).double().mean().item() for metric in (mpjpe, p_mpjpe))
        lines.append(Line(condition.name, *errors))
        log.info("%s: %.1f / %.1f mm", condition.name, lines[-1].mpjpe, lines[-1].p_mpjpe)
    return lines


def render(lines: Sequence[Line]) -> Table:
    """The lines as a table, with their mean, the worst of either error, and MPJPE over that of the centred camera."""
    mean = Line("mean", *(float(np.mean(values)) for values in _columns(lines)))
    worst = Line("worst", *(max(values) for values in _columns(lines)))
    centred = next((line.mpjpe for line in lines if line.name == CENTRED.name), None)
    table = Table()
    table.add_column("camera")
    for column in ("MPJPE, mm", "P-MPJPE, mm", "MPJPE / centred"):
        table.add_column(column, justify="right")
    for line in (*lines, mean, worst):
        if line is mean:
            table.add_section()
        ratio = f"{line.mpjpe / centred:.2f}" if centred else ""
        table.add_row(line.name, f"{line.mpjpe:.1f}", f"{line.p_mpjpe:.1f}", ratio)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 for bad input, told in one line."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    sources = logging.getLogger("pose_diffusion.data.sources")
    level = sources.level
    sources.setLevel(logging.ERROR)  # prepare has said what looks odd in the motion
    try:
        _run(options)
    except InputError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    finally:
        sources.setLevel(level)
    return 0


def _run(options: argparse.Namespace) -> None:
    if options.part and not options.split:
        raise InputError("argument --part: takes a split file, give --split too")
    if not 0 < options.fps < float("inf"):
        raise InputError(f"argument --fps: {options.fps:g}, expected a number above 0")
    for name, least in (("clips", 0), ("threads", 1), ("seed", 0)):
        if getattr(options, name) < least:
            raise InputError(f"argument --{name}: {getattr(options, name)}, expected at least {least}")
    configure_runtime(options.threads)
    bundle = load_bundle(options.bundle, options.device)
    lift = lifter_of(bundle, options.fps, options.frames, not options.no_flips)
    clips = read_clips(options.motion, options.fps, options.split, options.part or "test", options.clips)
    lines = measure(lift, clips, seed=options.seed, assume_focal=options.assume_focal)
    poses = sum(len(clip.points) for clip in clips)
    known = "not used" if isinstance(bundle, Bundle) else "assumed" if options.assume_focal else "known"
    print(f"{options.bundle}: {len(clips)} recordings, {poses:,} poses a camera, focal length {known}")
    show(render(lines))


def _parser() -> argparse.ArgumentParser:
    described = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.camera_grid", description=__doc__, formatter_class=described)
    parser.add_argument("bundle", help="folder of a bundle of either family")
    parser.add_argument("motion", help=".npz of arrays 'SUBJECT/ACTION' (frames, 17, 3), or a folder of them")
    parser.add_argument("--split", default="", help="JSON file beside the arrays that says which recordings are of which part")
    parser.add_argument("--part", choices=("train", "test"), help="of the split; test by default")
    parser.add_argument("--clips", type=int, default=0, help="take so many recordings, evenly spaced; 0 takes all")
    parser.add_argument("--assume-focal", action="store_true", help="tell the model the image's size and no focal length")
    parser.add_argument("--fps", type=float, default=30.0, help="frames a second of the arrays")
    parser.add_argument("--frames", type=int, help="of the longest clip that the video family sees; the bundle's by default")
    parser.add_argument("--no-flips", action="store_true", help="do not average with the mirrored pose")
    parser.add_argument("--seed", type=int, default=0, help="of the azimuths and the detector")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    return parser


def _chosen(number: int, total: int, most: int) -> bool:
    """Whether item `number` is one of `most` that are evenly spaced among `total`."""
    return number * most // total != (number - 1) * most // total


def _clip(sequence: LazySequence, camera: Camera) -> Clip:
    """The recording in the world again, from the one camera that its source gave it."""
    seen = sequence.load()
    assert seen.pose_3d is not None and seen.root_3d is not None
    points = (seen.pose_3d + seen.root_3d[:, None]).astype(np.float64)
    return Clip(f"{sequence.subject}/{sequence.action}", camera.to_world(points))


def _columns(lines: Sequence[Line]) -> tuple[list[float], list[float]]:
    return [line.mpjpe for line in lines], [line.p_mpjpe for line in lines]


if __name__ == "__main__":
    sys.exit(main())
