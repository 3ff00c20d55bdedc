"""Training data on Ray Data: every row once an epoch, in an order that the seed decides, and bad rows named."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import ray
import torch

from benchmarks import random_shards
from benchmarks.memory import Memory, memory_mib
from pose_diffusion.config import DataConfig
from pose_diffusion.data.manifest import Selection
from pose_diffusion.distributed.cluster.causes import input_error_in
from pose_diffusion.distributed.train.data import stream
from pose_diffusion.distributed.train.epochs import Epochs
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera, h36m_cameras
from pose_diffusion.training.selection import COLUMNS_WITH_VIEW, training_selection
from tests.data.poses import rewrite, sequence, with_mixture, write_folder

ROWS = {"S1": 50, "S5": 41, "S8": 30}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("shards")
    files = {f"split=train/part-{n:05d}.parquet": [sequence(s, rows=rows)] for n, (s, rows) in enumerate(ROWS.items())}
    manifest = write_folder(path, files)
    return str(path), manifest


def poses(*subjects) -> np.ndarray:
    """A number for each pose of the subjects, sorted: what identifies it."""
    return np.sort(np.concatenate([sequence(s, rows=ROWS[s]).pose_3d[:, 1:].sum((1, 2)) for s in subjects]))


def seen(batches) -> np.ndarray:
    return np.concatenate([xyz[:, 1:].numpy().sum((1, 2)) for _, xyz in batches])


def epochs(dataset, keep, batch=16, seed=0, shuffle_rows=32):
    return Epochs(dataset.iterator(), batch, 91, 91 if keep else 0, shuffle_rows, torch.device("cpu"), seed)


def dataset(folder, shuffle=False, subjects=None):
    path, manifest = folder
    selection, _ = training_selection(DataConfig(subjects=subjects), ["S8"])
    return stream(path, manifest, selection, 0, shuffle)


def test_the_processes_that_only_read_load_no_torch():
    code = "import sys, pose_diffusion.distributed.train.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("keep", [True, False])
def test_an_epoch_holds_each_selected_row_once(ray_session, folder, keep):
    source = epochs(dataset(folder, shuffle=not keep), keep)
    source.load()
    found = seen(source.batches(0))
    np.testing.assert_allclose(np.sort(found), poses("S1", "S5"), rtol=1e-5)
    assert not np.allclose(found, seen(source.batches(1)))


def test_a_cached_epoch_is_a_function_of_seed_and_number(ray_session, folder):
    one, two, other = (epochs(dataset(folder), True, seed=seed) for seed in (1, 1, 2))
    for source in (one, two, other):
        source.load()
    seen(one.batches(0))
    np.testing.assert_array_equal(seen(one.batches(3)), seen(two.batches(3)))
    assert not np.allclose(seen(one.batches(3)), seen(other.batches(3)))


@pytest.mark.parametrize("keep", [True, False])
def test_skipped_batches_are_the_first_of_the_epoch(ray_session, folder, keep):
    source = epochs(dataset(folder), keep)
    source.load()
    assert len(seen(source.batches(2, skip=2))) == 91 - 32


def test_two_workers_share_an_epoch_without_overlap_and_lose_at_most_one_row(ray_session, folder):
    parts = dataset(folder).streaming_split(2, equal=True)
    found: dict[int, np.ndarray] = {}

    def work(rank):
        source = Epochs(parts[rank], 16, 91, 46, 32, torch.device("cpu"), rank)
        source.load()
        found[rank] = seen(source.batches(0))

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(found[0]) == len(found[1]) == 45
    together = np.sort(np.concatenate([found[0], found[1]]))
    assert len(np.unique(together)) == 90
    assert np.isclose(together[:, None], poses("S1", "S5"), rtol=1e-5).any(1).all()


def test_a_poisoned_row_is_named_with_file_and_row(ray_session, folder, tmp_path):
    manifest = write_folder(tmp_path, {"split=train/part-00000.parquet": [sequence("S1", rows=50)]})
    rewrite(f"{tmp_path}/split=train/part-00000.parquet", with_mixture(lambda m: m.__setitem__((33, 0, 0, 1), np.nan)))
    source = epochs(dataset((str(tmp_path), manifest)), True)
    with pytest.raises(ray.exceptions.RayTaskError) as error:
        source.load()
    message = str(input_error_in(error.value))
    assert message == f"{tmp_path}/split=train/part-00000.parquet: row 33, column 'mixture': a value is not finite"


def test_poses_without_truth_are_refused(ray_session, tmp_path):
    manifest = write_folder(tmp_path, {"split=train/part-00000.parquet": [sequence("S1", rows=5, with_3d=False)]})
    with pytest.raises(InputError, match="row 0, column 'pose_3d': is null, and training needs it"):
        epochs(dataset((str(tmp_path), manifest)), True).load()


def test_tensors_have_the_shapes_of_the_contract(ray_session, folder):
    mixture, xyz = next(iter(epochs(dataset(folder), False).batches(0)))
    assert mixture.shape == (16, 17, 3, 5) and xyz.shape == (16, 17, 3)
    assert mixture.dtype == xyz.dtype == torch.float32


def turning(path, manifest, rows=50):
    dataset = stream(path, manifest, Selection(split="train"), 0, shuffle=False, columns=COLUMNS_WITH_VIEW)
    source = Epochs(dataset.iterator(), rows, rows, rows, rows, torch.device("cpu"), 0, COLUMNS_WITH_VIEW)
    source.load()
    return next(iter(source.batches(0)))


def test_rows_come_with_their_own_views(ray_session, tmp_path):
    cameras = {f"S1/{name}": camera.to_dict() for name, camera in h36m_cameras()["S1"].items()}
    made = [sequence("S1", camera=name.split("/")[1], rows=25) for name in sorted(cameras)[:2]]
    _, xyz, view = turning(str(tmp_path), write_folder(tmp_path, {"split=train/part-00000.parquet": made}, cameras))
    assert view.shape == (50, 15)
    for one in made:
        mine = (xyz[:, None] == torch.from_numpy(one.pose_3d)).flatten(2).all(2)  # (50, 25)
        assert mine.sum() == 25
        row, frame = mine.nonzero().T
        np.testing.assert_array_equal(view[row, :3], one.root_3d[frame])
        intrinsic = Camera.from_dict(cameras[f"S1/{one.camera}"]).intrinsic
        np.testing.assert_allclose(view[row, 6:], np.tile(intrinsic, (25, 1)), rtol=1e-6)


def test_a_pose_whose_place_is_unknown_cannot_be_turned(ray_session, tmp_path):
    cameras = {"S1/c1": next(iter(h36m_cameras()["S1"].values())).to_dict()}
    made = dataclasses.replace(sequence("S1", rows=5), root_3d=None)
    manifest = write_folder(tmp_path, {"split=train/part-00000.parquet": [made]}, cameras)
    with pytest.raises(InputError, match="row 0, column 'root_3d': is null, and training needs it"):
        turning(str(tmp_path), manifest)
    source = epochs(dataset((str(tmp_path), manifest)), True, 5)
    source.load()
    assert len(next(iter(source.batches(0)))) == 2  # not turned it trains


@pytest.mark.slow
def test_sixteen_million_rows_stream_with_flat_memory(ray_session, tmp_path: Path):
    """320 files of 50,000 rows, which are one file on the disk. What reading holds goes up and down by a third as blocks come
    and buffers are cut, about once in two million rows, so that of ten million either half may miss the highest."""
    made = random_shards.write(str(tmp_path), "train", 50_000, 1)
    files = [made.files[0].model_copy(update={"path": f"split=train/part-{number:05d}.parquet"}) for number in range(320)]
    for file in files[1:]:
        os.link(tmp_path / files[0].path, tmp_path / file.path)
    dataset = stream(str(tmp_path), made.model_copy(update={"files": files}), Selection(), seed=0, shuffle=True)
    batches = epochs(dataset, keep=False, batch=4096, shuffle_rows=65_536).batches(0)
    rows, held = 0, {"the first twelve": 0.0, "the rest": 0.0}
    largest = {}
    for part, until in zip(held, (12_000_000, 16_000_000), strict=True):
        with Memory("ray::") as workers:
            for mixture, _ in batches:
                rows += len(mixture)
                held[part] = max(held[part], memory_mib())
                if rows >= until:
                    break
        largest[part] = workers.mib
    print(f"{rows:,} rows; MiB of this process {held}, of the largest worker {largest}")
    assert rows > 16_000_000 - 4096
    assert max(*held.values(), *largest.values()) < 2048  # a tenth of what ten million rows take
    assert held["the rest"] < 1.05 * held["the first twelve"] + 32
    assert largest["the rest"] < 1.05 * largest["the first twelve"] + 32
