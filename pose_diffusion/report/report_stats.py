"""What one prediction file adds to the report: sums and counts in float64, which merge in any order to the same totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import torch

from pose_diffusion.data import predictions, recording
from pose_diffusion.data.manifest import Span, action_name
from pose_diffusion.data.predictions import ORACLE, PredictionLayout
from pose_diffusion.data.schema import tensor_values
from pose_diffusion.data.shards import sequences_of, spans_of
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.metrics import AUC_THRESHOLDS_MM
from pose_diffusion.geometry.skeleton import N_JOINTS, PCK_JOINTS, ROOT
from pose_diffusion.report.gallery import Gallery, collect
from pose_diffusion.report.jitter import JitterErrors, jitter_errors
from pose_diffusion.report.views import no_sums, view_sums

# Columns of a group's sums: 17 joint errors, P-MPJPE, N-MPJPE, PCK joints under each threshold.
JOINTS, P, N, PCK = slice(0, N_JOINTS), N_JOINTS, N_JOINTS + 1, slice(N_JOINTS + 2, N_JOINTS + 2 + len(AUC_THRESHOLDS_MM))
ERROR_EDGES_MM = np.arange(0.0, 501.0)  # the last bin is open
SPREAD_EDGES_MM = np.concatenate([[0.0], np.geomspace(0.01, 10_000, 601)])  # the last bin is open
REGION_BINS = 100

Key = tuple[str, str, str]


@dataclass
class Group:
    """Sums over the poses of one action, subject and camera. sums: (methods, columns) in mm, over the `known` poses."""

    poses: int
    known: int
    sums: np.ndarray

    def merge(self, other: Group) -> None:
        self.poses += other.poses
        self.known += other.known
        self.sums = self.sums + other.sums


@dataclass
class ReportStats:
    """Mergeable figures of prediction files; `where` is one of them, for messages.

    groups: (action without number, subject, camera) -> sums.
    jitter: (subject, action, camera) -> errors of the motion of the methods but the oracle.
    errors: (methods, bins, 2), count and sum of MPJPE by MPJPE.
    spread: (bins, 3), count and sums of mean spread and of the final method's MPJPE, by the pose's mean spread.
    regions: (bins,), joints by the smallest central region (0 to 1) of an isotropic Gaussian with their spread that holds
    the truth.
    squares: (2,), sums of the squares of these joints' errors and spreads.
    root: (bins, 2), count and sum of the fitted root's error by itself, over the poses whose true root is known.
    views: of `views.view_sums`, MPJPE and P-MPJPE of each method.
    intrinsics: rows by where their lens came from. frame_rates: of the files, None among them for one that does not say.
    """

    layout: PredictionLayout
    where: str
    files: int = 0
    groups: dict[Key, Group] = field(default_factory=dict)
    jitter: dict[Key, JitterErrors] = field(default_factory=dict)
    errors: np.ndarray = field(default_factory=lambda: np.zeros(0))
    spread: np.ndarray = field(default_factory=lambda: np.zeros((len(SPREAD_EDGES_MM), 3)))
    regions: np.ndarray = field(default_factory=lambda: np.zeros(REGION_BINS))
    squares: np.ndarray = field(default_factory=lambda: np.zeros(2))
    root: np.ndarray = field(default_factory=lambda: np.zeros((len(SPREAD_EDGES_MM), 2)))
    views: dict[str, np.ndarray] = field(default_factory=dict)
    intrinsics: Counter[str] = field(default_factory=Counter)
    frame_rates: frozenset[float | None] = frozenset()
    gallery: Gallery = field(default_factory=Gallery)

    def __post_init__(self) -> None:
        if not self.errors.size:
            self.errors = np.zeros((len(self.layout.methods), len(ERROR_EDGES_MM), 2))
        if not self.views:
            self.views = no_sums(2 * len(self.layout.methods))

    def merge(self, other: ReportStats) -> None:
        """Adds another's figures to these. Raises InputError where the two hold different methods."""
        if other.layout != self.layout:
            raise InputError(
                f"{other.where}: holds {_describe(other.layout)}, but {self.where} holds {_describe(self.layout)};"
                " expected the predictions of one run"
            )
        self.files += other.files
        for key, group in other.groups.items():
            if key in self.groups:
                self.groups[key].merge(group)
            else:
                self.groups[key] = Group(group.poses, group.known, group.sums)
        for key, track in other.jitter.items():
            self.jitter.setdefault(key, JitterErrors()).merge(track)
        self.errors = self.errors + other.errors
        self.spread = self.spread + other.spread
        self.regions = self.regions + other.regions
        self.squares = self.squares + other.squares
        self.root = self.root + other.root
        self.views = {name: sums + other.views[name] for name, sums in self.views.items()}
        self.intrinsics = self.intrinsics + other.intrinsics
        self.frame_rates = self.frame_rates | other.frame_rates
        self.gallery.merge(other.gallery)


