"""SLEAP's analysis exports as SLEAP and sleap-io write them."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pose_diffusion.data import schema
from pose_diffusion.data.sequence import PoseSequence, Source
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17
from tests.data.sources.detections.archive_files import HEIGHT, WIDTH, people, sleap_csv, source_of

SIZE = [WIDTH, HEIGHT]
STANDARD = ("frame", "track", "node", "xy")
AXES = {"matlab": ("track", "xy", "node", "frame"), "standard": STANDARD}


def write(
    folder: Path, points: np.ndarray, preset: str = "matlab", scores: bool = True, tracks: int | None = None,
    dims: bool = False, occupancy: bool = True,
) -> Path:  # fmt: skip
    """An HDF5 of (frames, people, joints, 3). tracks: how many of them have a name. dims: whether axes are named."""
    axes = AXES[preset]
    names = [f"track_{n}".encode() for n in range(points.shape[1] if tracks is None else tracks)]
    path = folder / "clip.analysis.h5"
    with h5py.File(path, "w") as file:
        file["node_names"] = np.array([joint.title().replace(" ", "").encode() for joint in COCO_17.joints])
        file["track_names"] = np.array(names) if names else np.zeros(0)
        order = [STANDARD.index(axis) for axis in axes]
        file.create_dataset("tracks", data=points[..., :2].transpose(order), compression="gzip")
        if occupancy:
            file["track_occupancy"] = (~np.isnan(points[..., 0]).all(-1)).astype(np.uint8)
        if scores:
            of_scores = [axis for axis in axes if axis != "xy"]
            file["point_scores"] = points[..., 2].transpose([STANDARD.index(axis) for axis in of_scores])
        if dims:
            file["tracks"].attrs["dims"] = json.dumps(axes)
            if scores:
                file["point_scores"].attrs["dims"] = json.dumps(of_scores)
    return path


def pixels(sequence: PoseSequence) -> np.ndarray:
    return (sequence.mixture[:, :, 0, 1:3] + [1, HEIGHT / WIDTH]) * WIDTH / 2


def open_file(path: Path, **keys: object) -> Source:
    return source_of("sleap", path, image_size=SIZE, **keys)


def assert_read(source: Source, points: np.ndarray, names: tuple[str, ...]) -> None:
    assert [one.subject for one in source.sequences] == [f"person {name}" for name in names]
    for number, one in enumerate(source.sequences):
        np.testing.assert_allclose(pixels(one.load()), COCO_17.positions(points[:, number, :, :2]), atol=0.01)


@pytest.fixture
def points() -> np.ndarray:
    return people(COCO_17, frames=5, count=2)


@pytest.mark.parametrize(("preset", "dims"), [("matlab", False), ("standard", False), ("standard", True)])
@pytest.mark.parametrize("scores", [True, False])
def test_tracks_are_read_in_both_orders_of_axes(
    tmp_path: Path, points: np.ndarray, preset: str, dims: bool, scores: bool
) -> None:
    source = open_file(write(tmp_path, points, preset, scores=scores, dims=dims))
    assert_read(source, points, ("track_0", "track_1"))
    confidence = source.sequences[1].load().confidence
    expected = COCO_17.confidence(points[:, 1, :, 2]) if scores else np.ones((5, 17))
    assert confidence is not None
    np.testing.assert_allclose(confidence, expected, atol=1e-6)


@pytest.mark.parametrize("preset", ["matlab", "standard"])
def test_two_tracks_in_two_frames_are_told_from_each_other_by_the_occupancy(tmp_path: Path, preset: str) -> None:
    points = people(COCO_17, frames=2, count=2)
    points[1, 1] = np.nan
    wide = np.concatenate([points, points[:1]]) if preset == "standard" else points
    source = open_file(write(tmp_path, wide, preset))
    assert [one.rows for one in source.sequences] == ([3, 2] if preset == "standard" else [2, 1])


def test_a_file_without_occupancy_is_read(tmp_path: Path, points: np.ndarray) -> None:
    assert_read(open_file(write(tmp_path, points, occupancy=False)), points, ("track_0", "track_1"))


def test_nan_is_missing_and_a_node_without_a_score_was_placed_by_a_person(tmp_path: Path, points: np.ndarray) -> None:
    points[2] = np.nan
    points[1, 0, COCO_17.joints.index("left knee"), :2] = np.nan
    points[3, 0, :, 2] = np.nan
    source = open_file(write(tmp_path, points))
    sequence = source.sequences[0].load()
    assert sequence.frame.tolist() == [0, 1, 3, 4]
    assert sequence.confidence is not None
    assert sequence.confidence[1, 5] == 0 and (sequence.confidence == 0).sum() == 1 and (sequence.confidence[2] == 1).all()
    assert source.description["counts"]["frames_without_person"] == 1


def test_one_person_without_a_track_is_one_person(tmp_path: Path, points: np.ndarray) -> None:
    assert_read(open_file(write(tmp_path, points[:, :1], tracks=0)), points[:, :1], ("0",))


def test_people_without_tracks_are_followed(tmp_path: Path, points: np.ndarray) -> None:
    swapped = points.copy()
    swapped[2:] = points[2:, ::-1]
    found = open_file(write(tmp_path, swapped, tracks=0)).sequences
    assert [one.rows for one in found] == [5, 5]
    for number, one in enumerate(found):
        np.testing.assert_allclose(pixels(one.load()), COCO_17.positions(points[:, number, :, :2]), atol=0.01)


def test_tracks_of_the_same_name_stay_apart(tmp_path: Path, points: np.ndarray) -> None:
    path = write(tmp_path, points)
    with h5py.File(path, "a") as file:
        file["track_names"][1] = b"track_0"
    assert_read(open_file(path), points, ("0", "1"))


def test_of_both_exports_of_a_video_one_is_read(tmp_path: Path, points: np.ndarray) -> None:
    write(tmp_path, points)
    sleap_csv(tmp_path, points)
    assert [(one.action, one.rows) for one in open_file(tmp_path).sequences] == [("clip", 5)] * 2


def test_a_csv_without_tracks_and_scores_is_one_certain_person(tmp_path: Path, points: np.ndarray) -> None:
    sleap_csv(tmp_path, points[:, :1])
    path = tmp_path / "clip.analysis.csv"
    header, *rows = (line.split(",") for line in path.read_text().splitlines())
    blank = [number for number, name in enumerate(header) if name == "track" or name.endswith(".score")]
    for row in rows:
        for number in blank:
            row[number] = "nan" if header[number] == "instance.score" else ""
    path.write_text("\n".join(",".join(row) for row in [header, *rows]))
    source = open_file(path)
    assert_read(source, points[:, :1], ("0",))
    confidence = source.sequences[0].load().confidence
    assert confidence is not None and (confidence == 1).all()


def test_people_of_a_csv_without_tracks_are_followed(tmp_path: Path, points: np.ndarray) -> None:
    sleap_csv(tmp_path, points)
    path = tmp_path / "clip.analysis.csv"
    path.write_text(path.read_text().replace("track_0,", ",").replace("track_1,", ","))
    assert [one.rows for one in open_file(path).sequences] == [5, 5]


def test_an_empty_node_of_a_csv_is_missing(tmp_path: Path, points: np.ndarray) -> None:
    sleap_csv(tmp_path, points[:, :1])
    path = tmp_path / "clip.analysis.csv"
    lines = path.read_text().splitlines()
    lines[2] = ",".join([*lines[2].split(",")[:-3], "", "", ""])
    path.write_text("\n".join(lines))
    confidence = open_file(path).sequences[0].load().confidence
    assert confidence is not None and np.argwhere(confidence == 0).tolist() == [[1, 3]]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("frame_idx", "frame", r"expected columns track, frame_idx, .*; got track, frame, instance\.score"),
        ("nose.x", "snout.x", r"of coco17's 17 joints are missing: nose; set 'sleap\.joints'"),
        ("nose.y", "nose.x", r"column 'nose\.x' is there twice"),
        ("track_0,2,", "track_0,2.5,", r"row 2, column 'frame_idx': expected a whole number"),
        ("track_0,2,", "track_0,,", r"row 2, column 'frame_idx': expected a whole number"),
        ("track_0,2,0.9,", "track_0,2,0.9,left", r"column 'nose\.x': expected numbers, got string 'left"),
        ("track_0,2,", "track_0,1,", r"frame 1 has person track_0 twice"),
    ],
)
def test_what_is_not_sleaps_csv_is_refused(tmp_path: Path, points: np.ndarray, old: str, new: str, message: str) -> None:
    sleap_csv(tmp_path, points[:, :1])
    path = tmp_path / "clip.analysis.csv"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=message) as error:
        open_file(path)
    assert "clip.analysis.csv" in str(error.value) and "\n" not in str(error.value)


def test_a_csv_without_rows_is_refused(tmp_path: Path, points: np.ndarray) -> None:
    sleap_csv(tmp_path, points[:0])
    with pytest.raises(InputError, match=r"clip\.analysis\.csv: has no rows"):
        open_file(tmp_path)


def test_a_project_is_refused_with_the_way_to_an_export(tmp_path: Path) -> None:
    (tmp_path / "labels.slp").write_bytes(b"\x89HDF\r\n")
    with pytest.raises(InputError, match=r"labels\.slp: a project of SLEAP.*Export Analysis HDF5"):
        open_file(tmp_path)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("tracks", None, r"expected SLEAP's analysis export with tracks and node_names, got node_names, point_scores"),
        ("tracks", np.zeros((2, 2, 16, 5)), r"tracks \(2, 2, 16, 5\): expected \(tracks, 2, 17 nodes, frames\) or"),
        ("tracks", np.zeros((2, 2, 17)), r"tracks: expected numbers \(tracks, 2, nodes, frames\), got float64 \(2, 2, 17\)"),
        ("tracks", np.zeros((2, 2, 17, 5), "S3"), r"tracks: expected numbers"),
        ("tracks", np.full((2, 2, 17, 5), np.nan), r"no person in any frame"),
        (
            "tracks",
            np.full((2, 2, 17, 5), np.inf),
            r"frame 0, person track_0: a coordinate or confidence is not a finite number",
        ),
        ("point_scores", np.ones((2, 17, 4)), r"point_scores \(2, 17, 4\) do not fit tracks \(2, 2, 17, 5\)"),
        ("point_scores", np.ones(3), r"point_scores \(3,\) do not fit"),
        ("point_scores", np.full((2, 17, 5), -1.0), r"a confidence is negative"),
        ("node_names", np.arange(17), r"node_names: expected names, got int64"),
        ("node_names", np.array([b"le\ng"] * 17), r"node_names: 'le\\ng' is no name"),
        ("node_names", np.array([b"\xff"] * 17), r"node_names: not UTF-8 text"),
        ("node_names", np.array([f"leg{n}".encode() for n in range(17)]), r"missing: nose, left eye.*'sleap\.joints'"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, points: np.ndarray, name: str, values: np.ndarray | None, message: str
) -> None:
    path = write(tmp_path, points)
    with h5py.File(path, "a") as file:
        del file[name]
        if values is not None:
            file[name] = values
    with pytest.raises(InputError, match=message) as error:
        open_file(path)
    assert "clip.analysis.h5" in str(error.value) and "\n" not in str(error.value)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6),
    cut=st.one_of(st.just(0), st.integers(0, 20_000)),
)
def test_mutated_and_cut_files_give_poses_or_one_line(tmp_path: Path, changes: list[tuple[int, int]], cut: int) -> None:
    path = write(tmp_path, people(COCO_17, frames=3, count=2), dims=True)
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(content[: max(len(content) - cut, 0)])
    try:
        for one in open_file(path).sequences:
            schema.check_rows(schema.to_table(one.load()), "clip")
    except InputError as error:
        assert "\n" not in str(error)
