from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pose_diffusion.config import loading
from pose_diffusion.data import schema
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import open_source
from pose_diffusion.errors import InputError
from tests.data.sources.benchmarks.mpi_inf_3dhp_files import AMONG_28, OURS, TESTS, joints, write_npz, write_original


def source(folder: Path, prepare: dict | None = None, **values: object) -> Source:
    section = {"source": "mpi_inf_3dhp", "input": str(folder), "test_subjects": TESTS, **(prepare or {})}
    return open_source(loading.from_dict({"prepare": section, "mpi_inf_3dhp": values}))


def test_clips_are_the_chosen_cameras_of_training_and_the_test_sequences(tmp_path: Path) -> None:
    write_npz(tmp_path)
    found = [(clip.subject, clip.action, clip.camera, clip.rows) for clip in source(tmp_path).sequences]
    train = [("S1", "Seq1", "0", 4), ("S1", "Seq1", "8", 4), ("S10", "Seq2", "0", 4)]
    assert found == train + [(name, name, "", 3) for name in TESTS]


def test_joints_come_in_our_order_in_metres_around_the_pelvis(tmp_path: Path) -> None:
    write_npz(tmp_path)
    sequence = source(tmp_path, annotation="annot3").sequences[0].load()
    given_3d = joints(1)["data_3d"][:, OURS] / 1000
    np.testing.assert_allclose(sequence.pose_3d, given_3d - given_3d[:, :1], atol=1e-6)
    np.testing.assert_allclose(sequence.root_3d, given_3d[:, 0], atol=1e-6)
    pixels = (sequence.mixture[:, :, 0, 1:3] + 1) * 1024
    np.testing.assert_allclose(pixels, joints(1)["data_2d"][:, OURS], atol=1e-3)


def test_only_valid_test_frames_are_taken_and_keep_their_numbers(tmp_path: Path) -> None:
    write_npz(tmp_path)
    sequence = source(tmp_path, train="").sequences[0].load()
    assert sequence.frame.tolist() == [0, 2, 3]
    given_3d = joints(10)["data_3d"][[0, 2, 3]][:, OURS] / 1000
    np.testing.assert_allclose(sequence.pose_3d, given_3d - given_3d[:, :1], atol=1e-6)


def test_all_test_frames_are_taken_where_the_config_says_so(tmp_path: Path) -> None:
    write_npz(tmp_path)
    assert {clip.rows for clip in source(tmp_path, train="", valid_only=False).sequences} == {4}


def test_the_last_two_test_sequences_are_wide(tmp_path: Path) -> None:
    write_npz(tmp_path)
    sizes = [(clip.load().width, clip.load().height) for clip in source(tmp_path, train="").sequences]
    assert sizes == [(2048, 2048)] * 4 + [(1920, 1080)] * 2


def test_the_pelvis_place_is_unknown_under_universal_scale(tmp_path: Path) -> None:
    write_npz(tmp_path)
    assert source(tmp_path).sequences[0].load().root_3d is None


def test_sequences_are_valid_shards(tmp_path: Path) -> None:
    write_npz(tmp_path)
    for clip in source(tmp_path).sequences:
        schema.check_rows(schema.to_table(clip.load()), "clip")


@pytest.mark.parametrize(("annotation", "scale"), [("annot3", 1.0), ("univ_annot3", 0.9)])
def test_the_original_training_files_give_the_same_17_of_28(tmp_path: Path, annotation: str, scale: float) -> None:
    camera_5 = write_original(tmp_path)
    found = source(tmp_path, files="original", annotation=annotation, cameras=[5]).sequences
    assert [(clip.subject, clip.action, clip.camera) for clip in found] == [("S2", "Seq1", "5"), ("TS5", "TS5", "")]
    sequence = found[0].load()
    expected = camera_5["data_3d"][:, AMONG_28][:, OURS] * scale / 1000
    np.testing.assert_allclose(sequence.pose_3d, expected - expected[:, :1], atol=1e-6)
    pixels = (sequence.mixture[:, :, 0, 1:3] + 1) * 1024
    np.testing.assert_allclose(pixels, camera_5["data_2d"][:, AMONG_28][:, OURS], atol=1e-3)


def test_the_original_test_files_are_filtered_by_valid_frame(tmp_path: Path) -> None:
    write_original(tmp_path)
    sequence = source(tmp_path, files="original", annotation="annot3").sequences[-1].load()
    assert sequence.frame.tolist() == [1, 2] and (sequence.width, sequence.height) == (1920, 1080)
    expected = joints(50)["data_3d"][1:3][:, OURS] / 1000
    np.testing.assert_allclose(sequence.root_3d, expected[:, 0], atol=1e-6)


def test_test_sequences_never_slip_into_training(tmp_path: Path) -> None:
    write_npz(tmp_path)
    with pytest.raises(InputError, match=r"key 'prepare.test_subjects': TS1 is of the test set"):
        source(tmp_path, {"test_subjects": ["S9", "S11"]})


