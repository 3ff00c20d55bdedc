"""`python -m benchmarks.world_frame BUNDLE MOTION.npz`: up, floor and root of people whom one still camera sees.

Each recording of 3D motion is seen by cameras of the camera grid (`grid_cameras`), drawn for each recording, that stand further
away by what its person walks. 2D is the simulated detector's. Poses, those of the bundle or without errors, get a root on their
rays, and `geometry.world.place` sets them down. The focal length is told, or assumed from the image's size.

Figures are over recordings. Errors of the root are medians over a recording's frames, in the camera frame, along the true ray
and across it. Jitter is how far that error moves from a frame to the next. Feet that stand are those that truly do: slower
than 0.3 m/s and below 14 cm at the ankle.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from rich.table import Table

from benchmarks.camera_grid import Clip, read_clips
from benchmarks.grid_cameras import CONDITIONS, SIDES, Condition
from pose_diffusion.cli import show
from pose_diffusion.data.sources.motion.simulated_detector import detect
from pose_diffusion.distributed.cluster.causes import one_line
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera
from pose_diffusion.geometry.gravity import degrees_between
from pose_diffusion.geometry.person_view import assumed_intrinsic
from pose_diffusion.geometry.reprojection import fit_root
from pose_diffusion.geometry.root_path import FEET, Floats
from pose_diffusion.geometry.skeleton import ROOT
from pose_diffusion.geometry.world import Person, World, place
from pose_diffusion.inference.clip_lifting import lift_clips
from pose_diffusion.inference.video_bundle import VideoBundle, load_video_bundle
from pose_diffusion.runtime.process import configure_runtime

log = logging.getLogger(__name__)

_UNBENT = 1e4  # metres: paths stay as they are
_FEWEST = 30  # frames of a recording
_STILL, _LOW = 0.3, 0.14  # m/s and metres of the ankle of a foot that stands

Lift = Callable[["Scene", np.ndarray], np.ndarray]  # a scene and what is told of the lens, (9,), to poses (T, 17, 3)


@dataclass(frozen=True)
class Scene:
    """A recording and a camera. points: (T, 17, 3) metres in the world, z up. mixture: (T, 17, 1, 5), what was detected."""

    name: str
    condition: str
    camera: Camera
    points: Floats
    mixture: np.ndarray


@dataclass(frozen=True)
class Figures:
    """Of one scene. Before and after smoothing where there are two. Degrees, metres, seconds; NaN where nothing stands."""

    up: float
    expected_up: float
    level: bool
    floor: float
    along: tuple[float, float]
    across: tuple[float, float]
    jitter: tuple[float, float]
    acceleration: tuple[float, float, float]  # the last is the true one
    slide: tuple[float, float, float]
    mpjpe: float


def scenes(clips: Iterable[Clip], views: int, frames: int, seed: int = 0) -> list[Scene]:
    """Each clip of at least a second, cut to `frames`, as seen by `views` cameras."""
    found = []
    choices = [condition for condition in CONDITIONS if condition.told == 1]
    for clip in clips:
        points = clip.points[:frames].copy()
        if len(points) < _FEWEST:
            continue
        path = points[:, ROOT, :2]
        points[..., :2] -= (path.min(0) + path.max(0)) / 2
        for view in range(views):
            draw = clip.generator(seed, 2, view)
            condition = choices[int(draw.integers(len(choices)))]
            camera = _camera(condition, points, draw)
            mixture = detect(camera.to_camera(points), camera, 1, draw)
            found.append(Scene(clip.name, condition.name, camera, points, mixture))
    return found


def true_pose(scene: Scene, _: np.ndarray | None = None) -> np.ndarray:
    """(T, 17, 3) metres in the camera frame, minus the pelvis."""
    points = scene.camera.to_camera(scene.points)
    return points - points[:, ROOT, None]


def lift_of(bundle: VideoBundle, fps: float) -> Lift:
    """The bundle's poses."""

    def lift(scene: Scene, lens: np.ndarray) -> np.ndarray:
        rows = len(scene.points)
        mixture, intrinsic = torch.from_numpy(scene.mixture), torch.from_numpy(lens).expand(rows, 9)
        sequence, frame = torch.zeros(rows, dtype=torch.long), torch.arange(rows)
        pose = lift_clips(bundle.network, mixture, intrinsic, sequence, frame, fps, bundle.model.frames)
        return pose.cpu().double().numpy()

    return lift


