"""Jobs while S3 has a bad day: requests refused, forgotten, cut off, stalled. Nothing is lost, twice or half."""

from __future__ import annotations

from pathlib import Path

import pytest
from uploads import upload

from pose_diffusion import storage
from pose_diffusion.config import loading
from pose_diffusion.distributed.infer.driver import infer
from pose_diffusion.distributed.prepare.driver import prepare
from pose_diffusion.distributed.train.driver import train
from pose_diffusion.inference.bundle import load_bundle
from tests.data.poses import sequence, write_folder
from tests.distributed.archives import hashes, settings, write_archive, write_bundle
from tests.s3.faults import FaultyS3


def synthetic(output: str) -> list[str]:
    return [
        f"prepare.output={output}", "prepare.rows_per_file=60", "synthetic.frames=30", "synthetic.actions=[Walking]",
        "synthetic.subjects=[S1, S9]",
    ]  # fmt: skip


def test_prepare_on_a_bad_day_makes_the_same_files(
    ray_session: None, s3_proxy: FaultyS3, s3_bucket: str, tmp_path: Path
) -> None:
    undisturbed = prepare(loading.load(None, synthetic(f"{tmp_path}/shards")))
    with s3_proxy.bad_day(0.2, stall_s=0.5):
        disturbed = prepare(loading.load(None, synthetic(f"{s3_bucket}/shards")))
    assert s3_proxy.faults.total() > 0
    assert disturbed.files == undisturbed.files
    assert storage.list_files(f"{s3_bucket}/shards", ".parquet") == sorted(file.path for file in undisturbed.files)


@pytest.mark.parametrize("files, share", [(6, 0.15), pytest.param(60, 0.25, marks=pytest.mark.slow)])
def test_infer_on_a_bad_day_lifts_every_shard_once(
    ray_session: None, s3_proxy: FaultyS3, s3_bucket: str, tmp_path: Path, files: int, share: float
) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    write_archive(tmp_path / "archive", files=files, rows=10)
    infer(settings(bundle, tmp_path / "archive", tmp_path / "out"))
    for name in ("archive", "bundle"):
        upload(tmp_path / name, f"{s3_bucket}/{name}")
    with s3_proxy.bad_day(share, stall_s=0.5):
        report = infer(settings(f"{s3_bucket}/bundle", f"{s3_bucket}/archive", f"{s3_bucket}/out"))
    assert s3_proxy.faults.total() > 0
    assert report["counts"]["poses"] == files * 10
    found = storage.list_files(f"{s3_bucket}/out/predictions")
    assert {name: storage.sha256(f"{s3_bucket}/out/predictions/{name}") for name in found} == hashes(tmp_path / "out")


@pytest.mark.slow
def test_training_on_a_bad_day_ends_with_the_same_weights(
    ray_session: None, s3_proxy: FaultyS3, s3_bucket: str, tmp_path: Path
) -> None:
    write_folder(tmp_path / "shards", {"split=train/part-00000.parquet": [sequence("S1", rows=201), sequence("S8", rows=40)]})
    upload(tmp_path / "shards", f"{s3_bucket}/shards")
    small = [
        "model.width=8", "model.layers=1", "model.heads=2", "train.batch=16", "train.threads=1", "train.lifter_epochs=3",
        "train.denoiser_epochs=3", "train.checkpoint_steps=5",
    ]  # fmt: skip

    def bundle(base: str) -> str:
        return load_bundle(train(loading.load(None, [f"data.shards={base}/shards", f"train.output={base}/run", *small])))

    undisturbed = bundle(str(tmp_path))
    with s3_proxy.bad_day(0.15, stall_s=1):
        disturbed = bundle(s3_bucket)
    assert s3_proxy.faults.total() > 0
    assert disturbed.content_hash == undisturbed.content_hash