def without(name: str) -> dict[str, np.ndarray]:
    return {key: value for key, value in joints(1).items() if key != name}


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ({"Seq1": [{"0": joints(1)}]}, "sequence 'Seq1', expected names like 'S1 Seq1'"),
        ({"S1 Seq1": [{"0": without("data_2d")}]}, "S1 Seq1 / camera 0: no 'data_2d'"),
        ({"S1 Seq1": [{"0": 7}]}, "S1 Seq1 / camera 0: no 'data_2d'"),
        ({"S1 Seq1": 7}, r"S1 Seq1: expected \[\{camera"),
        ({"S1 Seq1": [{"0": joints(1, count=16)}]}, r"data_2d: expected numbers \('frames', 17, 2\), got float32 \(4, 16, 2\)"),
        (
            {"S1 Seq1": [{"0": joints(1) | {"data_3d": joints(1)["data_3d"][:3]}}]},
            r"data_3d: expected numbers .* got float32 \(3,",
        ),
        ({"S1 Seq1": [{"0": joints(1) | {"data_3d": np.full((4, 17, 3), np.nan)}}]}, "frame 0: a 3D value is not finite"),
        ({"S1 Seq1": [{"0": joints(1) | {"data_2d": np.full((4, 17, 2), 1e6)}}]}, "far outside the image of 2048 x 2048"),
        ({"S1 Seq1": [{"0": joints(1) | {"data_3d": joints(1)["data_3d"] * 1000}}]}, "more than 100 m away; is the unit right"),
        ({"S1 Seq1": [{"0": joints(1, frames=0)}]}, "no frame"),
    ],
)
def test_bad_training_files_are_refused_with_their_place(tmp_path: Path, train: dict, told: str) -> None:
    write_npz(tmp_path, train=train)
    with pytest.raises(InputError, match=rf"data_train_3dhp\.npz: .*{told}"):
        source(tmp_path)


def test_test_files_without_the_valid_filter_are_refused(tmp_path: Path) -> None:
    write_npz(tmp_path, test={"TS1": joints(1)})
    with pytest.raises(InputError, match=r"data_test_3dhp\.npz: TS1: no 'valid'"):
        source(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data_train_3dhp\.npz: no such file"):
        source(tmp_path)


@pytest.mark.parametrize("name", ["S2/Seq1/annot.mat", "TS5/annot_data.mat"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_a_truncated_original_is_refused(tmp_path: Path, name: str, share: float) -> None:
    write_original(tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=name):
        source(tmp_path, files="original")


def test_an_original_without_the_asked_annotation_is_refused(tmp_path: Path) -> None:
    write_original(tmp_path)
    with h5py.File(tmp_path / "TS5" / "annot_data.mat", "a") as file:
        del file["univ_annot3"]
    with pytest.raises(InputError, match=r"annot_data\.mat: no data set 'univ_annot3'"):
        source(tmp_path, files="original")


def test_a_link_out_of_the_file_is_not_followed(tmp_path: Path) -> None:
    write_original(tmp_path)
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["annot2"] = np.zeros((4, 1, 17, 2))
    with h5py.File(tmp_path / "TS5" / "annot_data.mat", "a") as file:
        del file["annot2"]
        file["annot2"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "annot2")
    with pytest.raises(InputError, match=r"annot_data\.mat: no data set 'annot2'"):
        source(tmp_path, files="original")


def test_a_data_set_that_explodes_is_refused(tmp_path: Path) -> None:
    write_original(tmp_path)
    with h5py.File(tmp_path / "TS5" / "annot_data.mat", "a") as file:
        del file["annot2"]
        file.create_dataset("annot2", (10**8, 1, 17, 2), "f8", chunks=(1000, 1, 17, 2))
    with pytest.raises(InputError, match="'annot2' unpacks to 27,200,000,000 bytes"):
        source(tmp_path, files="original")


def test_a_folder_without_the_original_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file, or a folder without \.mat files"):
        source(tmp_path, files="original")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["S2/Seq1/annot.mat", "TS5/annot_data.mat"]),
    changes=st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_a_mutated_original_gives_poses_or_a_clean_error(tmp_path: Path, name: str, changes: list) -> None:
    folder = tmp_path / "data"
    if not folder.exists():
        folder.mkdir()
        write_original(folder)
    whole = (folder / name).read_bytes()
    content = bytearray(whole)
    for place, value in changes:
        content[place % len(content)] = value
    (folder / name).write_bytes(content)
    try:
        for clip in source(folder, files="original").sequences:
            schema.check_rows(schema.to_table(clip.load()), "clip")
    except InputError as error:
        assert "\n" not in str(error)
    finally:
        (folder / name).write_bytes(whole)