def merge(parts: Iterable[ReportStats]) -> ReportStats:
    """The figures of all files together, in any order. Raises InputError for none or for those of different runs."""
    total: ReportStats | None = None
    for stats in parts:
        total = total or ReportStats(stats.layout, stats.where)
        total.merge(stats)
    if total is None:
        raise InputError("no predictions to report on")
    return total


def summarise(path: str) -> ReportStats:
    """The figures of one prediction file. Raises InputError where it cannot be read (see `predictions.read`)."""
    return of_table(predictions.read(path, without=("hypotheses",)), path)


def of_table(table: pa.Table, where: str) -> ReportStats:
    """The figures of a prediction file's rows; `where` is its path."""
    layout = predictions.layout(table.schema, where)
    spans = spans_of(table)
    joints = np.stack([tensor_values(table[f"{method}_joint_mm"]) for method in layout.methods], 1)  # (rows, M, 17)
    known = np.isfinite(joints).all((1, 2))
    error = joints.mean(-1, dtype=np.float64)  # (rows, M)
    spread = tensor_values(table["spread_mm"])
    final = layout.methods.index(layout.final)
    return ReportStats(
        layout=layout,
        where=where,
        files=1,
        groups=_groups(table, layout, spans, joints, known),
        jitter=_jitter(table, layout, spans, known),
        errors=np.stack([_histogram(ERROR_EDGES_MM, one, one) for one in error[known].T]),
        spread=_histogram(SPREAD_EDGES_MM, spread[known].mean(1), spread[known].mean(1), error[known, final]),
        regions=_regions(joints[known, final], spread[known]),
        squares=_squares(joints[known, final], spread[known]),
        root=_root(table),
        views=_views(table, layout, error),
        intrinsics=_intrinsics(table),
        frame_rates=frozenset({recording.frame_rate(table.schema)}),
        gallery=collect(table, spans, where, np.where(known, error[:, final], np.nan)),
    )


def _groups(
    table: pa.Table, layout: PredictionLayout, spans: list[Span], joints: np.ndarray, known: np.ndarray
) -> dict[Key, Group]:
    if not spans:
        return {}
    features = np.zeros((len(table), len(layout.methods), PCK.stop))
    features[..., JOINTS] = joints
    for m, method in enumerate(layout.methods):
        features[:, m, P] = table[f"{method}_p_mpjpe_mm"].to_numpy()
        features[:, m, N] = table[f"{method}_n_mpjpe_mm"].to_numpy()
    features[..., PCK] = _under_thresholds(joints[..., PCK_JOINTS])
    features[~known] = 0
    starts = np.cumsum([0, *(span.rows for span in spans)])[:-1]
    sums, counts = np.add.reduceat(features, starts), np.add.reduceat(known.astype(np.int64), starts)
    groups: dict[Key, Group] = {}
    for span, total, count in zip(spans, sums, counts, strict=True):
        key, group = (action_name(span.action), span.subject, span.camera), Group(span.rows, int(count), total)
        if key in groups:
            groups[key].merge(group)
        else:
            groups[key] = group
    return groups