def measure(scene: Scene, lift: Lift, fps: float, assume_focal: bool = False) -> Figures:
    """A scene's figures with poses of `lift`."""
    lens = assumed_intrinsic(scene.camera.width, scene.camera.height) if assume_focal else scene.camera.intrinsic
    pose = lift(scene, lens)
    tensors = (torch.from_numpy(values) for values in (pose, scene.mixture[:, :, 0, 1:3], lens, scene.mixture[:, :, 0, 3:]))
    pose_3d, seen, intrinsic, sigma = tensors
    fitted = fit_root(pose_3d, seen, intrinsic.expand(len(pose), 9), sigma).numpy()
    world = place([Person(pose, fitted, np.arange(len(pose)) / fps)])
    return _figures(scene, pose, fitted, world, fps)


def _figures(scene: Scene, pose: Floats, fitted: Floats, world: World, fps: float) -> Figures:
    truth, smoothed = scene.camera.to_camera(scene.points), world.roots[0]
    root, ray = truth[:, ROOT], truth[:, ROOT] / np.linalg.norm(truth[:, ROOT], axis=-1, keepdims=True)
    feet = scene.points[:, FEET]
    stands = (_speed(feet, fps) < _STILL) & (feet[1:, :, 2] < _LOW)  # (T - 1, 2)
    along, across, jitter, acceleration, slide = (list[float]() for _ in range(5))
    for path in (fitted, smoothed):
        error = path - root
        along.append(float(np.median(np.abs((error * ray).sum(-1)))))
        across.append(float(np.median(np.linalg.norm(np.cross(error, ray), axis=-1))))
        jitter.append(float(np.median(np.linalg.norm(np.diff(error, axis=0), axis=-1))))
        acceleration.append(_acceleration(path, fps))
        slide.append(_median(_speed(pose[:, FEET] + path[:, None], fps)[stands]))
    ankle = world.to_world(pose[:, FEET] + smoothed[:, None])[..., 2] - feet[..., 2]
    return Figures(
        up=float(degrees_between(world.rotation[2], np.array(scene.camera.rotation)[:, 2])),
        expected_up=world.up_deviation or 0.0,
        level=world.up_source == "level",
        floor=_median(np.abs(ankle[1:][stands])),
        along=(along[0], along[1]),
        across=(across[0], across[1]),
        jitter=(jitter[0], jitter[1]),
        acceleration=(acceleration[0], acceleration[1], _acceleration(root, fps)),
        slide=(slide[0], slide[1], _median(_speed(feet, fps)[stands])),
        mpjpe=float(np.linalg.norm(pose - (truth - truth[:, ROOT, None]), axis=-1).mean()),
    )


def render(lines: dict[str, list[Figures]]) -> Table:
    """A column each: medians over scenes, with the 90th percentile in brackets."""
    rows: list[tuple[str, Callable[[list[Figures]], str]]] = [
        ("MPJPE, mm", lambda ones: f"{1000 * np.mean([one.mpjpe for one in ones]):.0f}"),
        ("up, degrees", lambda ones: _both([one.up for one in ones], 1, 1)),
        ("up, expected deviation", lambda ones: _both([one.expected_up for one in ones], 1, 1)),
        ("up, within that", lambda ones: f"{100 * np.mean([one.up <= one.expected_up for one in ones]):.0f}%"),
        ("taken for level", lambda ones: str(sum(one.level for one in ones))),
        ("floor, mm", lambda ones: _both([one.floor for one in ones])),
        ("root along the ray, mm: fitted", lambda ones: _both([one.along[0] for one in ones])),
        ("smoothed", lambda ones: _both([one.along[1] for one in ones])),
        ("root across the ray, mm: fitted", lambda ones: _both([one.across[0] for one in ones])),
        ("smoothed", lambda ones: _both([one.across[1] for one in ones])),
        ("jitter of the root, mm a frame: fitted", lambda ones: _both([one.jitter[0] for one in ones])),
        ("smoothed", lambda ones: _both([one.jitter[1] for one in ones], digits=1)),
        ("acceleration of the root, m/s^2: fitted", lambda ones: _both([one.acceleration[0] for one in ones], 1, 1)),
        ("smoothed", lambda ones: _both([one.acceleration[1] for one in ones], 1, 1)),
        ("true", lambda ones: _both([one.acceleration[2] for one in ones], 1, 1)),
        ("standing feet, mm/s: fitted", lambda ones: _both([one.slide[0] for one in ones])),
        ("smoothed", lambda ones: _both([one.slide[1] for one in ones])),
        ("true", lambda ones: _both([one.slide[2] for one in ones])),
    ]
    table = Table()
    table.add_column("poses, focal length")
    for name in lines:
        table.add_column(name, justify="right")
    for name, cell in rows:
        table.add_row(name, *(cell(ones) for ones in lines.values()))
    return table


