from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pose_diffusion.config import loading
from pose_diffusion.data import schema
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources import open_source
from pose_diffusion.errors import InputError
from pose_diffusion.geometry import camera as cameras
from tests.data.sources.benchmarks.mmpose3d_files import CAMERA, FRAMES, write


def source(folder: Path, **settings: object) -> Source:
    section = {"source": "mmpose3d", "input": str(folder)}
    return open_source(loading.from_dict({"prepare": section, "mmpose3d": {"annotations": "a.npz", **settings}}))


def test_rows_are_gathered_into_sequences_by_their_image_names(tmp_path: Path) -> None:
    write(tmp_path)
    found = source(tmp_path).sequences
    assert [(clip.subject, clip.action, clip.camera) for clip in found] == [
        ("S1", "Directions 1", CAMERA),
        ("S1", "WalkDog", CAMERA),
    ]
    assert found[0].load().frame.tolist() == [1, 2, 3]


def test_poses_and_points_are_those_of_the_file(tmp_path: Path) -> None:
    arrays = write(tmp_path)
    sequence = source(tmp_path).sequences[0].load()
    rows = [2, 4, 0]  # frames 1, 2, 3 of 'Directions 1'
    joints = arrays["S"][rows, :, :3]
    np.testing.assert_allclose(sequence.pose_3d, joints - joints[:, :1], atol=1e-6)
    np.testing.assert_allclose(sequence.root_3d, joints[:, 0], atol=1e-6)
    pixels = cameras.to_pixels(sequence.mixture[:, :, 0, 1:3], 1000, 1002)
    np.testing.assert_allclose(pixels, arrays["part"][rows, :, :2], atol=1e-3)
    schema.check_rows(schema.to_table(sequence), "clip", require_3d=True)


def test_the_recorded_camera_projects_the_poses_onto_the_points(tmp_path: Path) -> None:
    write(tmp_path)
    found = source(tmp_path)
    camera = cameras.Camera.from_dict(found.cameras[f"S1/{CAMERA}"])
    sequence = found.sequences[0].load()
    assert sequence.pose_3d is not None and sequence.root_3d is not None
    projected = camera.project(sequence.pose_3d + sequence.root_3d[:, None], distort=False)
    np.testing.assert_allclose(projected, sequence.mixture[:, :, 0, 1:3], atol=1e-5)


def test_detections_take_the_place_of_the_annotated_points(tmp_path: Path) -> None:
    arrays = write(tmp_path)
    detections = arrays["part"] + np.float32([5, -5, -0.5])
    np.save(tmp_path / "cpn.npy", detections)
    sequence = source(tmp_path, detections="cpn.npy", point_sigma_px=4).sequences[0].load()
    pixels = cameras.to_pixels(sequence.mixture[:, :, 0, 1:3], 1000, 1002)
    np.testing.assert_allclose(pixels, detections[[2, 4, 0], :, :2], atol=1e-3)
    np.testing.assert_allclose(sequence.mixture[..., 3:], 8 * 2 / 1000, rtol=1e-5)


def test_the_layout_of_mpi_inf_3dhp_is_brought_to_ours(tmp_path: Path) -> None:
    names = np.array([f"S1_Seq1_Cam0_{frame:06d}.jpg" for frame in range(2 * FRAMES)])
    arrays = write(tmp_path, imgname=names)
    sequence = source(tmp_path, layout="mpi_inf_3dhp17", image_size=[2048, 2048]).sequences[0].load()
    joints = arrays["S"][:, [14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4], :3]
    np.testing.assert_allclose(sequence.pose_3d, joints - joints[:, :1], atol=1e-6)
    assert (sequence.subject, sequence.action, sequence.camera) == ("S1", "Seq1", "0")


