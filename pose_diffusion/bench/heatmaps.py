"""Mixtures fitted to random heatmaps: this package's batched expectation-maximisation against scikit-learn's, one by one."""

from __future__ import annotations

import time

import numpy as np

from pose_diffusion.bench.results import Entry
from pose_diffusion.data import heatmaps

HEIGHT, WIDTH, KERNELS = 64, 48, 5
_DRAWN = 10_000


def measure(count: int, device: str) -> list[Entry]:
    """Speed of both and their log-likelihood of the same heatmaps; scikit-learn's is left out where it is not installed."""
    maps = random_heatmaps(count)
    heatmaps.fit(maps[:2], KERNELS, device=device)
    start = time.perf_counter()
    ours, _ = heatmaps.fit(maps, KERNELS, device=device)
    rate = count / (time.perf_counter() - start)
    likelihood = heatmaps.log_likelihood(maps, ours)
    size = f"{count} random heatmaps {HEIGHT} x {WIDTH}, K = {KERNELS}"
    try:
        import sklearn.mixture  # noqa: F401
    except ImportError:
        return [Entry("mixtures", "batched EM", rate, "heatmaps/s", note=f"{size}; scikit-learn is not installed")]
    start = time.perf_counter()
    theirs = np.stack([fitted_by_scikit(heatmap) for heatmap in maps])
    their_rate = count / (time.perf_counter() - start)
    their_likelihood = heatmaps.log_likelihood(maps, theirs)
    better = float((likelihood >= their_likelihood).mean())
    return [
        Entry("mixtures", "batched EM", rate, "heatmaps/s", share=rate / their_rate, of="scikit-learn", note=size),
        Entry("mixtures", "scikit-learn, one by one", their_rate, "heatmaps/s", note=f"on {_DRAWN} points drawn from each"),
        Entry("mixtures", "batched EM, mean log-likelihood", float(likelihood.mean()), "nats"),
        Entry("mixtures", "scikit-learn, mean log-likelihood", float(their_likelihood.mean()), "nats"),
        Entry("mixtures", "batched EM is as likely or more", 100 * better, "% of heatmaps"),
        Entry("mixtures", "batched EM minus scikit-learn, least", float((likelihood - their_likelihood).min()), "nats"),
    ]


def random_heatmaps(count: int, seed: int = 0) -> np.ndarray:
    """One to four peaks of different place, width and weight over a little noise. (count, 64, 48) float32."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    maps = rng.uniform(0, 1e-3, (count, HEIGHT, WIDTH))
    for heatmap in maps:
        for _ in range(rng.integers(1, 5)):
            (x, y), (sx, sy) = rng.uniform(4, (WIDTH - 4, HEIGHT - 4)), rng.uniform(1.5, 4, 2)
            heatmap += rng.uniform(2, 10) / (sx * sy) * np.exp(-(((column - x) / sx) ** 2 + ((row - y) / sy) ** 2) / 2)
    return maps.astype(np.float32)


def fitted_by_scikit(heatmap: np.ndarray) -> np.ndarray:
    """scikit-learn's fit to points drawn from the heatmap, as it takes no weights. (H, W) -> (K, 5)."""
    from sklearn.mixture import GaussianMixture

    chances = heatmap.ravel().astype(np.float64)
    drawn = np.random.default_rng(0).choice(len(chances), _DRAWN, p=chances / chances.sum())
    model = GaussianMixture(KERNELS, covariance_type="diag", reg_covar=1 / 12, random_state=0)
    model.fit(np.stack([drawn % WIDTH, drawn // WIDTH], 1))
    return np.concatenate([model.weights_[:, None], model.means_, np.sqrt(model.covariances_)], 1).astype(np.float32)
