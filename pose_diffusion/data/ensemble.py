"""Several detectors on the same frames: their points become the kernels of one mixture.

Kernel k of the ensemble has the weight w_k c_d / sum over detectors c_d: its own weight in detector d's mixture times how
sure d is of the joint. A joint of which no detector says how sure it is, or which none has seen, has equal c.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from pose_diffusion.data import mixture as gmm
from pose_diffusion.data.sequence import LazySequence, PoseSequence, Source
from pose_diffusion.errors import InputError

_SAME_M = 1e-4  # 3D poses of two inputs may differ by rounding


def merge(sources: Sequence[Source], names: Sequence[str], skip: bool = False) -> Source:
    """One source of all, in the order of the first's clips; 3D poses and cameras are the first's.

    names: of the inputs, for errors. skip: list sequences that the inputs do not share in `skipped`, instead of raising
    InputError for the first of them. Frames and image sizes are compared when a clip is loaded.
    """
    first = sources[0]
    clips, skipped = [], [line for source in sources for line in source.skipped]
    groups: dict[tuple[str, str, str], dict[int, LazySequence]] = {}
    for number, source in enumerate(sources):
        for clip in source.sequences:
            groups.setdefault((clip.subject, clip.action, clip.camera), {})[number] = clip
    for key, group in groups.items():
        problem = _mismatch(key, group, names)
        if not problem:
            load = partial(_load, [clip.load for clip in group.values()], list(names))
            clips.append(dataclasses.replace(group[0], load=load))
        elif skip:
            skipped.append(problem)
        else:
            raise InputError(problem)
    return Source(
        clips,
        sum(source.kernels for source in sources),
        first.cameras,
        {"converter": "ensemble", "of": [source.description for source in sources], "inputs": list(names)},
        skipped,
        first.with_3d,
        max(source.gpus for source in sources),
    )


def combine(mixtures: Sequence[np.ndarray], confidences: Sequence[np.ndarray | None]) -> np.ndarray:
    """Mixtures (T, 17, K_d, 5) of detectors that are so sure of each joint, (T, 17) or None where unknown.

    Returns (T, 17, sum of K_d, 5) float32, heaviest first.
    """
    if any(confidence is None for confidence in confidences):
        sure = np.ones((len(mixtures), *mixtures[0].shape[:2]), np.float32)
    else:
        sure = np.stack([np.asarray(confidence, np.float32) for confidence in confidences])  # (detectors, T, 17)
    sure = np.where(sure.sum(0) > 0, sure, 1)
    weighted = []
    for one, share in zip(mixtures, sure, strict=True):
        one = one.copy()
        one[..., 0] *= share[..., None]
        weighted.append(one)
    return gmm.normalise(np.concatenate(weighted, axis=2))


def _mismatch(key: tuple[str, str, str], group: Mapping[int, LazySequence], names: Sequence[str]) -> str:
    """What keeps clips of the same key, by the number of their input, from being merged; '' where nothing does."""
    first = min(group)
    what = " / ".join(part or "?" for part in key)
    for number, name in enumerate(names):
        if number not in group:
            return f"{name}: no sequence {what}, which {names[first]} has; files of an ensemble need the same names"
        if group[number].rows != group[first].rows:
            return f"{name}: {what} has {group[number].rows} frames, but {group[first].rows} in {names[first]}"
    return ""


def _load(loads: Sequence[Callable[[], PoseSequence]], names: Sequence[str]) -> PoseSequence:
    first, *others = sequences = [load() for load in loads]
    for other, name in zip(others, names[1:], strict=True):
        where = f"{name}: {first.where}"
        if len(first) != len(other):
            raise InputError(f"{where}: {len(other)} frames, but {len(first)} in {names[0]}")
        differs = first.frame != other.frame
        if differs.any():
            row = int(differs.argmax())
            raise InputError(f"{where}: row {row} is frame {other.frame[row]}, but frame {first.frame[row]} in {names[0]}")
        if (first.width, first.height) != (other.width, other.height):
            raise InputError(
                f"{where}: images of {other.width} x {other.height}, but {first.width} x {first.height} in {names[0]}"
            )
        if first.pose_3d is not None and (other.pose_3d is None or not np.allclose(first.pose_3d, other.pose_3d, atol=_SAME_M)):
            raise InputError(f"{where}: other 3D poses than in {names[0]}")
    return dataclasses.replace(
        first,
        mixture=combine([one.mixture for one in sequences], [one.confidence for one in sequences]),
        confidence=None,
    )