def _under_thresholds(errors: np.ndarray) -> np.ndarray:
    """How many of the joints lie under each AUC threshold. (..., joints) in mm -> (..., thresholds)."""
    # The number of thresholds at or below an error is the place of the first one above it.
    place = np.searchsorted(np.asarray(AUC_THRESHOLDS_MM, np.float32), errors, side="right").reshape(-1, errors.shape[-1])
    bins = len(AUC_THRESHOLDS_MM) + 1
    counts = np.bincount((place + bins * np.arange(len(place))[:, None]).ravel(), minlength=bins * len(place))
    return counts.reshape(*errors.shape[:-1], bins).cumsum(-1)[..., :-1]


def _jitter(table: pa.Table, layout: PredictionLayout, spans: list[Span], known: np.ndarray) -> dict[Key, JitterErrors]:
    names = ["pose_3d" if method == layout.final else f"{method}_3d" for method in layout.methods if method != ORACLE]
    rows = table.select(["truth_3d", "frame", *names]).filter(pa.array(known))
    truth = tensor_values(rows["truth_3d"]).astype(np.float64)
    truth -= truth[:, ROOT : ROOT + 1]
    errors = np.stack([tensor_values(rows[name]) - truth for name in names], 1)  # (known rows, methods, 17, 3)
    keys, sequence = sequences_of(spans)
    found = jitter_errors(errors, rows["frame"].to_numpy(), sequence[known])
    return {key: found[number] for number, key in enumerate(keys) if number in found}


def _views(table: pa.Table, layout: PredictionLayout, error: np.ndarray) -> dict[str, np.ndarray]:
    """error: (rows, methods) MPJPE in mm, NaN where unknown."""
    p_mpjpe = np.stack([table[f"{method}_p_mpjpe_mm"].to_numpy() for method in layout.methods], 1)
    return view_sums(table, np.stack([error, p_mpjpe], 2).reshape(len(table), 2 * len(layout.methods)))


def _histogram(edges: np.ndarray, by: np.ndarray, *values: np.ndarray) -> np.ndarray:
    """(bins, 1 + values): the count and the sum of each value over the poses whose `by` is in the bin; the last is open."""
    place = np.clip(np.digitize(by, edges) - 1, 0, len(edges) - 1)
    return np.stack([np.bincount(place, weights, len(edges)) for weights in (np.ones(len(by)), *values)], 1)


def _root(table: pa.Table) -> np.ndarray:
    errors = table["root_mm"].drop_null().to_numpy().astype(np.float64) if "root_mm" in table.column_names else np.zeros(0)
    return _histogram(SPREAD_EDGES_MM, errors, errors)


def _intrinsics(table: pa.Table) -> Counter[str]:
    counts: Counter[str] = Counter()
    if recording.INTRINSICS in table.column_names:
        for found in table[recording.INTRINSICS].value_counts().to_pylist():
            counts[found["values"]] += found["counts"]
    del counts[None]
    return counts


def _regions(errors: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """(bins,): joints by the share of their Gaussian that lies nearer to its mean than the truth. Both (rows, 17) in mm."""
    moving = spread > 0
    # The spread is the root of three equal variances; a radius in units of their sigma has Maxwell's distribution.
    radius = torch.from_numpy(errors[moving].astype(np.float64) / spread[moving]) * 3**0.5
    share = torch.erf(radius / 2**0.5) - (2 / torch.pi) ** 0.5 * radius * torch.exp(-(radius**2) / 2)
    return np.histogram(share.clamp(0, 1).numpy(), REGION_BINS, (0, 1))[0].astype(np.float64)


def _squares(errors: np.ndarray, spread: np.ndarray) -> np.ndarray:
    moving = spread > 0
    return np.array([np.square(values[moving], dtype=np.float64).sum() for values in (errors, spread)])


def _describe(layout: PredictionLayout) -> str:
    return f"{', '.join(layout.methods)}" + (f" and {layout.hypotheses} hypotheses" if layout.hypotheses else "")
