"""report.json: the figures of a run, computed once from the merged sums.

    {"version": 1,
     "counts": {"files", "poses", "poses_with_truth", "skipped"},
     "methods": ["lifter", "diffusion"], "final": "diffusion", "oracle": null | "oracle",
     "headline": {METHOD: {"action_mean": FIGURES, "frame_mean": FIGURES}},
     "actions" | "subjects" | "cameras": [{"name", "poses", "poses_with_truth", "methods": {METHOD: FIGURES}}],
     "joints": [{"name", "methods": {METHOD: {"mpjpe_mm"}}}],
     "distribution": {METHOD: {"mpjpe_mm": {"p10", "median", "p90", "p99"}, "edges_mm", "counts", "pck_thresholds_mm",
                               "pck_percent"}},
     "spread": null | {"mean_mm", "scale", "coverage": [{"region_percent", "joints_percent"}], "regions": [joints a hundredth],
                       "risk": [{"kept_percent", "mpjpe_mm", "lowest_mpjpe_mm"}]},
     "root": null | {"poses", "mean_mm", "median_mm"},
     "jitter": null | {"frame_rate", "methods": {METHOD: {"mpjve_mm_s", "acceleration_mm_s2"}}},
     "views": {"elevation_deg" | "distance_m" | "person_px": [{"from", "to", "poses", "methods": {METHOD: {"mpjpe_mm",
               "p_mpjpe_mm"}}}]},
     "intrinsics": null | {"known", "field_of_view", "image_diagonal"},
     "skipped": [{"path", "reason"}], "settings": {...}, "throughput": {...}}

FIGURES: mpjpe_mm (P1), p_mpjpe_mm (P2), n_mpjpe_mm, mpjve_mm (mm a frame), acceleration_mm (mm a frame squared), pck_percent
(at 150 mm), auc_percent; null where nothing is known. action_mean is the unweighted mean over actions, frame_mean weighs each
pose alike (for mpjve_mm and acceleration_mm: each two and three neighbouring frames). Lists are sorted by name. In `risk` the
poses with the largest spread are dropped first; lowest_mpjpe_mm drops those with the largest error, the least that any ranking
could reach. `scale` is the factor on the spread that would make its mean square that of the errors: as the truth of these very
poses gives it, it is meant for others (infer.spread_scale). `root` is the error of the pelvis fitted in the camera frame.
`jitter` is mpjve_mm and acceleration_mm by seconds in place of frames, where the frame rate is known. `views` are errors by
how the camera saw the person (see `views`), in bins whose "from" or "to" is null where they are open; a view that is unknown
is left out. `intrinsics` counts the poses whose lens was known, taken from infer.field_of_view, or assumed with a focal length
as long as the image's diagonal; null where lifting was told of no lens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pose_diffusion.data.manifest import action_name
from pose_diffusion.data.predictions import ORACLE
from pose_diffusion.data.recording import SOURCES
from pose_diffusion.geometry.metrics import AUC_THRESHOLDS_MM
from pose_diffusion.geometry.skeleton import JOINTS as JOINT_NAMES
from pose_diffusion.geometry.skeleton import N_JOINTS, PCK_JOINTS
from pose_diffusion.report.jitter import JitterSums
from pose_diffusion.report.report_stats import ERROR_EDGES_MM, JOINTS, PCK, Group, Key, N, P, ReportStats
from pose_diffusion.report.views import view_rows

VERSION = 1
FIGURES = ("mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm", "mpjve_mm", "acceleration_mm", "pck_percent", "auc_percent")
REGIONS = (0.5, 0.8, 0.95)
Figures = dict[str, float | None]


@dataclass(frozen=True)
class Skipped:
    """An input that was left out, and why."""

    path: str
    reason: str


def report_dict(
    total: ReportStats,
    skipped: Sequence[Skipped] = (),
    settings: Mapping[str, object] | None = None,
    throughput: Mapping[str, object] | None = None,
) -> dict:
    """The content of report.json (see the module's text) from the merged figures of all files."""
    methods = total.layout.methods
    jitter = {key: sums for key, track in sorted(total.jitter.items()) if (sums := track.total()) is not None}
    everything = _figures(total, jitter, lambda action, subject, camera: "")
    actions = _figures(total, jitter, lambda action, subject, camera: action)
    group = everything[""][0] if everything else Group(0, 0, np.zeros((len(methods), PCK.stop)))
    return {
        "version": VERSION,
        "counts": {"files": total.files, "poses": group.poses, "poses_with_truth": group.known, "skipped": len(skipped)},
        "methods": list(methods),
        "final": total.layout.final,
        "oracle": ORACLE if ORACLE in methods else None,
        "headline": {
            method: {
                "action_mean": _mean_of([figures[method] for _, figures in actions.values()]),
                "frame_mean": everything[""][1][method] if everything else _mean_of([]),
            }
            for method in methods
        },
        "actions": _rows(actions),
        "subjects": _rows(_figures(total, jitter, lambda action, subject, camera: subject)),
        "cameras": _rows(_figures(total, jitter, lambda action, subject, camera: camera)),
        "joints": [
            {
                "name": name,
                "methods": {m: {"mpjpe_mm": _share(group.sums[i, j], group.known)} for i, m in enumerate(methods)},
            }
            for j, name in enumerate(JOINT_NAMES)
        ],
        "distribution": {method: _distribution(total.errors[i], group, i) for i, method in enumerate(methods)},
        "spread": _spread(total),
        "root": _root(total),
        "jitter": _jitter(total, jitter),
        "views": view_rows(total.views, [(m, figure) for m in methods for figure in ("mpjpe_mm", "p_mpjpe_mm")]),
        "intrinsics": {source: total.intrinsics[source] for source in SOURCES} if total.intrinsics else None,
        "skipped": [{"path": s.path, "reason": s.reason} for s in sorted(skipped, key=lambda s: s.path)],
        "settings": dict(settings or {}),
        "throughput": dict(throughput or {}),
    }


def _figures(
    total: ReportStats, jitter: Mapping[Key, JitterSums], name: Callable[[str, str, str], str]
) -> dict[str, tuple[Group, dict[str, Figures]]]:
    """Sums and figures of each name that name(action, subject, camera) gives."""
    groups: dict[str, Group] = {}
    motion: dict[str, np.ndarray] = {}  # (velocity and acceleration, 1 + methods)
    for key, group in sorted(total.groups.items()):
        groups.setdefault(name(*key), Group(0, 0, np.zeros_like(group.sums))).merge(group)
    for (subject, action, camera), sums in jitter.items():
        place = name(action_name(action), subject, camera)
        motion[place] = motion.get(place, 0) + sums.both()
    moving = _moving(total)
    found = {}
    for place, group in groups.items():
        figures = {}
        for i, method in enumerate(total.layout.methods):
            sums, moved = group.sums[i], motion.get(place) if method in moving else None
            joints = group.known * len(PCK_JOINTS)
            speed, bend = (None, None) if moved is None else _shares(moved, moving.index(method))
            figures[method] = {
                "mpjpe_mm": _share(sums[JOINTS].sum(), group.known * N_JOINTS),
                "p_mpjpe_mm": _share(sums[P], group.known),
                "n_mpjpe_mm": _share(sums[N], group.known),
                "mpjve_mm": speed,
                "acceleration_mm": bend,
                "pck_percent": _share(100 * sums[PCK][-1], joints),
                "auc_percent": _share(100 * sums[PCK].mean(), joints),
            }
        found[place] = (group, figures)
    return found


def _jitter(total: ReportStats, jitter: Mapping[Key, JitterSums]) -> dict | None:
    """Errors of the motion by seconds, each two and three neighbouring frames weighed alike."""
    (rate,) = total.frame_rates if len(total.frame_rates) == 1 else (None,)
    if rate is None or not jitter:
        return None
    moved = np.sum([sums.both(rate) for sums in jitter.values()], axis=0)
    names = ("mpjve_mm_s", "acceleration_mm_s2")
    return {
        "frame_rate": rate,
        "methods": {m: dict(zip(names, _shares(moved, i), strict=True)) for i, m in enumerate(_moving(total))},
    }


def _moving(total: ReportStats) -> list[str]:
    """The methods whose poses follow each other."""
    return [method for method in total.layout.methods if method != ORACLE]


def _shares(moved: np.ndarray, method: int) -> list[float | None]:
    """Velocity and acceleration error of a method. moved: (2, 1 + methods)."""
    return [_share(sums[1 + method], sums[0]) for sums in moved]


def _rows(found: Mapping[str, tuple[Group, dict[str, Figures]]]) -> list[dict]:
    return [
        {"name": name, "poses": group.poses, "poses_with_truth": group.known, "methods": figures}
        for name, (group, figures) in sorted(found.items())
    ]


def _mean_of(rows: Iterable[Figures]) -> Figures:
    """The unweighted mean of each figure over the rows that have it."""
    present = {key: [value for row in rows if (value := row[key]) is not None] for key in FIGURES}
    return {key: float(np.mean(values)) if values else None for key, values in present.items()}


def _share(total: float, count: float) -> float | None:
    return float(total / count) if count else None


def _distribution(histogram: np.ndarray, group: Group, method: int) -> dict:
    counts = histogram[:, 0]
    last = int(np.flatnonzero(counts)[-1]) + 1 if counts.any() else 0
    return {
        "mpjpe_mm": {
            name: quantile(counts, share) for name, share in (("p10", 0.1), ("median", 0.5), ("p90", 0.9), ("p99", 0.99))
        },
        "edges_mm": ERROR_EDGES_MM[: last + 1].tolist(),
        "counts": counts[:last].astype(int).tolist(),
        "pck_thresholds_mm": list(AUC_THRESHOLDS_MM),
        "pck_percent": [_share(100 * count, group.known * len(PCK_JOINTS)) for count in group.sums[method, PCK]],
    }


def quantile(counts: np.ndarray, share: float) -> float | None:
    """The error in mm that this share of the poses stays below, linear within a bin of 1 mm."""
    if not counts.any():
        return None
    below = np.concatenate([[0.0], counts.cumsum() / counts.sum()])
    place = int(np.searchsorted(below, share, side="left"))
    width = below[place] - below[place - 1]
    return float(ERROR_EDGES_MM[place - 1] + (share - below[place - 1]) / width)


def _root(total: ReportStats) -> dict | None:
    counts, errors = total.root.T
    if not counts.any():
        return None
    middle = int(np.searchsorted(counts.cumsum(), counts.sum() / 2))
    # Bins are 2% wide: their mean is as good as a quantile within them.
    return {
        "poses": int(counts.sum()),
        "mean_mm": float(errors.sum() / counts.sum()),
        "median_mm": float(errors[middle] / counts[middle]),
    }


def _spread(total: ReportStats) -> dict | None:
    counts, spreads, errors = total.spread.T
    if not counts[1:].any():
        return None
    final = total.layout.methods.index(total.layout.final)
    inside = total.regions.cumsum() / max(total.regions.sum(), 1)
    kept, risk = _risk(counts, errors)
    lowest = np.interp(kept, *_risk(*total.errors[final].T))
    return {
        "mean_mm": float(spreads.sum() / counts.sum()),
        "scale": float(np.sqrt(total.squares[0] / total.squares[1])),
        "coverage": [
            {"region_percent": round(100 * r), "joints_percent": float(100 * inside[round(len(inside) * r) - 1])}
            for r in REGIONS
        ],
        "regions": total.regions.astype(int).tolist(),
        "risk": [
            {"kept_percent": float(100 * k), "mpjpe_mm": float(r), "lowest_mpjpe_mm": float(low)}
            for k, r, low in zip(kept, risk, lowest, strict=True)
        ],
    }


def _risk(counts: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of poses kept, and their mean error, as bins are added from the first on."""
    filled = counts > 0
    poses = counts[filled].cumsum()
    return poses / poses[-1], errors[filled].cumsum() / poses
