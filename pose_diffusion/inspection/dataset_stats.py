"""What one shard file adds to a data set's card: sums and counts that merge, however many files there are."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from pose_diffusion.geometry.layouts import LAYOUTS
from pose_diffusion.geometry.proportions import BONES
from pose_diffusion.geometry.skeleton import N_JOINTS

ORDERS = tuple(layout for layout in LAYOUTS.values() if len(layout.joints) == N_JOINTS)
PIXEL_EDGES = np.concatenate([[0.0], np.geomspace(0.01, 100_000, 701)])  # the last bin is open
FAR = 6.0  # screen units from the middle of the image, where no detection should be
_SKETCH = 1 << 16


class Additive:
    """Fields that add up."""

    def merge(self, other) -> None:
        for each in fields(self):  # type: ignore[arg-type]
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


@dataclass
class Stats2D(Additive):
    """Sums over poses of what their 2D shows; lengths are in sides of the square around the person.

    sigma_px: (17, bins), joints by the sigma of their heaviest kernel. wide: (17,), joints as wide as those that prepare
    filled in. heaviest: sum of the heaviest kernels' weights. bones: (16,). lengths: all bones together, in lengths of the
    shortest lines that join the joints, with the joints taken as those of each of ORDERS. below: (17,), height of joints
    below the hip. across: cosine between the lines of the hips and of the shoulders. far, shares: joints beyond FAR, and
    where shares of an image would be. frozen: poses equal to the one before. unordered: frames that do not follow the one
    before.
    """

    rows: int = 0
    sigma_px: np.ndarray = field(default_factory=lambda: np.zeros((N_JOINTS, len(PIXEL_EDGES))))
    sigma: float = 0.0
    wide: np.ndarray = field(default_factory=lambda: np.zeros(N_JOINTS))
    heaviest: float = 0.0
    bones: np.ndarray = field(default_factory=lambda: np.zeros(len(BONES)))
    lengths: np.ndarray = field(default_factory=lambda: np.zeros(len(ORDERS)))
    below: np.ndarray = field(default_factory=lambda: np.zeros(N_JOINTS))
    across: float = 0.0
    far: int = 0
    shares: int = 0
    frozen: int = 0
    unordered: int = 0


@dataclass
class Stats3D(Additive):
    """Sums over poses of what their 3D shows, metres.

    bones, squares: (16,), lengths and their squares. knees: how far the knees are before the line from hip to ankle, in
    thighs; forward: poses in which they are. below, across: as in Stats2D. frozen: poses equal to the one before.
    residual: (2,), distance of the 2D from the 3D pose, scaled and shifted onto it, in sides of the square around the
    person: as it is, and with left and right of the 2D exchanged. roots, depth: poses with a root, and its distance.
    steps, quick_steps: walking steps, and those that nobody takes so quickly. speed, acceleration, swings: of wrists and
    ankles, see `tempo.limb_motion`.
    """

    rows: int = 0
    bones: np.ndarray = field(default_factory=lambda: np.zeros(len(BONES)))
    squares: np.ndarray = field(default_factory=lambda: np.zeros(len(BONES)))
    knees: float = 0.0
    forward: int = 0
    below: np.ndarray = field(default_factory=lambda: np.zeros(N_JOINTS))
    across: float = 0.0
    frozen: int = 0
    residual: np.ndarray = field(default_factory=lambda: np.zeros(2))
    roots: int = 0
    depth: float = 0.0
    steps: int = 0
    quick_steps: int = 0
    speed: float = 0.0
    acceleration: float = 0.0
    swings: int = 0


@dataclass
class Reprojection(Additive):
    """Joints by the distance, in pixels, of the projected 3D joint from the 2D one."""

    errors_px: np.ndarray = field(default_factory=lambda: np.zeros(len(PIXEL_EDGES)))
    sum_px: float = 0.0


@dataclass(frozen=True)
class FrameRange:
    """Rows of one sequence in one file, from its first frame to its last."""

    subject: str
    action: str
    camera: str
    first: int
    last: int


@dataclass(frozen=True)
class Sample:
    """One pose to draw. pose_2d: (17, 2) and sigma (17, 2), pixels. pose_3d: (17, 3) metres, None where unknown."""

    name: str
    pose_2d: np.ndarray
    sigma_px: np.ndarray
    pose_3d: np.ndarray | None
    width: int
    height: int


@dataclass
class Sketch:
    """How many poses are there more than once, from those with the smallest hashes (Bar-Yossef and others, 2002).

    hashes: ascending, with how often each came. With up to 65,536 different poses the count is exact, beyond, a sample's.
    """

    hashes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def of(cls, hashes: np.ndarray) -> Sketch:
        return cls()._with(hashes, np.ones(len(hashes), np.int64))

    def merge(self, other: Sketch) -> None:
        merged = self._with(other.hashes, other.counts)
        self.hashes, self.counts = merged.hashes, merged.counts

    @property
    def repeated(self) -> float:
        """Share of poses that came before."""
        return float((self.counts - 1).sum() / max(self.counts.sum(), 1))

    def _with(self, hashes: np.ndarray, counts: np.ndarray) -> Sketch:
        known, place = np.unique(np.concatenate([self.hashes, hashes]), return_inverse=True)
        total = np.bincount(place, np.concatenate([self.counts, counts]), len(known)).astype(np.int64)
        return Sketch(known[:_SKETCH], total[:_SKETCH])


@dataclass
class DatasetStats:
    """All of it for some files. stats_3d: by subject. reprojection: by '<subject>/<camera>'."""

    stats_2d: Stats2D = field(default_factory=Stats2D)
    stats_3d: dict[str, Stats3D] = field(default_factory=dict)
    reprojection: dict[str, Reprojection] = field(default_factory=dict)
    frame_ranges: list[FrameRange] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    sketch: Sketch = field(default_factory=Sketch)

    def merge(self, other: DatasetStats) -> None:
        self.stats_2d.merge(other.stats_2d)
        for subject, stats_3d in other.stats_3d.items():
            self.stats_3d.setdefault(subject, Stats3D()).merge(stats_3d)
        for camera, reprojection in other.reprojection.items():
            self.reprojection.setdefault(camera, Reprojection()).merge(reprojection)
        self.frame_ranges += other.frame_ranges
        self.samples += other.samples
        self.sketch.merge(other.sketch)

    @property
    def all_stats_3d(self) -> Stats3D:
        total = Stats3D()
        for stats_3d in self.stats_3d.values():
            total.merge(stats_3d)
        return total

    @property
    def all_reprojection(self) -> Reprojection:
        total = Reprojection()
        for reprojection in self.reprojection.values():
            total.merge(reprojection)
        return total


def histogram(values: np.ndarray) -> np.ndarray:
    """Counts of values by PIXEL_EDGES."""
    place = np.clip(np.searchsorted(PIXEL_EDGES, values, side="right") - 1, 0, len(PIXEL_EDGES) - 1)
    return np.bincount(place.ravel(), minlength=len(PIXEL_EDGES)).astype(np.float64)


def quantile(counts: np.ndarray, share: float) -> float:
    """The value below which a share of a histogram lies; NaN for an empty one."""
    total = counts.sum()
    if not total:
        return float("nan")
    place = min(int(np.searchsorted(counts.cumsum(), share * total)), len(PIXEL_EDGES) - 2)
    return float((PIXEL_EDGES[place] + PIXEL_EDGES[place + 1]) / 2)
