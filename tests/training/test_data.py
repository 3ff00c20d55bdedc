"""Training data in memory: every row once an epoch, in an order that seed and epoch decide, from whatever it was made."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pose_diffusion.config import DataConfig, TrainConfig
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera, h36m_cameras
from pose_diffusion.training.data import TensorRows, read_shards
from tests.data.poses import rewrite, sequence, with_mixture, write_folder

TRAIN = "split=train/part-00000.parquet"


def numbered(count: int, batch: int, seed: int = 0) -> TensorRows:
    return TensorRows([torch.arange(count), 2 * torch.arange(count)], batch, seed)


def order(rows: TensorRows, epoch: int, skip: int = 0) -> list[int]:
    return [int(number) for first, _ in rows.batches(epoch, skip) for number in first]


def test_an_epoch_holds_each_row_once_with_its_columns_together() -> None:
    batches = list(numbered(10, 4).batches(0))
    assert [len(first) for first, _ in batches] == [4, 4, 2]
    assert sorted(torch.cat([first for first, _ in batches]).tolist()) == list(range(10))
    assert all(torch.equal(second, 2 * first) for first, second in batches)


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    rows = numbered(50, 8, seed=1)
    first = order(rows, 3)
    order(rows, 0)
    assert order(rows, 3) == first == order(numbered(50, 16, seed=1), 3)
    assert first != order(rows, 4) and first != order(numbered(50, 8, seed=2), 3)


def test_skipped_batches_are_the_first_of_the_epoch() -> None:
    rows = numbered(50, 8)
    assert order(rows, 2, skip=2) == order(rows, 2)[16:]


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(InputError, match=r"columns of \[3, 4\] rows"):
        TensorRows([torch.zeros(3), torch.zeros(4)], 2)


def test_sequences_give_their_poses_in_order() -> None:
    parts = [sequence(rows=5), sequence("S5", rows=7)]
    mixture, pose_3d = TensorRows.from_sequences(parts, TrainConfig()).columns
    np.testing.assert_array_equal(mixture, np.concatenate([part.mixture for part in parts]))
    np.testing.assert_array_equal(pose_3d, np.concatenate([part.pose_3d for part in parts]))


def test_a_sequence_without_3d_poses_is_named() -> None:
    with pytest.raises(InputError, match="S5 / Walking 1 / camera c1: no 3D poses, and training needs them"):
        TensorRows.from_sequences([sequence(), sequence("S5", with_3d=False)], TrainConfig())


def test_a_sequence_with_a_value_that_is_not_finite_is_named() -> None:
    bad = sequence("S5")
    bad.mixture[3, 0, 0, 1] = np.nan
    with pytest.raises(InputError, match="S5 / Walking 1 / camera c1: row 3, column 'mixture': a value is not finite"):
        TensorRows.from_sequences([bad], TrainConfig())


@pytest.mark.parametrize("parts", [[], [sequence(kernels=2), sequence("S5", kernels=3)]])
def test_no_sequence_and_different_kernels_are_refused(parts: list) -> None:
    with pytest.raises(InputError, match="expected at least one, and the same number of kernels in all"):
        TensorRows.from_sequences(parts, TrainConfig())


@pytest.fixture
def folder(tmp_path) -> str:
    second = {"split=train/part-00001.parquet": [sequence("S5", rows=41), sequence("S8", rows=9)]}
    write_folder(tmp_path, {TRAIN: [sequence("S1", rows=50)], **second})
    return str(tmp_path)


def test_a_shard_folder_gives_its_training_rows_in_order_and_the_held_out_ones_apart(folder: str) -> None:
    rows, held_out = read_shards(DataConfig(shards=folder), TrainConfig(batch=16))
    assert rows.rows == 91 and rows.batch == 16
    expected = [sequence("S1", rows=50), sequence("S5", rows=41)]
    np.testing.assert_array_equal(rows.columns[0], np.concatenate([part.mixture for part in expected]))
    np.testing.assert_array_equal(rows.columns[1], np.concatenate([part.pose_3d for part in expected]))
    np.testing.assert_array_equal(held_out.pose_3d, sequence("S8", rows=9).pose_3d)


def test_workers_share_rows_and_held_out_poses_and_have_as_many_batches(folder: str) -> None:
    data, train = DataConfig(shards=folder), TrainConfig(batch=16)
    parts = [read_shards(data, train, rank=rank, world=2) for rank in range(2)]
    assert [len(rows.columns[0]) for rows, _ in parts] == [45, 45]
    assert all(rows.rows == 91 and rows.batch == 8 for rows, _ in parts)
    assert len(torch.unique(torch.cat([rows.columns[1][:, 1:].sum((1, 2)) for rows, _ in parts]))) == 90
    assert [len(held_out.mixture) for _, held_out in parts] == [5, 4]


def test_nobody_held_out_leaves_all_rows_to_train(folder: str) -> None:
    rows, held_out = read_shards(DataConfig(shards=folder), TrainConfig(holdout_subjects=[]))
    assert rows.rows == 100 and held_out is None


def test_rows_come_with_their_views_where_poses_are_to_be_turned(tmp_path) -> None:
    cameras = {f"S1/{name}": camera.to_dict() for name, camera in h36m_cameras()["S1"].items()}
    name = sorted(cameras)[0].split("/")[1]
    made = sequence("S1", camera=name, rows=25)
    write_folder(tmp_path, {TRAIN: [made]}, cameras)
    rows, _ = read_shards(DataConfig(shards=str(tmp_path)), TrainConfig(yaw_augment=0.5, holdout_subjects=[]))
    view = rows.columns[2]
    np.testing.assert_array_equal(view[:, :3], made.root_3d)
    np.testing.assert_allclose(view[:, 6:], np.tile(Camera.from_dict(cameras[f"S1/{name}"]).intrinsic, (25, 1)), rtol=1e-6)


def test_turning_without_cameras_is_refused(folder: str) -> None:
    with pytest.raises(InputError, match=r"no camera 'S1/c1' in the manifest, and train\.yaw_augment needs it"):
        read_shards(DataConfig(shards=folder), TrainConfig(yaw_augment=0.5))


def test_a_poisoned_row_is_named_with_file_and_row(folder: str) -> None:
    rewrite(f"{folder}/{TRAIN}", with_mixture(lambda m: m.__setitem__((33, 0, 0, 1), np.nan)))
    with pytest.raises(InputError, match=r"part-00000\.parquet: "):
        read_shards(DataConfig(shards=folder), TrainConfig())


@pytest.mark.parametrize(
    ("data", "train", "message"),
    [
        ({"shards": ""}, {}, r"key 'data\.shards': expected a shard folder, got nothing"),
        ({}, {"holdout_subjects": ["S7"]}, "no subject 'S7' in split 'train'"),
        ({}, {"holdout_subjects": ["S1", "S5", "S8"]}, "no rows left"),
    ],
)
def test_a_selection_that_leaves_nothing_is_refused(folder: str, data: dict, train: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_shards(DataConfig(**{"shards": folder, **data}), TrainConfig(**train))


def test_fewer_rows_than_workers_are_refused(folder: str) -> None:
    with pytest.raises(InputError, match="91 rows to train on for 92 workers"):
        read_shards(DataConfig(shards=folder), TrainConfig(), rank=0, world=92)
