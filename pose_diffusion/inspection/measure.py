"""Measures one shard file: the sums that `dataset_stats` names, and the poses to draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from pose_diffusion.data import schema, shards
from pose_diffusion.data.manifest import Span
from pose_diffusion.data.mixture import MEAN, SIGMA
from pose_diffusion.geometry import tempo
from pose_diffusion.geometry.camera import Camera, project
from pose_diffusion.geometry.proportions import BONES
from pose_diffusion.geometry.skeleton import EDGES, FLIP, JOINTS, N_JOINTS
from pose_diffusion.inspection.dataset_stats import (
    FAR,
    ORDERS,
    PIXEL_EDGES,
    DatasetStats,
    FrameRange,
    Reprojection,
    Sample,
    Sketch,
    Stats2D,
    Stats3D,
    histogram,
)

_PARENTS, _CHILDREN = (list(joints) for joints in zip(*EDGES, strict=True))
_AT = {name: number for number, name in enumerate(JOINTS)}
_LEGS = [[_AT[side + part] for part in ("Hip", "Knee", "Foot")] for side in "RL"]
_CHUNK = 8192


def measure(
    path: str,
    cameras: Mapping[str, Camera],
    wide_px: float | None,
    wanted: Sequence[int],
    fps: float | None = 50.0,
    chunk: int = _CHUNK,
) -> DatasetStats:
    """The sums of one file. wide_px: sigma of joints that prepare filled in, where it is known. wanted: rows to draw.

    fps: frames a second, where they are known. chunk: rows that are measured at a time.

    Raises InputError for a file that is not a shard; values are taken as they are, for bad ones are what is looked for.
    """
    table = shards.read_table(path)
    result = DatasetStats(samples=[_sample(table, row) for row in wanted])
    starts, frame = 0, table["frame"].to_numpy()
    of_span, spans = np.empty(len(table), np.int64), shards.spans_of(table)
    for number, span in enumerate(spans):
        of_span[starts : starts + span.rows] = number
        frames = frame[starts : starts + span.rows]
        result.frame_ranges.append(FrameRange(span.subject, span.action, span.camera, int(frames.min()), int(frames.max())))
        starts += span.rows
    for start in range(0, len(table), chunk):
        before = min(start, 1)  # parts overlap by a row, so that each row is compared with the one before
        part = slice(start - before, start + chunk)
        rows = table.slice(part.start, part.stop - part.start)
        result.merge(_of_rows(rows, before, of_span[part], spans, cameras, wide_px))
    if fps is not None:
        first = 0
        for span in spans:
            speed = _speed(table.slice(first, span.rows), fps)
            if speed is not None:
                result.stats_3d.setdefault(span.subject, Stats3D()).merge(speed)
            first += span.rows
    return result


def _speed(table: pa.Table, fps: float) -> Stats3D | None:
    """Steps and swings of one sequence; None where it has no 3D or no root, or where frames are left out."""
    pose, root = (schema.tensor_values(table[name]).astype(np.float64) for name in ("pose_3d", "root_3d"))
    if not (np.isfinite(pose).all() and np.isfinite(root).all() and (np.diff(table["frame"].to_numpy()) == 1).all()):
        return None
    steps = tempo.steps(pose, root) / fps
    speed, acceleration, swings = tempo.limb_motion(pose, fps)
    quick = int((steps < tempo.QUICKEST_STEP).sum())
    return Stats3D(steps=len(steps), quick_steps=quick, speed=speed, acceleration=acceleration, swings=swings)


def _of_rows(
    table: pa.Table,
    before: int,
    of_span: np.ndarray,
    spans: Sequence[Span],
    cameras: Mapping[str, Camera],
    wide_px: float | None,
) -> DatasetStats:
    """Sums of the rows, less the first `before`. of_span: which of the spans each row belongs to."""
    mixture = schema.tensor_values(table["mixture"])
    pose_2d, pose_3d = mixture[..., 0, MEAN].astype(np.float64), schema.tensor_values(table["pose_3d"]).astype(np.float64)
    follows = np.diff(of_span) == 0  # rows after one of the same sequence
    frozen, still = (np.r_[False, follows & (pose[1:] == pose[:-1]).all((1, 2))][before:] for pose in (pose_2d, pose_3d))
    unordered = int((follows & (np.diff(table["frame"].to_numpy()) <= 0)).sum())
    mixture, pose_2d, pose_3d, of_span = mixture[before:], pose_2d[before:], pose_3d[before:], of_span[before:]
    root = schema.tensor_values(table["root_3d"])[before:].astype(np.float64)
    width = table["width"].to_numpy()[before:]
    known = np.asarray(np.isfinite(pose_3d).all((1, 2)))
    result = DatasetStats(_stats_2d(mixture, pose_2d, width, wide_px), sketch=Sketch.of(_hashes(pose_2d[~frozen])))
    result.stats_2d.frozen, result.stats_2d.unordered = int(frozen.sum()), unordered
    for subject, rows in _groups(of_span, [span.subject for span in spans], known):
        result.stats_3d[subject] = _stats_3d(pose_3d[rows], pose_2d[rows], root[rows])
        result.stats_3d[subject].frozen = int(still[rows].sum())
    placed = known & np.asarray(np.isfinite(root).all(1))
    for name, rows in _groups(of_span, [f"{span.subject}/{span.camera}" for span in spans], placed):
        if name in cameras:
            seen = project(pose_3d[rows] + root[rows, None], cameras[name].intrinsic)
            error = np.linalg.norm(seen - pose_2d[rows], axis=-1) * width[rows, None] / 2
            error = np.nan_to_num(error, nan=PIXEL_EDGES[-1]).clip(0, PIXEL_EDGES[-1])
            result.reprojection[name] = Reprojection(histogram(error), float(error.sum()))
    return result


def _groups(of_span: np.ndarray, names: Sequence[str], wanted: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Each name of spans with its wanted rows, where it has some."""
    known, numbers = np.unique(np.array(names), return_inverse=True)
    of_row = numbers[of_span]
    for number in np.unique(of_row[wanted]):
        yield str(known[number]), np.flatnonzero((of_row == number) & wanted)