def render_cameras(scenes: Sequence[Scene], lines: dict[str, list[Figures]]) -> Table:
    """The error of up by the camera's condition, degrees."""
    table = Table()
    table.add_column("up, degrees")
    table.add_column("scenes", justify="right")
    for name in lines:
        table.add_column(name, justify="right")
    for condition in CONDITIONS:
        rows = [number for number, scene in enumerate(scenes) if scene.condition == condition.name]
        if rows:
            errors = ([ones[row].up for row in rows] for ones in lines.values())
            table.add_row(condition.name, str(len(rows)), *(_both(values, 1, 1) for values in errors))
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
    for name, least in (("clips", 0), ("views", 1), ("frames", _FEWEST), ("threads", 1), ("seed", 0)):
        if getattr(options, name) < least:
            raise InputError(f"argument --{name}: {getattr(options, name)}, expected at least {least}")
    configure_runtime(options.threads)
    bundle = load_video_bundle(options.bundle, options.device)
    clips = read_clips(options.motion, options.fps, options.split, options.part or "test", options.clips, _UNBENT)
    seen = scenes(clips, options.views, options.frames, options.seed)
    if not seen:
        raise InputError(f"{options.motion}: no recording has {_FEWEST} frames")
    lines = {}
    for poses, lift in (("true", true_pose), ("lifted", lift_of(bundle, options.fps))):
        for focal in ("known", "assumed"):
            lines[f"{poses}, {focal}"] = [measure(scene, lift, options.fps, focal == "assumed") for scene in seen]
            log.info("%s poses, focal length %s: measured", poses, focal)
    print(f"{options.bundle}: {len(seen)} scenes of {len({scene.name for scene in seen})} recordings")
    show(render(lines))
    show(render_cameras(seen, lines))


def _parser() -> argparse.ArgumentParser:
    described = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.world_frame", description=__doc__, formatter_class=described)
    parser.add_argument("bundle", help="folder of a bundle of the video family")
    parser.add_argument("motion", help=".npz of arrays 'SUBJECT/ACTION' (frames, 17, 3), or a folder of them")
    parser.add_argument("--split", default="", help="JSON file beside the arrays that says which recordings are of which part")
    parser.add_argument("--part", choices=("train", "test"), help="of the split; test by default")
    parser.add_argument("--clips", type=int, default=0, help="take so many recordings, evenly spaced; 0 takes all")
    parser.add_argument("--views", type=int, default=2, help="cameras a recording")
    parser.add_argument("--frames", type=int, default=300, help="take so many of a recording, from its start")
    parser.add_argument("--fps", type=float, default=30.0, help="frames a second of the arrays")
    parser.add_argument("--seed", type=int, default=0, help="of the cameras and the detector")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    return parser


def _camera(condition: Condition, points: Floats, draw: np.random.Generator) -> Camera:
    """The condition's camera, further away by what the person walks."""
    reach = float(np.linalg.norm(points[:, ROOT, :2], axis=-1).max())
    target = np.array([0, 0, points[:, ROOT, 2].mean()])
    further = replace(condition, distance=condition.distance + reach)
    return further.camera(target, draw.uniform(0, 2 * np.pi), int(draw.integers(len(SIDES))))


def _speed(points: Floats, fps: float) -> Floats:
    return np.linalg.norm(np.diff(points, axis=0), axis=-1) * fps


def _acceleration(path: Floats, fps: float) -> float:
    return _median(np.linalg.norm(np.diff(path, 2, axis=0), axis=-1)) * fps**2


def _median(values: Floats) -> float:
    return float(np.median(values)) if values.size else float("nan")


def _both(values: Sequence[float], factor: float = 1000, digits: int = 0) -> str:
    """The median and the 90th percentile of those that are numbers."""
    if np.isnan(values).all():
        return "-"
    middle, high = np.nanpercentile(values, [50, 90]) * factor
    return f"{middle:.{digits}f} ({high:.{digits}f})"


if __name__ == "__main__":
    sys.exit(main())
