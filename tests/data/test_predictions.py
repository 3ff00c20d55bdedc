from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pose_diffusion.data import predictions, schema
from pose_diffusion.data.mixture import from_points
from pose_diffusion.data.schema import tensor_values
from pose_diffusion.data.sequence import PoseSequence
from pose_diffusion.errors import InputError, RunError
from pose_diffusion.geometry import metrics

ROWS = 6


def shard(truth: bool = True, rows: int = ROWS, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    pose = rng.normal(0, 0.3, (rows, 17, 3)).astype(np.float32)
    mixture = from_points(rng.normal(0, 0.3, (rows, 17, 2)), 0.01)
    frame = np.arange(rows, dtype=np.int32)
    known = {"pose_3d": pose, "root_3d": pose[:, 0]} if truth else {}
    return schema.to_table(PoseSequence("S9", "Walking 1", "cam", frame, mixture, 1000, 1002, **known))


def poses(rows: int = ROWS, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {method: rng.normal(0, 0.3, (rows, 17, 3)).astype(np.float32) for method in ("lifter", "diffusion")}


def test_keys_and_image_size_are_the_inputs() -> None:
    rows = shard()
    table = predictions.build(rows, poses())
    for name in ("subject", "action", "camera", "frame", "width", "height"):
        assert table[name].to_pylist() == rows[name].to_pylist()


def test_pose_2d_is_the_heaviest_kernels_mean() -> None:
    rows = shard()
    pose_2d = tensor_values(predictions.build(rows, poses())["pose_2d"])
    np.testing.assert_array_equal(pose_2d, tensor_values(rows["mixture"])[:, :, 0, 1:3])


def test_pose_2d_is_what_was_lifted_where_that_is_said() -> None:
    lifted = torch.randn(ROWS, 17, 2)
    pose_2d = tensor_values(predictions.build(shard(), poses(), pose_2d=lifted)["pose_2d"])
    np.testing.assert_array_equal(pose_2d, lifted.numpy())


def test_pose_3d_is_the_last_methods_pose_minus_its_pelvis() -> None:
    given = poses()
    pose_3d = tensor_values(predictions.build(shard(), given)["pose_3d"])
    np.testing.assert_array_equal(pose_3d, given["diffusion"] - given["diffusion"][:, :1])


@pytest.mark.parametrize("method", ["lifter", "diffusion"])
def test_errors_are_those_of_pelvis_centred_poses(method: str) -> None:
    rows, given = shard(), poses()
    table = predictions.build(rows, given)
    pose, truth = (metrics.centre(torch.from_numpy(p.copy())) for p in (given[method], tensor_values(rows["pose_3d"])))
    np.testing.assert_array_equal(tensor_values(table[f"{method}_joint_mm"]), metrics.joint_errors(pose, truth))
    np.testing.assert_array_equal(table[f"{method}_p_mpjpe_mm"].to_numpy(), metrics.p_mpjpe(pose, truth))
    np.testing.assert_array_equal(table[f"{method}_n_mpjpe_mm"].to_numpy(), metrics.n_mpjpe(pose, truth))


def test_without_denoiser_the_lifter_is_the_only_method() -> None:
    table = predictions.build(shard(), {"lifter": poses()["lifter"]})
    assert predictions.layout(table.schema, "x").methods == ("lifter",)
    assert predictions.layout(table.schema, "x").final == "lifter"
    assert "lifter_3d" not in table.column_names


def test_errors_and_truth_are_null_where_the_truth_is_unknown() -> None:
    rows = pa.concat_tables([shard(), shard(truth=False)]).unify_dictionaries()
    table = predictions.build(rows, poses(2 * ROWS))
    unknown = [False] * ROWS + [True] * ROWS
    for name in ("truth_3d", "lifter_3d", "diffusion_joint_mm", "lifter_p_mpjpe_mm", "diffusion_n_mpjpe_mm"):
        assert table[name].is_null().to_pylist() == unknown, name
    assert table["pose_3d"].null_count == 0


def test_errors_of_known_rows_do_not_depend_on_unknown_ones_between_them() -> None:
    given = poses(3 * ROWS)
    rows = pa.concat_tables([shard(), shard(truth=False), shard(seed=5)]).unify_dictionaries()
    mixed = predictions.build(rows, given)
    last = predictions.build(shard(seed=5), {method: pose[2 * ROWS :] for method, pose in given.items()})
    for name in ("truth_3d", "lifter_3d", "diffusion_joint_mm"):
        np.testing.assert_array_equal(tensor_values(mixed[name])[2 * ROWS :], tensor_values(last[name]))


def test_the_oracle_is_the_hypothesis_with_the_lowest_mpjpe() -> None:
    rows = shard()
    hypotheses = np.random.default_rng(3).normal(0, 0.3, (ROWS, 4, 17, 3)).astype(np.float32)
    table = predictions.build(rows, poses(), hypotheses=hypotheses)
    truth = tensor_values(rows["pose_3d"])
    errors = np.linalg.norm((hypotheses - hypotheses[:, :, :1]) - (truth - truth[:, :1])[:, None], axis=-1).mean(-1)
    np.testing.assert_allclose(tensor_values(table["oracle_joint_mm"]).mean(-1), 1000 * errors.min(1), rtol=1e-5)
    assert predictions.layout(table.schema, "x").final == "diffusion"


def test_hypotheses_are_kept_only_if_asked() -> None:
    hypotheses = np.zeros((ROWS, 4, 17, 3), np.float32)
    assert "hypotheses" not in predictions.build(shard(), poses(), hypotheses=hypotheses).column_names
    kept = predictions.build(shard(), poses(), hypotheses=hypotheses, keep_hypotheses=True)
    assert tensor_values(kept["hypotheses"]).shape == (ROWS, 4, 17, 3)
    assert predictions.check_schema(kept.schema, "x").hypotheses == 4


def test_a_pose_that_is_not_finite_fails_the_run() -> None:
    given = poses()
    given["diffusion"][3, 2, 1] = np.nan
    with pytest.raises(RunError, match="row 3: the diffusion's pose is not finite"):
        predictions.build(shard(), given)


@pytest.mark.parametrize("truth", [True, False])
def test_a_file_reads_back_as_it_was_built(truth: bool, tmp_path: Path) -> None:
    path = str(tmp_path / "split=test" / "part-00000.parquet")
    table = predictions.build(shard(truth), poses())
    predictions.write(path, table)
    assert predictions.read(path).equals(table)


def test_no_rows_make_a_file_that_reads_back(tmp_path: Path) -> None:
    path = str(tmp_path / "part.parquet")
    predictions.write(path, predictions.build(shard(rows=0), poses(0)))
    assert len(predictions.read(path)) == 0


def test_columns_can_be_chosen_and_left_out(tmp_path: Path) -> None:
    path = str(tmp_path / "part.parquet")
    predictions.write(path, predictions.build(shard(), poses()))
    assert predictions.read(path, ["frame", "pose_3d"]).column_names == ["frame", "pose_3d"]
    assert "pose_2d" not in predictions.read(path, without=("pose_2d",)).column_names


def test_footer_keeps_the_callers_metadata(tmp_path: Path) -> None:
    path = str(tmp_path / "part.parquet")
    predictions.write(path, predictions.build(shard(), poses()), {"run": "abc"})
    assert predictions.read(path).schema.metadata[b"run"] == b"abc"


def written(tmp_path: Path, table: pa.Table) -> str:
    path = str(tmp_path / "part.parquet")
    pq.write_table(table, path)
    return path


def test_another_version_is_refused(tmp_path: Path) -> None:
    table = predictions.build(shard(), poses())
    table = table.replace_schema_metadata({**table.schema.metadata, b"pose_diffusion.predictions": b"9"})
    with pytest.raises(InputError, match=r"part\.parquet: prediction schema version 9, expected 1"):
        predictions.read(written(tmp_path, table))


def test_a_pose_shard_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="prediction schema version none, expected 1"):
        predictions.read(written(tmp_path, shard()))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    table = predictions.build(shard(), poses()).drop_columns(["diffusion_joint_mm"])
    with pytest.raises(InputError, match=r"part\.parquet: no column 'diffusion_joint_mm'"):
        predictions.read(written(tmp_path, table))


def test_a_column_of_another_type_is_named(tmp_path: Path) -> None:
    table = predictions.build(shard(), poses())
    table = table.set_column(table.column_names.index("pose_3d"), "pose_3d", pa.array(range(ROWS)))
    with pytest.raises(InputError, match=r"column 'pose_3d': expected .*, got int64"):
        predictions.read(written(tmp_path, table))


def test_a_value_that_is_not_finite_is_named(tmp_path: Path) -> None:
    table = predictions.build(shard(), poses())
    pose = tensor_values(table["pose_3d"]).copy()
    pose[4, 0, 0] = np.inf
    table = table.set_column(table.column_names.index("pose_3d"), "pose_3d", schema.tensor_column(pose, ROWS, (17, 3)))
    with pytest.raises(InputError, match="row 4, column 'pose_3d': a value is not finite"):
        predictions.read(written(tmp_path, table))


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    predictions.write(str(path), predictions.build(shard(), poses()))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"part\.parquet: cannot be read as Parquet"):
        predictions.read(str(path))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        predictions.read(str(tmp_path / "absent.parquet"))
