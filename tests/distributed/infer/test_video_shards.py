"""Lifting shards by the video family, without Ray: clips that reach into neighbouring files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pose_diffusion.config import InferConfig
from pose_diffusion.data import predictions, shards
from pose_diffusion.data.manifest import Manifest, Selection
from pose_diffusion.data.schema import tensor_values
from pose_diffusion.distributed.infer.halos import halos
from pose_diffusion.distributed.infer.shard_lifter import Outcome, ShardLifter, Task, smoothing_reach
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.camera import Camera, h36m_cameras
from pose_diffusion.geometry.person_view import assumed_intrinsic
from pose_diffusion.inference.bundle_folder import content_hash
from pose_diffusion.inference.clip_lifting import lift_clips
from tests.distributed.archives import write_bundle
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
    around = halos(files, selection, MODEL.frames + smoothing_reach(settings))
    return [lifter.lift(file, halo) for file, halo in zip(files, around, strict=True)]


def poses(
    bundle: str, folder: Path, cuts: Sequence[int], cameras: dict[str, Camera] | None = None, **changes: object
) -> np.ndarray:
    outcomes = lift(bundle, folder, write_cut(folder, cuts), cameras, **changes)
    assert all(outcome.stats for outcome in outcomes), outcomes
    return predicted(folder / "out")


@pytest.mark.parametrize("cuts", [[1], [25, 52, 60], range(1, 80)], ids=["one", "three", "a row a file"])
def test_predictions_do_not_depend_on_where_files_are_cut(bundle: str, tmp_path: Path, cuts: Sequence[int]) -> None:
    np.testing.assert_allclose(poses(bundle, tmp_path / "cut", cuts), poses(bundle, tmp_path / "whole", []), atol=1e-5)


@pytest.mark.parametrize("cuts", [[1, 25, 52, 60], range(46, 55)], ids=["four", "a row a file"])
@pytest.mark.parametrize("family", ["published", "video"])
def test_smoothed_predictions_do_not_depend_on_where_files_are_cut(
    bundle: str, tmp_path: Path, family: str, cuts: Sequence[int]
) -> None:
    chosen = bundle if family == "video" else write_bundle(tmp_path / "bundle")
    camera = {"S9/c1": h36m_cameras()["S9"]["54138969"]}
    whole, cut = (poses(chosen, tmp_path / name, at, camera, smooth=2.0) for name, at in (("whole", []), ("cut", cuts)))
    np.testing.assert_allclose(cut, whole, atol=1e-5)
    assert np.abs(cut - poses(chosen, tmp_path / "plain", [])).max() > 1e-3
    roots = [predicted(tmp_path / name / "out", "root_3d") for name in ("whole", "cut")]
    np.testing.assert_allclose(*roots, rtol=1e-4, atol=1e-5)


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


@pytest.mark.parametrize("family", ["published", "video"])
def test_intrinsics_of_another_image_size_are_refused_in_one_line(bundle: str, tmp_path: Path, family: str) -> None:
    camera = replace(h36m_cameras()["S9"]["54138969"], width=1920, height=1080)
    chosen = bundle if family == "video" else write_bundle(tmp_path / "bundle")
    (outcome,) = lift(chosen, tmp_path, write_cut(tmp_path, []), {"S11/c1": camera})
    assert outcome.bad.endswith(
        "part-00000.parquet: row 71: an image of 1000 x 1000 pixels, but camera 'S11/c1' in the manifest is of 1920 x 1080: "
        "prepare with the intrinsics of these images, or without a camera"
    )


def test_predictions_say_how_the_person_was_recorded(bundle: str, tmp_path: Path) -> None:
    camera = h36m_cameras()["S9"]["54138969"]
    poses(bundle, tmp_path, [], {"S9/c1": camera}, field_of_view=60.0)
    table = predictions.read(str(next((tmp_path / "out" / "predictions").rglob("*.parquet"))))
    assert table["intrinsics"].to_pylist() == ["known"] * 71 + ["field_of_view"] * 9
    root = np.concatenate([one.root_3d for one in sequences()]).astype(np.float64)
    np.testing.assert_allclose(table["distance_m"].to_numpy(), np.linalg.norm(root, axis=1), rtol=1e-5)
    world = camera.to_world(root[:71])  # z is up
    sine = (np.array(camera.position) - world)[:, 2] / np.linalg.norm(root[:71], axis=1)
    np.testing.assert_allclose(table["elevation_deg"].to_numpy()[:71], np.degrees(np.arcsin(sine)), atol=1e-3)
    assert table["elevation_deg"].to_pylist()[71:] == [None] * 9


def test_the_published_family_is_told_of_no_lens(tmp_path: Path) -> None:
    poses(write_bundle(tmp_path / "bundle"), tmp_path, [], {"S9/c1": h36m_cameras()["S9"]["54138969"]})
    table = predictions.read(str(next((tmp_path / "out" / "predictions").rglob("*.parquet"))))
    assert "intrinsics" not in table.column_names
    assert table["elevation_deg"].null_count == 9 and table["distance_m"].null_count == 0


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
