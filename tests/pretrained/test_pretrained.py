"""The model that comes with the package: where '' leads, and what is said where it is missing."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from pose_diffusion import load_bundle, pretrained
from pose_diffusion.config import InferConfig
from pose_diffusion.data.manifest import Selection
from pose_diffusion.distributed.infer.shard_lifter import ShardLifter, Task
from pose_diffusion.errors import InputError
from pose_diffusion.inference.bundle_folder import content_hash
from pose_diffusion.inference.video_bundle import VideoBundle, save_video_bundle
from tests.data.poses import sequence, write_folder
from tests.inference.videos import MODEL, random_network


def task(folder: Path, model: str) -> Task:
    infer = InferConfig(input=str(folder / "shards"), output=str(folder / "out"))
    return Task(infer, Selection(split="test"), 3, {}, reproject=False, run="run", bundle=model, device="cpu", threads=1)


def test_load_bundle_without_an_argument_loads_the_shipped_model(shipped: Path) -> None:
    bundle = load_bundle()
    assert isinstance(bundle, VideoBundle) and bundle.content_hash == content_hash(str(shipped))


def test_a_named_bundle_is_taken_as_it_is() -> None:
    assert pretrained.locate("s3://bucket/model") == "s3://bucket/model"


@pytest.mark.parametrize("missing", ["model.yaml", "video.safetensors"])
def test_an_installation_without_the_weights_is_refused_in_one_line_with_a_way_out(shipped: Path, missing: str) -> None:
    (shipped / missing).unlink()
    with pytest.raises(InputError, match=rf"lacks the weights of its model \({missing}\).*infer\.bundle=FOLDER") as refused:
        load_bundle()
    assert "\n" not in str(refused.value)


def test_a_worker_finds_the_shipped_model_in_its_own_installation(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = write_folder(tmp_path / "shards", {"split=test/part-00000.parquet": [sequence(rows=4)]})
    sent = pickle.dumps(task(tmp_path, content_hash(str(shipped))))
    assert str(shipped).encode() not in sent
    elsewhere = tmp_path / "another node"
    shipped.rename(elsewhere)
    monkeypatch.setattr(pretrained, "FOLDER", elsewhere)
    outcome = ShardLifter(pickle.loads(sent)).lift(manifest.files[0])
    assert not outcome.bad and not outcome.lost and outcome.stats is not None


def test_a_worker_with_another_version_of_the_model_is_refused(shipped: Path, tmp_path: Path) -> None:
    started_with = task(tmp_path, content_hash(str(shipped)))
    save_video_bundle(str(shipped), MODEL, random_network(1).state_dict())
    with pytest.raises(InputError, match="it is not the model that the job started with"):
        ShardLifter(started_with)


def test_the_files_of_the_package_are_whole_where_they_are_there() -> None:
    """Before the weights are in the tree, the line that says so is what is held."""
    if (pretrained.FOLDER / "model.yaml").is_file():
        bundle = load_bundle()
        assert isinstance(bundle, VideoBundle)
        assert all(np.isfinite(weight.numpy()).all() for weight in bundle.network.state_dict().values())
    else:
        with pytest.raises(InputError, match="lacks the weights"):
            load_bundle()