def _stats_2d(mixture: np.ndarray, pose: np.ndarray, width: np.ndarray, wide_px: float | None) -> Stats2D:
    sigma = mixture[..., 0, SIGMA].mean(-1)  # (rows, 17)
    sigma_px = sigma * width[:, None] / 2
    square, tree = _square(pose), _shortest_tree(pose).clip(1e-9)
    hips, shoulders = (pose[:, _AT[f"R{part}"]] - pose[:, _AT[f"L{part}"]] for part in ("Hip", "Shoulder"))
    return Stats2D(
        rows=len(pose),
        sigma_px=np.stack([histogram(joint) for joint in sigma_px.T]),
        sigma=float(sigma.mean(1, dtype=np.float64).sum()),
        wide=np.zeros(N_JOINTS) if wide_px is None else (sigma_px > 0.99 * wide_px).sum(0).astype(np.float64),
        heaviest=float(mixture[..., 0, 0].mean(1, dtype=np.float64).sum()),
        bones=(_bones(pose) / square[:, None]).sum(0),
        lengths=np.array([(_bones(order.positions(pose)).sum(1) / tree).sum() for order in ORDERS]),
        below=((pose[..., 1] - pose[:, :1, 1]) / square[:, None]).sum(0),
        across=float(_cosine(hips, shoulders).sum()),
        far=int((abs(pose) > FAR).any(-1).sum()),
        shares=int(((pose >= 0) & (pose <= 1)).all(-1).sum()),
    )


