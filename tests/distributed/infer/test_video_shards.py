"""Lifting shards by the video family, without Ray: clips that reach into neighbouring files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from pose_diffusion.config import InferConfig
from pose_diffusion.data import predictions, shards
from pose_diffusion.data.manifest import Manifest, Selection
from pose_diffusion.data.schema import tensor_values
from pose_diffusion.distributed.infer.halos import halos
from pose_diffusion.distributed.infer.shard_lifter import Outcome, ShardLifter, Task
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera, h36m_cameras
from pose_diffusion.geometry.person_view import assumed_intrinsic
from pose_diffusion.inference.bundle_folder import content_hash
from pose_diffusion.inference.clip_lifting import lift_clips
from tests.distributed.infer.video_archives import predicted, sequences, write_cut, write_video_bundle
from tests.inference.videos import MODEL, random_network

EVERYTHING = Selection()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_video_bundle(tmp_path_factory.mktemp("bundle"))


def lift(
    bundle: str,
    folder: Path,
    manifest: Manifest,
    cameras: dict[str, Camera] | None = None,
    selection: Selection = EVERYTHING,
    **infer: object,
) -> list[Outcome]:
    settings = InferConfig(bundle=bundle, input=str(folder), output=str(folder / "out"), **infer)
    task = Task(settings, selection, manifest.kernels, cameras or {}, False, "run", content_hash(bundle), "cpu", 1, rate=25.0)
    lifter = ShardLifter(task)
    files = selection.files(manifest)
    return [lifter.lift(file, halo) for file, halo in zip(files, halos(files, selection, MODEL.frames), strict=True)]


def poses(bundle: str, folder: Path, cuts: Sequence[int], **changes: object) -> np.ndarray:
    outcomes = lift(bundle, folder, write_cut(folder, cuts), **changes)
    assert all(outcome.stats for outcome in outcomes), outcomes
    return predicted(folder / "out")


@pytest.mark.parametrize("cuts", [[1], [25, 52, 60], range(1, 80)], ids=["one", "three", "a row a file"])
def test_predictions_do_not_depend_on_where_files_are_cut(bundle: str, tmp_path: Path, cuts: Sequence[int]) -> None:
    np.testing.assert_allclose(poses(bundle, tmp_path / "cut", cuts), poses(bundle, tmp_path / "whole", []), atol=1e-5)


def test_chosen_actions_alone_are_lifted_as_among_all(bundle: str, tmp_path: Path) -> None:
    selection = Selection(actions=frozenset({"Posing"}))
    found = poses(bundle, tmp_path / "some", [60, 75], selection=selection)
    np.testing.assert_allclose(found, poses(bundle, tmp_path / "all", [])[51:], atol=1e-5)


def test_the_files_are_lifted_as_their_rows_in_memory(bundle: str, tmp_path: Path) -> None:
    found = poses(bundle, tmp_path, [30], field_of_view=60.0)
    every = sequences()
    lens = torch.from_numpy(assumed_intrinsic(1000, 1000, 60.0)).expand(80, 9)
    number = torch.repeat_interleave(torch.arange(4), torch.tensor([len(one) for one in every]))
    mixture = torch.from_numpy(np.concatenate([one.mixture for one in every]))
    frame = torch.from_numpy(np.concatenate([one.frame for one in every])).long()
    expected = lift_clips(random_network(), mixture, lens, number, frame, 25.0, MODEL.frames)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_known_cameras_are_used_and_give_roots(bundle: str, tmp_path: Path) -> None:
    camera = h36m_cameras()["S9"]["54138969"]
    known = poses(bundle, tmp_path / "known", [30], cameras={"S9/c1": camera})
    assumed = poses(bundle, tmp_path / "assumed", [30])
    assert np.abs(known[:71] - assumed[:71]).max() > 1e-3
    np.testing.assert_allclose(known[71:], assumed[71:], atol=1e-5)
    roots = predicted(tmp_path / "known" / "out", "root_3d")
    assert np.isfinite(roots[:71]).all() and np.isnan(roots[71:]).all()


def test_the_methods_are_one_and_what_is_smoothed(bundle: str, tmp_path: Path) -> None:
    poses(bundle, tmp_path, [], smooth=2.0)
    table = predictions.read(str(next((tmp_path / "out" / "predictions").rglob("*.parquet"))))
    assert predictions.layout(table.schema, "").methods == ("video", "smoothed")
    assert (tensor_values(table["spread_mm"]) == 0).all()


def test_a_broken_neighbour_is_named_or_where_bad_shards_are_skipped_ends_the_clips(bundle: str, tmp_path: Path) -> None:
    manifest = write_cut(tmp_path, [10, 20])
    broken = tmp_path / manifest.files[1].path
    broken.write_bytes(b"nothing")
    assert all(str(broken) in outcome.bad for outcome in lift(bundle, tmp_path, manifest))
    first, bad, last = lift(bundle, tmp_path, manifest, on_bad_shard="skip")
    assert first.stats and str(broken) in bad.bad and last.stats


def test_rows_are_read_from_the_row_groups_that_hold_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "ROW_GROUP", 16)
    manifest = write_cut(tmp_path, [])
    path = str(tmp_path / manifest.files[0].path)
    whole = shards.read_table(path)
    for start, stop in [(0, 1), (15, 17), (16, 32), (79, 80), (0, 80)]:
        found = shards.read_rows(path, start, stop, ["frame", "mixture"], 3)
        assert found["frame"].to_pylist() == whole["frame"].to_pylist()[start:stop]
    with pytest.raises(InputError, match="80 rows, expected at least 81"):
        shards.read_rows(path, 0, 81, ["frame", "mixture"], 3)
    with pytest.raises(InputError, match="another K than 5"):
        shards.read_rows(path, 0, 1, ["frame", "mixture"], 5)
