"""Mixtures fitted to heatmaps."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import mixtures
from pose_diffusion.data import heatmaps

HEIGHT, WIDTH = 64, 48


def blob(x: float, y: float, sx: float = 2.0, sy: float = 2.0) -> np.ndarray:
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    density = np.exp(-(((column - x) / sx) ** 2) / 2 - ((row - y) / sy) ** 2 / 2) / (sx * sy)
    return density.astype(np.float32)


def random_heatmaps(count: int, seed: int = 0) -> np.ndarray:
    """One to four peaks of different width and height over a little noise."""
    rng = np.random.default_rng(seed)
    peaks = [
        sum(
            rng.uniform(2, 10) * blob(rng.uniform(4, WIDTH - 4), rng.uniform(4, HEIGHT - 4), *rng.uniform(1.5, 4, 2))
            for _ in range(rng.integers(1, 5))
        )
        for _ in range(count)
    ]
    return np.stack(peaks).astype(np.float32) + rng.uniform(0, 1e-3, (count, HEIGHT, WIDTH)).astype(np.float32)


def test_one_kernel_has_the_moments_of_the_peak():
    mixture, kind = heatmaps.fit(blob(20.3, 30.7, 2, 4)[None], 1)
    np.testing.assert_allclose(mixture[0, 0], [1, 20.3, 30.7, (4 + 1 / 12) ** 0.5, (16 + 1 / 12) ** 0.5], atol=0.02)
    assert kind.tolist() == [heatmaps.FITTED]


def test_peaks_far_apart_are_found_heaviest_first():
    image = 0.3 * blob(10, 10, 1.5, 2) + 0.7 * blob(35, 50, 3, 2.5)
    mixture, _ = heatmaps.fit(image[None], 2)
    expected = [[0.7, 35, 50, 3, 2.5], [0.3, 10, 10, 1.5, 2]]
    np.testing.assert_allclose(mixture[0], expected, atol=0.05)


@pytest.mark.parametrize("size", mixtures.SIZES)
def test_fits_are_within_a_hundredth_of_scikit_learns_likelihood(size):
    maps = mixtures.random_heatmaps(10, size, seed=3)
    theirs = np.stack([mixtures.fit_by_scikit(mixtures.points_of(heatmap, 5000), 5) for heatmap in maps])
    ours, reference = (heatmaps.log_likelihood(maps, fits) for fits in (heatmaps.fit(maps, 5)[0], theirs))
    assert ((ours - reference) / abs(reference)).min() > -0.01


def test_a_pixel_far_from_every_peak_belongs_to_the_nearest_kernel():
    image = blob(8, 8) + blob(40, 56)
    image[30, 8] = 1e-2 * image.max()  # 11 sigma from one, 21 from the other
    (near,), (far,) = (rows for rows in np.split(heatmaps.fit(image[None], 2)[0][0], 2))
    if near[1] > far[1]:
        near, far = far, near
    assert near[4] > 2.06 and far[3:].max() < 2.03


def test_the_likelihood_is_that_of_the_density():
    maps, mixture = random_heatmaps(1), np.array([[[1, 20, 30, 5, 7]]], np.float32)
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    density = np.exp(-(((column - 20) / 5) ** 2) / 2 - ((row - 30) / 7) ** 2 / 2) / (2 * np.pi * 35)
    expected = (maps[0] * np.log(np.maximum(density, 1e-30))).sum() / maps[0].sum()
    np.testing.assert_allclose(heatmaps.log_likelihood(maps, mixture)[0], expected, rtol=1e-3)


def test_mixtures_are_valid_and_sorted():
    mixture, _ = heatmaps.fit(random_heatmaps(50), 5)
    np.testing.assert_allclose(mixture[..., 0].sum(-1), 1, atol=1e-5)
    assert (np.diff(mixture[..., 0], axis=-1) <= 0).all()
    assert (mixture[..., 3:] >= (1 / 12) ** 0.5 - 1e-5).all()


def test_a_heatmap_is_fitted_alike_alone_and_in_company():
    maps = random_heatmaps(40)
    alone = np.concatenate([heatmaps.fit(one[None], 3)[0] for one in maps[:5]])
    np.testing.assert_allclose(alone, heatmaps.fit(maps, 3)[0][:5], atol=1e-3)


def test_the_same_fit_comes_out_twice():
    maps = random_heatmaps(20)
    np.testing.assert_array_equal(heatmaps.fit(maps, 5, seed=3)[0], heatmaps.fit(maps, 5, seed=3)[0])


def test_more_starts_are_no_worse():
    maps = random_heatmaps(40)
    one, three = (heatmaps.log_likelihood(maps, heatmaps.fit(maps, 5, restarts=n)[0]).mean() for n in (1, 3))
    assert three > one


def test_the_scale_of_a_heatmap_does_not_matter():
    maps = random_heatmaps(10)
    np.testing.assert_allclose(heatmaps.fit(1000 * maps, 3)[0], heatmaps.fit(maps, 3)[0], atol=1e-2)


def test_values_below_zero_and_below_the_threshold_count_as_none():
    image = blob(20, 30)
    noisy = np.where(image > 0.01 * image.max(), image, 0.005 * image.max())
    noisy[0, 0] = -5
    clean = np.where(image > 0.01 * image.max(), image, 0)
    found = heatmaps.fit(noisy[None].astype(np.float32), 2, threshold=0.01)[0]
    np.testing.assert_allclose(found, heatmaps.fit(clean[None].astype(np.float32), 2)[0], atol=1e-4)


@pytest.mark.parametrize("size", [(5, 3), (1, 1), (13, 17), (96, 72)])
def test_heatmaps_of_any_size_are_fitted(size):
    maps = np.random.default_rng(0).random((4, *size)).astype(np.float32)
    mixture, _ = heatmaps.fit(maps, 3)
    assert np.isfinite(mixture).all()
    assert (mixture[..., 1] >= -0.51).all() and (mixture[..., 1] <= size[1] - 0.49).all()


@pytest.mark.parametrize(("height", "width"), [(64, 48), (61, 49), (50, 63)])
def test_peaks_are_found_in_place_whether_or_not_the_sides_divide_by_the_pooling(height, width):
    image = np.zeros((height, width), np.float32)
    image[:50, :48] = blob(20.3, 30.7, 2, 3)[:50]
    mixture, _ = heatmaps.fit(image[None], 1)
    np.testing.assert_allclose(mixture[0, 0, 1:3], [20.3, 30.7], atol=0.05)


def test_a_heatmap_with_a_single_pixel_is_a_kernel_there():
    image = np.zeros((1, HEIGHT, WIDTH), np.float32)
    image[0, 40, 7] = 0.3
    mixture, kind = heatmaps.fit(image, 5)
    np.testing.assert_allclose(mixture[0, 0], [1, 7, 40, 12**-0.5, 12**-0.5], atol=1e-4)
    assert kind.tolist() == [heatmaps.SINGLE]
    assert (mixture[0, 1:, 0] == 0).all() and np.isfinite(mixture).all()


@pytest.mark.parametrize(("value", "expected"), [(0, heatmaps.EMPTY), (-1, heatmaps.EMPTY), (0.4, heatmaps.FLAT)])
def test_heatmaps_that_say_nothing_are_as_wide_as_they_are(value, expected):
    mixture, kind = heatmaps.fit(np.full((1, HEIGHT, WIDTH), value, np.float32), 3)
    np.testing.assert_allclose(mixture[0, 0], [1, 23.5, 31.5, WIDTH / 12**0.5, HEIGHT / 12**0.5], rtol=1e-5)
    assert kind.tolist() == [expected]


def test_bad_heatmaps_do_not_change_good_ones():
    good = random_heatmaps(3)
    mixed = np.concatenate([np.zeros_like(good[:1]), good, np.ones_like(good[:1])])
    np.testing.assert_allclose(heatmaps.fit(mixed, 3)[0][1:4], heatmaps.fit(good, 3)[0], atol=1e-3)


def test_the_shape_is_kept():
    mixture, kind = heatmaps.fit(random_heatmaps(6).reshape(2, 3, HEIGHT, WIDTH), 4)
    assert mixture.shape == (2, 3, 4, 5) and kind.shape == (2, 3)