def _stats_3d(pose: np.ndarray, pose_2d: np.ndarray, root: np.ndarray) -> Stats3D:
    lengths = _bones(pose)
    hips, shoulders = (pose[:, _AT[f"R{part}"]] - pose[:, _AT[f"L{part}"]] for part in ("Hip", "Shoulder"))
    forward = np.cross(pose[:, _AT["Thorax"]] - pose[:, _AT["Hip"]], hips)  # up x right, in a right-handed frame
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True).clip(1e-9)
    bend = np.stack([((pose[:, k] - (pose[:, h] + pose[:, a]) / 2) * forward).sum(-1) for h, k, a in _LEGS], 1)
    thighs = lengths[:, [BONES.index("RKnee"), BONES.index("LKnee")]].clip(1e-9)
    square = _square(pose_2d)
    residual = [(_distance(seen, pose[..., :2]) / square).sum() for seen in (pose_2d, pose_2d[:, list(FLIP)])]
    placed = np.isfinite(root).all(1)
    return Stats3D(
        rows=len(pose),
        bones=lengths.sum(0),
        squares=(lengths**2).sum(0),
        knees=float((bend / thighs).mean(1).sum()),
        forward=int((bend.sum(1) > 0).sum()),
        below=pose[..., 1].sum(0) - pose[:, 0, 1].sum(),
        across=float(_cosine(hips, shoulders).sum()),
        residual=np.array(residual),
        roots=int(placed.sum()),
        depth=float(np.linalg.norm(root[placed], axis=-1).sum()),
    )


def _distance(pose: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Root of the mean squared distance of poses (rows, 17, 2) from others, scaled (not below 0) and shifted onto them."""
    pose, onto = pose - pose.mean(1, keepdims=True), onto - onto.mean(1, keepdims=True)
    scale = (pose * onto).sum((1, 2)) / (onto**2).sum((1, 2)).clip(1e-12)
    return np.sqrt(((pose - scale.clip(0)[:, None, None] * onto) ** 2).sum(-1).mean(1))


def _bones(pose: np.ndarray) -> np.ndarray:
    return np.linalg.norm(pose[:, _CHILDREN] - pose[:, _PARENTS], axis=-1)  # (rows, 16)


def _shortest_tree(pose: np.ndarray) -> np.ndarray:
    """Length of the shortest lines that join all joints of each pose, (rows,), by Prim's algorithm."""
    rows = np.arange(len(pose))
    reach = np.linalg.norm(pose - pose[:, :1], axis=-1)  # of each joint from the tree; infinite for those in it
    reach[:, 0] = np.inf
    total = np.zeros(len(pose))
    for _ in range(pose.shape[1] - 1):
        nearest = reach.argmin(1)
        total += reach[rows, nearest]
        inside = np.isinf(reach)
        reach = np.minimum(reach, np.linalg.norm(pose - pose[rows, nearest][:, None], axis=-1))
        reach[inside] = reach[rows, nearest] = np.inf
    return total


def _square(pose: np.ndarray) -> np.ndarray:
    return np.ptp(pose, axis=1).max(-1).clip(1e-9)


def _cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one * other).sum(-1) / (np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)).clip(1e-12)


def _hashes(pose: np.ndarray) -> np.ndarray:
    """A 64-bit hash of each pose: its numbers times odd constants, summed and mixed (splitmix64's last steps)."""
    bits = np.ascontiguousarray(pose, np.float64).view(np.uint64).reshape(len(pose), pose.shape[1] * pose.shape[2])
    factors = np.random.default_rng(0).integers(0, 2**63, bits.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    total = (bits * factors).sum(1, dtype=np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        total = (total ^ (total >> np.uint64(shift))) * np.uint64(factor)
    return total ^ (total >> np.uint64(31))


def _sample(table: pa.Table, row: int) -> Sample:
    one = table.slice(row, 1)
    width, height = int(one["width"][0].as_py()), int(one["height"][0].as_py())
    kernel = schema.tensor_values(one["mixture"])[0, :, 0].astype(np.float64)
    names = [one[key][0].as_py() for key in ("action", "subject", "camera")]
    return Sample(
        name=" · ".join([*filter(None, names), f"frame {one['frame'][0].as_py()}"]),
        pose_2d=(kernel[:, MEAN] + [1, height / width]) * width / 2,
        sigma_px=kernel[:, SIGMA] * width / 2,
        pose_3d=schema.tensor_values(one["pose_3d"])[0] if one["pose_3d"][0].is_valid else None,
        width=width,
        height=height,
    )
