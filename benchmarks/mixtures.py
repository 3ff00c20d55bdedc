"""Mixtures fitted to heatmaps, against scikit-learn's GaussianMixture: how likely they are, and how long each takes.

scikit-learn takes points, not weights, so it is given points on the pixels, drawn from the heatmap w by systematic
resampling: with c the running sum of w / sum w, pixel i holds floor(n c_i + 1/2) - floor(n c_(i-1) + 1/2) of n points.
It fits diagonal covariances with the same least variance, 1/12 px^2, by its own defaults (k-means, one start, 1e-3).
Compared is sum w log p over the heatmap itself, pixel by pixel in float64 (`heatmaps.log_likelihood`).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from benchmarks.results import Entry
from benchmarks.timing import seconds_a_call
from pose_diffusion.data import heatmaps

SIZES = ((64, 48), (96, 72), (64, 64), (48, 64))  # height and width
_MOST_PEAKS = 7


def measure(count: int, device: str, seconds: float = 1.0) -> list[Entry]:
    """Speed and likelihood of both on the same heatmaps; scikit-learn's is left out where it is not installed."""
    found = compare(count, device=device, seconds=seconds)
    rates = {"batched EM": count / found.seconds, "batched EM, first time": count / found.first_seconds}
    size = f"{count} random heatmaps of {len(SIZES)} sizes"
    if found.scikit_seconds is None:
        note = f"{size}; scikit-learn is not installed"
        return [Entry("mixtures", name, rate, "heatmaps/s", note=note) for name, rate in rates.items()]
    theirs = count / found.scikit_seconds
    return [
        *(
            Entry("mixtures", name, rate, "heatmaps/s", share=rate / theirs, of="scikit-learn", note=size)
            for name, rate in rates.items()
        ),
        Entry("mixtures", "scikit-learn, one by one", theirs, "heatmaps/s"),
        Entry("mixtures", "likelihood above scikit-learn's, mean", 100 * float(found.lead.mean()), "%"),
        Entry("mixtures", "likelihood above scikit-learn's, least", 100 * float(found.lead.min()), "%"),
        Entry("mixtures", "more than 1% below scikit-learn", float((found.lead < -0.01).sum()), "heatmaps"),
    ]


@dataclass(frozen=True)
class Comparison:
    """Seconds that all heatmaps take, on one thread of a CPU.

    seconds: ours, the median of several times, in memory that was touched before, as in a job, which fits part after part.
    first_seconds: ours the first time, when memory comes from the system. scikit_seconds: theirs, of one after the other.
    lead: (N,), (our log-likelihood - theirs) / |theirs| of each heatmap.
    """

    seconds: float
    first_seconds: float
    scikit_seconds: float | None
    lead: np.ndarray

    def __str__(self) -> str:
        count, theirs = len(self.lead), self.scikit_seconds or math.nan
        return (
            f"{count:,} heatmaps: {1000 * self.seconds / count:.3f} ms each, {1000 * self.first_seconds / count:.3f} the first"
            f" time, scikit-learn {1000 * theirs / count:.1f} ms, so {theirs / self.seconds:.0f} and"
            f" {theirs / self.first_seconds:.0f} times as fast; log-likelihood"
            f" {self.lead.mean():+.2%} from scikit-learn's on average, {self.lead.min():+.2%} at the worst,"
            f" {(self.lead < -0.01).sum()} more than 1% below it"
        )


def compare(
    count: int = 1000, kernels: int = 5, points: int = 10_000, seed: int = 0, device: str = "cpu", seconds: float = 1.0
) -> Comparison:
    """Fits `count` random heatmaps both ways, each size in turn; ours alone where scikit-learn is not installed."""
    batches = [
        random_heatmaps(len(range(number, count, len(SIZES))), size, seed)
        for number, size in enumerate(SIZES)
        if number < count
    ]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        heatmaps.fit(batches[0][:1], kernels, device=device)  # loads what is loaded once
        start = time.perf_counter()
        ours = [heatmaps.fit(maps, kernels, device=device)[0] for maps in batches]
        first_seconds = time.perf_counter() - start
        seconds = sum(
            seconds_a_call(partial(heatmaps.fit, maps, kernels, device=device), seconds, torch.device(device))
            for maps in batches
        )
        try:
            fit_by_scikit(points_of(batches[0][0], points), kernels)  # loads what is loaded once
            from threadpoolctl import threadpool_limits  # comes with scikit-learn: neither is there unless tests are to run
        except ImportError:
            return Comparison(seconds, first_seconds, None, np.full(count, math.nan))
        theirs, scikit_seconds = [], 0.0
        with threadpool_limits(1):
            for maps in batches:
                drawn = [points_of(heatmap, points) for heatmap in maps]
                start = time.perf_counter()
                theirs.append(np.stack([fit_by_scikit(one, kernels) for one in drawn]))
                scikit_seconds += time.perf_counter() - start
    finally:
        torch.set_num_threads(threads)
    likelihood, reference = (
        np.concatenate([heatmaps.log_likelihood(maps, one) for maps, one in zip(batches, fits, strict=True)])
        for fits in (ours, theirs)
    )
    return Comparison(seconds, first_seconds, scikit_seconds, (likelihood - reference) / abs(reference))


def random_heatmaps(count: int, size: tuple[int, int], seed: int) -> np.ndarray:
    """(count, H, W) float32 of one to seven peaks, 1 to 6 pixels wide each way, over noise of 1e-5 to 1e-2; largest value 1."""
    height, width = size
    rng = np.random.default_rng([seed, height, width])
    y, x = np.mgrid[:height, :width]
    maps = np.empty((count, height, width), np.float32)
    for heatmap in maps:
        total = np.exp(rng.uniform(np.log(1e-5), np.log(1e-2))) * rng.random((height, width))
        for _ in range(rng.integers(1, _MOST_PEAKS + 1)):
            mean_x, mean_y = rng.uniform([0, 0], [width - 1, height - 1])
            sx, sy = np.exp(rng.uniform(np.log(1), np.log(6), 2))
            total += rng.uniform(0.1, 1) * np.exp(-(((x - mean_x) / sx) ** 2) / 2 - ((y - mean_y) / sy) ** 2 / 2)
        heatmap[:] = total / total.max()
    return maps


def points_of(heatmap: np.ndarray, count: int) -> np.ndarray:
    """Points (count, 2), x and y, on the pixels of a heatmap (H, W), as many on each as its share of the whole says."""
    running = heatmap.astype(np.float64).cumsum()
    held = np.diff(np.floor(count * running / running[-1] + 0.5).astype(int), prepend=0)
    pixel = np.repeat(np.arange(heatmap.size), held)
    return np.stack([pixel % heatmap.shape[1], pixel // heatmap.shape[1]], axis=1).astype(np.float64)


def fit_by_scikit(points: np.ndarray, kernels: int) -> np.ndarray:
    """The mixture (K, 5) that scikit-learn fits to points (n, 2), in the layout of `heatmaps.fit`."""
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(kernels, covariance_type="diag", reg_covar=1 / 12, random_state=0).fit(points)
    return np.concatenate([model.weights_[:, None], model.means_, np.sqrt(model.covariances_)], axis=1)