def test_names_of_the_test_set_of_mpi_inf_3dhp_are_a_subject_and_a_frame(tmp_path: Path) -> None:
    names = [f"{subject}_{frame:06d}.jpg" for frame in (3, 1, 2) for subject in ("TS1", "S1/TS6")]
    arrays = write(tmp_path, imgname=np.array(names))
    first, second = source(tmp_path, layout="mpi_inf_3dhp17", image_size=[2048, 2048]).sequences
    assert [(one.subject, one.action, one.camera) for one in (first, second)] == [("TS1", "TS1", ""), ("TS6", "TS6", "")]
    sequence = first.load()
    assert sequence.frame.tolist() == [1, 2, 3]
    hip = cameras.to_pixels(sequence.mixture[:, 0, 0, 1:3], 2048, 2048)
    np.testing.assert_allclose(hip, arrays["part"][[2, 4, 0], 14, :2], atol=1e-3)


@pytest.mark.parametrize("name", ["S1_Seq1_Cam0_{:06d}.jpg", "TS1_{:06d}.jpg"])
def test_image_names_tell_the_joints_of_mpi_inf_3dhp(tmp_path: Path, name: str) -> None:
    write(tmp_path, imgname=np.array([name.format(frame) for frame in range(2 * FRAMES)]))
    found = source(tmp_path, image_size=[2048, 2048])
    named = source(tmp_path, image_size=[2048, 2048], layout="mpi_inf_3dhp17")
    assert found.description["layouts"] == ["mpi_inf_3dhp17"]
    np.testing.assert_array_equal(found.sequences[0].load().mixture, named.sequences[0].load().mixture)


def test_image_names_of_both_data_sets_need_the_layout(tmp_path: Path) -> None:
    names = [f"TS1_{frame}.jpg" for frame in range(5)] + [f"S1_Walk.{CAMERA}_5.jpg"]
    write(tmp_path, imgname=np.array(names))
    with pytest.raises(InputError, match=r"names of Human3\.6M and of MPI-INF-3DHP; .* set 'mmpose3d\.layout'"):
        source(tmp_path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"imgname": np.array(["cat.jpg"] * 6)}, r"imgname 'cat\.jpg': expected names like"),
        ({"imgname": np.array(["TS1_one.jpg"] * 6)}, r"imgname 'TS1_one\.jpg': expected names like .* or TS1_000001\.jpg"),
        (
            {"imgname": np.array([f"TS1_{n}.jpg" for n in range(6)])},
            r"TS1: not a camera of Human3\.6M; set 'mmpose3d\.image_size'",
        ),
        ({"imgname": np.arange(6)}, "imgname: expected a list of names"),
        (
            {"imgname": np.array([f"S1_Walk.1_{n}.jpg" for n in range(6)])},
            "not a camera of Human3.6M; set 'mmpose3d.image_size'",
        ),
        ({"imgname": np.array([f"S1_Walk.{CAMERA}_5.jpg"] * 6)}, "frame 5 is there twice"),
        ({"S": np.zeros((6, 17, 3), np.float32)}, r"S: expected numbers \(6, 17, 4\), got float32 \(6, 17, 3\)"),
        ({"part": np.zeros((5, 17, 3), np.float32)}, r"part: expected numbers \(6, 17, 3\), got float32 \(5, 17, 3\)"),
        (
            {"part": np.zeros((6, 24, 3), np.float32)},
            r"got float32 \(6, 24, 3\); expected are the 17 joints of body3d annotations",
        ),
        ({"S": np.full((6, 17, 4), np.nan)}, "frame [0-9]: a 3D value is not finite"),
        ({"S": np.full((6, 17, 4), 5000.0)}, "more than 100 m away; is the unit right"),
    ],
)
def test_bad_annotations_are_refused_with_their_place(tmp_path: Path, changes: dict, told: str) -> None:
    write(tmp_path, **changes)
    with pytest.raises(InputError, match=rf"a\.npz: .*{told}"):
        source(tmp_path)


def test_detections_of_other_rows_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    np.save(tmp_path / "cpn.npy", np.zeros((5, 17, 3)))
    with pytest.raises(InputError, match=r"cpn\.npy: rows: expected numbers \(6, 17, 3\), got float64 \(5, 17, 3\)"):
        source(tmp_path, detections="cpn.npy")


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", imgname=np.array(["a"]))
    with pytest.raises(InputError, match=r"a\.npz: no array 'part'"):
        source(tmp_path)
