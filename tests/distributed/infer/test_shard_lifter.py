"""Lifting single shards, without Ray: what a shard's poses depend on, and storage that refuses."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pyarrow as pa
import pytest
import torch

from pose_diffusion import storage
from pose_diffusion.config import InferConfig
from pose_diffusion.data import predictions, schema, shards
from pose_diffusion.data.manifest import Manifest, Selection
from pose_diffusion.data.schema import tensor_values
from pose_diffusion.distributed.infer.shard_lifter import ShardLifter, Task, finished
from pose_diffusion.distributed.infer.shard_rows import row_intrinsics, row_keys
from pose_diffusion.geometry import smoothing
from pose_diffusion.geometry.camera import Camera, h36m_cameras
from pose_diffusion.inference.bundle import load_bundle
from pose_diffusion.inference.bundle_folder import content_hash
from pose_diffusion.report.summary import report_dict
from tests.data.poses import sequence, write_folder
from tests.distributed.archives import write_archive, write_bundle
from tests.distributed.refusing import REFUSALS, Proxy


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_bundle(tmp_path_factory.mktemp("bundle"))


def task(bundle: str, archive: Path | str, output: Path | str, **infer: object) -> Task:
    settings = InferConfig(bundle=bundle, input=str(archive), output=str(output), **infer)
    selection, model = Selection(split="test"), content_hash(bundle)
    return Task(settings, selection, 3, {}, reproject=False, run="run", bundle=model, device="cpu", threads=1)


def test_a_row_has_the_same_key_wherever_it_stands() -> None:
    walking, sitting = (schema.to_table(sequence(action=action)) for action in ("Walking 1", "Sitting"))
    keys = row_keys(walking, 0)
    assert len(keys.unique()) == 20
    assert torch.equal(row_keys(walking.slice(5, 3), 0), keys[5:8])
    assert not set(keys.tolist()) & set(row_keys(sitting, 0).tolist())
    assert not set(keys.tolist()) & set(row_keys(walking, 1).tolist())


def test_a_row_has_its_own_cameras_intrinsic_in_its_own_image_size() -> None:
    camera = h36m_cameras()["S9"]["54138969"]
    rows = schema.to_table(sequence("S9", camera="54138969"))  # normalised by 1000 x 1000, the camera has 1002 rows
    found = row_intrinsics(rows, {"S9/54138969": camera})
    expected = Camera(**{**vars(camera), "width": 1000, "height": 1000}).intrinsic
    np.testing.assert_array_equal(found, np.tile(expected, (20, 1)))
    assert row_intrinsics(rows, {}).isnan().all()


def test_without_diffusion_the_lifters_pose_is_published(bundle: str, tmp_path: Path) -> None:
    manifest = write_archive(tmp_path / "archive", files=1, rows=20)
    tables = {}
    for diffusion in (True, False):
        output = tmp_path / str(diffusion)
        outcome = ShardLifter(task(bundle, tmp_path / "archive", output, diffusion=diffusion)).lift(manifest.files[0])
        assert outcome.stats is not None
        tables[diffusion] = predictions.read(str(output / "predictions" / manifest.files[0].path))
    more = set(tables[True].column_names) - set(tables[False].column_names)
    assert more == {"lifter_3d", "diffusion_joint_mm", "diffusion_p_mpjpe_mm", "diffusion_n_mpjpe_mm"}
    mixture = torch.from_numpy(
        tensor_values(shards.read_table(str(tmp_path / "archive" / manifest.files[0].path))["mixture"]).copy()
    )
    expected = load_bundle(bundle).lift(mixture).lifter_pose
    torch.testing.assert_close(torch.from_numpy(tensor_values(tables[False]["pose_3d"]).copy()), expected)
    assert not np.allclose(tensor_values(tables[True]["pose_3d"]), tensor_values(tables[False]["pose_3d"]))


@pytest.mark.parametrize("preserve_scale", [True, False])
def test_refined_poses_are_published_at_the_lifters_size_where_asked(bundle: str, tmp_path: Path, preserve_scale: bool) -> None:
    manifest = write_archive(tmp_path / "archive", files=1, rows=20)
    ShardLifter(task(bundle, tmp_path / "archive", tmp_path, preserve_scale=preserve_scale)).lift(manifest.files[0])
    table = predictions.read(str(tmp_path / "predictions" / manifest.files[0].path))
    refined, lifted = (np.linalg.norm(tensor_values(table[name]), axis=(1, 2)) for name in ("pose_3d", "lifter_3d"))
    assert np.allclose(refined, lifted, rtol=1e-5) == preserve_scale


def test_smoothed_poses_are_published_beside_those_of_single_frames(bundle: str, tmp_path: Path) -> None:
    """A sequence that another interrupts is one, and the rows of both stand where they stood."""
    walking, sitting = sequence("S9", "Walking", rows=30), sequence("S9", "Sitting", rows=30)
    order = [(walking, slice(0, 15)), (sitting, slice(0, 30)), (walking, slice(15, 30))]
    parts = [replace(s, frame=s.frame[p], mixture=s.mixture[p], pose_3d=s.pose_3d[p], root_3d=s.root_3d[p]) for s, p in order]
    manifest = write_folder(tmp_path / "archive", {"split=test/part-00000.parquet": parts})
    tables = []
    for smooth in (0.0, 2.0):
        output = tmp_path / str(smooth)
        assert ShardLifter(task(bundle, tmp_path / "archive", output, smooth=smooth)).lift(manifest.files[0]).stats
        tables.append(predictions.read(str(output / "predictions" / manifest.files[0].path)))
    plain, smoothed = tables
    assert predictions.layout(smoothed.schema, "").methods == ("lifter", "diffusion", "smoothed")
    assert smoothed.select(["action", "frame", "lifter_3d"]).equals(plain.select(["action", "frame", "lifter_3d"]))
    assert np.array_equal(tensor_values(smoothed["diffusion_3d"]), tensor_values(plain["pose_3d"]))
    pose = torch.from_numpy(tensor_values(plain["pose_3d"]).copy())
    whole = torch.cat([pose[:15], pose[45:], pose[15:45]])
    expected = smoothing.smooth(whole, torch.arange(30).repeat(2), torch.arange(2).repeat_interleave(30), 2.0)
    np.testing.assert_allclose(
        tensor_values(smoothed["pose_3d"]), torch.cat([expected[:15], expected[30:], expected[15:30]]), atol=1e-6
    )


@pytest.mark.parametrize("batch", [1, 7, 64, 4096])
def test_every_pass_of_the_networks_has_the_same_rows(bundle: str, tmp_path: Path, batch: int) -> None:
    manifest = write_archive(tmp_path / "archive", files=2, rows=45)
    lifter = ShardLifter(task(bundle, tmp_path / "archive", tmp_path, hypotheses=3, batch=batch))
    passes: set[int] = set()
    lifter.bundle.lifter.register_forward_pre_hook(lambda module, inputs: passes.add(len(inputs[0])))
    for file in manifest.files:
        assert lifter.lift(file).stats
    assert len(passes) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("compiled", [False, True])
def test_shards_lifted_at_once_on_a_gpu_are_those_of_the_cpu(bundle: str, tmp_path: Path, compiled: bool) -> None:
    manifest = write_archive(tmp_path / "archive", files=8, rows=300)
    tables = []
    for device in ("cpu", "cuda"):
        settings = {"hypotheses": 3, "batch": 128, "shards_in_flight": 4, "compiled": compiled and device == "cuda"}
        job = replace(task(bundle, tmp_path / "archive", tmp_path / device, **settings), device=device, threads=4)
        with ThreadPoolExecutor(4) as pool:
            assert all(outcome.stats for outcome in pool.map(ShardLifter(job).lift, manifest.files))
        paths = [str(tmp_path / device / "predictions" / file.path) for file in manifest.files]
        tables.append(pa.concat_tables(predictions.read(path) for path in paths))
    for name in ("pose_2d", "pose_3d", "lifter_3d", "diffusion_3d", "spread_mm"):
        ours, theirs = (tensor_values(table[name]) for table in reversed(tables))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * np.abs(theirs).max())


def test_what_a_lifter_publishes_is_finished_for_its_run_alone(bundle: str, tmp_path: Path) -> None:
    manifest = write_archive(tmp_path / "archive", files=1)
    job = task(bundle, tmp_path / "archive", tmp_path)
    assert finished(job, manifest.files[0]) is None
    ShardLifter(job).lift(manifest.files[0])
    assert finished(job, manifest.files[0])
    another = Task(**{**vars(job), "run": "another"})
    assert finished(another, manifest.files[0]) is None


def test_chosen_actions_alone_are_lifted(bundle: str, tmp_path: Path) -> None:
    mixed = [sequence("S9", "Sitting 1", rows=5), sequence("S9", "SittingDown", rows=7), sequence("S9", "Sitting", rows=3)]
    manifest = write_folder(tmp_path / "archive", {"split=test/part-00000.parquet": mixed})
    job = replace(task(bundle, tmp_path / "archive", tmp_path), selection=Selection(actions=frozenset({"Sitting"})))
    assert ShardLifter(job).lift(manifest.files[0]).rows == 8
    rows = predictions.read(job.output(manifest.files[0]))
    assert rows["action"].to_pylist() == ["Sitting 1"] * 5 + ["Sitting"] * 3
    assert finished(job, manifest.files[0])


def test_poses_without_truth_are_lifted_and_counted(bundle: str, tmp_path: Path) -> None:
    manifest = write_archive(tmp_path / "archive", files=1, with_3d=False)
    outcome = ShardLifter(task(bundle, tmp_path / "archive", tmp_path)).lift(manifest.files[0])
    assert outcome.stats
    counts = report_dict(outcome.stats)["counts"]
    assert (counts["poses"], counts["poses_with_truth"]) == (30, 0)


def test_hypotheses_are_kept_where_asked(bundle: str, tmp_path: Path) -> None:
    manifest = write_archive(tmp_path / "archive", files=1)
    job = task(bundle, tmp_path / "archive", tmp_path, hypotheses=3, keep_hypotheses=True)
    ShardLifter(job).lift(manifest.files[0])
    table = predictions.read(job.output(manifest.files[0]))
    hypotheses = tensor_values(table["hypotheses"])
    np.testing.assert_allclose(hypotheses.mean(1), tensor_values(table["pose_3d"]), atol=1e-6)
    assert (np.linalg.norm(hypotheses[:, 0] - hypotheses[:, 1], axis=-1)[:, 1:] > 0).all()


def test_the_mixtures_mean_is_lifted_and_published_as_what_was_lifted(bundle: str, tmp_path: Path) -> None:
    manifest = write_archive(tmp_path / "archive", files=1)
    poses = {}
    for way in ("heaviest", "mean"):
        job = task(bundle, tmp_path / "archive", tmp_path / way, pose_2d=way)
        ShardLifter(job).lift(manifest.files[0])
        table = predictions.read(job.output(manifest.files[0]))
        poses[way] = tensor_values(table["pose_3d"])
    mixture = tensor_values(shards.read(job.source(manifest.files[0]))["mixture"])
    mean = (mixture[..., :1] * mixture[..., 1:3]).sum(-2)
    np.testing.assert_allclose(tensor_values(table["pose_2d"]), mean, atol=1e-6)
    lifted = load_bundle(bundle).lift(torch.from_numpy(mean))
    np.testing.assert_allclose(poses["mean"], lifted.pose_3d.numpy(), atol=1e-5)
    assert np.abs(poses["mean"] - poses["heaviest"]).max() > 1e-3


def test_a_full_disk_is_told_apart_from_other_failures(bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_archive(tmp_path / "archive", files=1)
    lifter = ShardLifter(task(bundle, tmp_path / "archive", tmp_path))
    for number, full in ((errno.ENOSPC, True), (errno.EMLINK, False)):
        monkeypatch.setattr(predictions, "write", Mock(side_effect=OSError(number, "cannot be written")))
        outcome = lifter.lift(manifest.files[0])
        assert outcome.full is full and "part-00000.parquet: OSError" in outcome.lost


def test_the_spread_is_scaled_and_nothing_else(bundle: str, tmp_path: Path) -> None:
    manifest = write_archive(tmp_path / "archive", files=1)
    jobs = [task(bundle, tmp_path / "archive", tmp_path / str(s), hypotheses=3, spread_scale=s) for s in (1.0, 3.0)]
    for job in jobs:
        assert ShardLifter(job).lift(manifest.files[0]).stats
    plain, scaled = (predictions.read(job.output(manifest.files[0])) for job in jobs)
    np.testing.assert_allclose(tensor_values(scaled["spread_mm"]), 3 * tensor_values(plain["spread_mm"]), rtol=1e-6)
    assert scaled.drop(["spread_mm"]).equals(plain.drop(["spread_mm"]))


def test_bf16_is_close_to_float32(bundle: str, tmp_path: Path) -> None:
    manifest = write_archive(tmp_path / "archive", files=1)
    found = []
    for precision in ("float32", "bf16"):
        job = task(bundle, tmp_path / "archive", tmp_path / precision, precision=precision)
        assert ShardLifter(job).lift(manifest.files[0]).stats
        found.append(tensor_values(predictions.read(job.output(manifest.files[0]))["pose_3d"]))
    assert not np.array_equal(*found)
    np.testing.assert_allclose(*found, atol=0.1)


# Storage that refuses


@pytest.fixture
def remote(bundle: str, s3_bucket: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> tuple[Task, Manifest]:
    monkeypatch.setattr("random.uniform", lambda low, high: 0.05)  # refusals are counted here, not waits
    manifest = write_archive(f"{s3_bucket}/archive", files=1, rows=5)
    return task(bundle, f"{s3_bucket}/archive", f"{s3_bucket}/out", retries=2), manifest


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_storage_that_refuses_for_a_while_costs_nothing(
    remote: tuple[Task, Manifest], proxy: Proxy, method: str, refusal: str
) -> None:
    job, manifest = remote
    lifter = ShardLifter(job)
    proxy.refuse(method, 2, *REFUSALS[refusal])
    outcome = lifter.lift(manifest.files[0])
    assert proxy.refusals == 0
    assert outcome.stats, outcome
    assert finished(job, manifest.files[0])


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_storage_that_refuses_for_good_loses_the_shard_and_does_not_call_it_bad(
    remote: tuple[Task, Manifest], proxy: Proxy, method: str
) -> None:
    job, manifest = remote
    lifter = ShardLifter(job)
    proxy.refuse(method, 1000, *REFUSALS["expired token"])
    outcome = lifter.lift(manifest.files[0])
    assert outcome.lost and not outcome.bad and not outcome.stats
    assert "part-00000.parquet" in outcome.lost and "ExpiredToken" in outcome.lost
    proxy.refuse(method, 0, 0, "")
    assert not storage.exists(job.output(manifest.files[0]))
    assert lifter.lift(manifest.files[0]).stats
