"""The mixtures part of the bench."""

from __future__ import annotations

import sys

import numpy as np

from benchmarks import mixtures


def test_both_fits_are_measured_on_the_same_heatmaps():
    found = {entry.name: entry for entry in mixtures.measure(6, "cpu", seconds=0.0)}
    assert -5 < found["likelihood above scikit-learn's, mean"].value < 5
    assert found["likelihood above scikit-learn's, least"].value <= found["likelihood above scikit-learn's, mean"].value
    theirs = found["scikit-learn, one by one"]
    for ours in (found["batched EM"], found["batched EM, first time"]):
        np.testing.assert_allclose(ours.share, ours.value / theirs.value)


def test_without_scikit_learn_ours_is_measured_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.mixture", None)
    found = mixtures.measure(4, "cpu", seconds=0.0)
    assert [entry.name for entry in found] == ["batched EM", "batched EM, first time"]
    assert all(entry.value > 0 and entry.share is None and "not installed" in entry.note for entry in found)


def test_as_many_are_compared_as_asked():
    assert [len(mixtures.compare(count, points=100).lead) for count in (1, 6)] == [1, 6]


def test_heatmaps_are_the_same_each_time_and_positive():
    maps = mixtures.random_heatmaps(3, (64, 48), seed=1)
    assert (maps == mixtures.random_heatmaps(3, (64, 48), seed=1)).all()
    assert (maps >= 0).all() and (maps.max((1, 2)) == 1).all()
