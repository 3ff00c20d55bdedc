"""Sums of files: merging, quantiles, repeated poses, what is counted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pose_diffusion.data import mixture as gmm
from pose_diffusion.data import shards
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import h36m_cameras
from pose_diffusion.inspection.dataset_stats import DatasetStats, Sketch, histogram, quantile
from pose_diffusion.inspection.measure import measure
from tests.data.poses import sequence


def write(tmp_path, *sequences, name="part.parquet") -> str:
    shards.write(str(tmp_path), name, "train", sequences)
    return f"{tmp_path}/{name}"


def test_parts_of_a_file_add_up_to_the_whole(tmp_path):
    path = write(tmp_path, sequence(rows=30), sequence("S2", rows=25))
    whole = measure(path, {}, 5.0, [])
    parts = measure(path, {}, 5.0, [], chunk=7)
    for one, other in ((whole.stats_2d, parts.stats_2d), (whole.all_stats_3d, parts.all_stats_3d)):
        for field in dataclasses.fields(one):
            np.testing.assert_allclose(getattr(one, field.name), getattr(other, field.name), rtol=1e-9)
    np.testing.assert_array_equal(whole.sketch.hashes, parts.sketch.hashes)


def test_files_add_up_to_the_set(tmp_path):
    one, two = sequence(rows=30), sequence("S2", rows=25)
    together = measure(write(tmp_path, one, two), {}, None, [])
    apart = DatasetStats()
    for number, part in enumerate((one, two)):
        apart.merge(measure(write(tmp_path, part, name=f"{number}.parquet"), {}, None, []))
    np.testing.assert_allclose(apart.stats_2d.bones, together.stats_2d.bones)
    assert apart.stats_3d.keys() == together.stats_3d.keys() == {"S1", "S2"}
    assert apart.frame_ranges == together.frame_ranges


def test_frozen_frames_are_counted_across_parts_but_not_across_sequences(tmp_path):
    still = sequence(rows=10)
    still.mixture[:] = still.mixture[0]
    still.pose_3d[:] = still.pose_3d[0]
    again = dataclasses.replace(still, subject="S2")
    found = measure(write(tmp_path, still, again), {}, None, [], chunk=4)
    assert found.stats_2d.frozen == 18 and found.all_stats_3d.frozen == 18


def test_missing_joints_are_those_as_wide_as_prepare_made_them(tmp_path):
    one = sequence(rows=10)
    one.mixture[..., gmm.SIGMA] = 0.01  # 5 px of 1000
    one.mixture[:3, 7, :, gmm.SIGMA] = 0.1
    found = measure(write(tmp_path, one), {}, 50.0, [])
    assert found.stats_2d.wide.tolist() == [3 if joint == 7 else 0 for joint in range(17)]


def test_reprojection_is_measured_in_pixels(tmp_path):
    camera = h36m_cameras()["S1"]["54138969"]
    one = dataclasses.replace(sequence(rows=10), width=camera.width, height=camera.height)
    root = np.tile(np.array([0, 0, 5], np.float32), (10, 1))
    seen = camera.project(one.pose_3d.astype(np.float64) + root[:, None])
    mixture = gmm.from_points(seen + [2 * 3 / camera.width, 0], 0.01)
    path = write(tmp_path, dataclasses.replace(one, mixture=mixture, root_3d=root, camera="54138969"))
    found = measure(path, {"S1/54138969": camera}, None, []).reprojection["S1/54138969"]
    assert found.sum_px / (10 * 17) == pytest.approx(3, abs=1e-3)
    assert quantile(found.errors_px, 0.5) == pytest.approx(3, rel=0.03)


def test_poses_without_3d_have_no_bones(tmp_path):
    assert measure(write(tmp_path, sequence(with_3d=False)), {}, None, []).stats_3d == {}


def test_the_wanted_rows_are_kept_to_draw(tmp_path):
    one, bare = sequence(rows=20), sequence("S2", rows=5, with_3d=False)
    first, second = measure(write(tmp_path, one, bare), {}, None, [3, 22]).samples
    np.testing.assert_allclose(first.pose_2d, (one.mixture[3, :, 0, gmm.MEAN] + 1) * 500, rtol=1e-5)
    np.testing.assert_array_equal(first.pose_3d, one.pose_3d[3])
    assert first.name == "Walking 1 · S1 · c1 · frame 3" and second.pose_3d is None


def test_a_file_that_is_no_shard_is_refused(tmp_path):
    (tmp_path / "part.parquet").write_bytes(b"not Parquet")
    with pytest.raises(InputError, match=r"part\.parquet: cannot be read as Parquet"):
        measure(f"{tmp_path}/part.parquet", {}, None, [])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_quantiles_of_histograms_are_near_those_of_the_values(share):
    values = np.random.default_rng(0).gamma(2, 5, 100_000)
    assert quantile(histogram(values), share) == pytest.approx(np.quantile(values, share), rel=0.03)


def test_values_beyond_the_histogram_are_counted():
    assert histogram(np.array([0.0, 1e-9, 1e9, np.inf])).sum() == 4
    assert np.isnan(quantile(histogram(np.zeros(0)), 0.5))


def test_a_sketch_counts_repeated_poses_exactly_while_they_are_few():
    hashes = np.random.default_rng(0).integers(0, 2**63, 1000, dtype=np.uint64)
    sketch = Sketch.of(hashes)
    sketch.merge(Sketch.of(hashes[:250]))
    assert sketch.repeated == pytest.approx(250 / 1250)


def test_a_sketch_estimates_repeated_poses_of_many_in_bounded_memory():
    rng = np.random.default_rng(0)
    sketch = Sketch()
    for _ in range(5):
        hashes = rng.integers(0, 2**63, 60_000, dtype=np.uint64)
        sketch.merge(Sketch.of(hashes))
        sketch.merge(Sketch.of(hashes[:20_000]))
    assert len(sketch.hashes) == 1 << 16
    assert sketch.repeated == pytest.approx(0.25, abs=0.01)
