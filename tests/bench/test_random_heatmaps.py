"""The mixtures part of the bench."""

from __future__ import annotations

from pose_diffusion.bench import heatmaps


def test_both_fits_are_measured_on_the_same_heatmaps():
    found = {entry.name: entry for entry in heatmaps.measure(6, "cpu")}
    ours, theirs = (found[f"{name}, mean log-likelihood"].value for name in ("batched EM", "scikit-learn"))
    assert abs(ours - theirs) < 0.05 * abs(theirs)
    assert found["batched EM"].share == found["batched EM"].value / found["scikit-learn, one by one"].value


def test_heatmaps_are_the_same_each_time_and_positive():
    maps = heatmaps.random_heatmaps(3)
    assert (maps == heatmaps.random_heatmaps(3)).all() and (maps >= 0).all() and maps.max() > 0.1
