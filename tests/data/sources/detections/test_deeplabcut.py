"""DeepLabCut's CSV files as DeepLabCut, pandas and spreadsheets write them."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pose_diffusion.data import schema
from pose_diffusion.data.sequence import PoseSequence, Source
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17
from tests.data.sources.detections.archive_files import HEIGHT, WIDTH, people, source_of

SCORER = "DLC_resnet50_walkMay1shuffle1_1000"
SIZE = [WIDTH, HEIGHT]


def write(
    path: Path,
    points: np.ndarray,
    index: list[str] | None = None,
    individuals: tuple[str, ...] = (),
    parts: tuple[str, ...] = COCO_17.joints,
    index_columns: int = 1,
) -> Path:
    """A CSV of (frames, people, joints, 2 or 3), with empty cells for NaN; several people need names."""
    coordinates = ("x", "y", "likelihood")[: points.shape[-1]]
    cells = [(SCORER, who, part, c) for who in individuals or ("",) for part in parts for c in coordinates]
    columns = dict(zip(("scorer", "individuals", "bodyparts", "coords"), zip(*cells, strict=True), strict=True))
    if not individuals:
        del columns["individuals"]
    header = [[title, *[""] * (index_columns - 1), *names] for title, names in columns.items()]
    rows = [
        [index[t] if index else str(t), *("" if np.isnan(value) else repr(float(value)) for value in frame.ravel())]
        for t, frame in enumerate(points)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join(row) for row in [*header, *rows]) + "\n")
    return path


def pixels(sequence: PoseSequence) -> np.ndarray:
    return (sequence.mixture[:, :, 0, 1:3] + [1, HEIGHT / WIDTH]) * WIDTH / 2


def open_file(path: Path, **keys: object) -> Source:
    return source_of("deeplabcut", path, image_size=SIZE, **keys)


@pytest.fixture
def points() -> np.ndarray:
    return people(COCO_17, frames=5, count=1)


def test_one_person_has_three_header_rows(tmp_path: Path, points: np.ndarray) -> None:
    write(tmp_path / f"walk{SCORER}.csv", points)
    (sequence,) = open_file(tmp_path).sequences
    assert (sequence.action, sequence.rows) == ("walk", 5)
    np.testing.assert_allclose(pixels(sequence.load()), COCO_17.positions(points[:, 0, :, :2]), atol=0.01)


def test_individuals_are_people(tmp_path: Path) -> None:
    points = people(COCO_17, frames=4, count=2)
    write(tmp_path / "walk.csv", points, individuals=("ann", "bob"))
    found = open_file(tmp_path).sequences
    assert [one.subject for one in found] == ["person ann", "person bob"]
    for number, one in enumerate(found):
        np.testing.assert_allclose(pixels(one.load()), COCO_17.positions(points[:, number, :, :2]), atol=0.01)


def test_an_empty_cell_is_a_missing_joint_and_an_empty_row_a_frame_without_anybody(tmp_path: Path, points: np.ndarray) -> None:
    points[1, 0, COCO_17.joints.index("left knee"), 2] = np.nan
    points[3] = np.nan
    source = open_file(write(tmp_path / "walk.csv", points))
    sequence = source.sequences[0].load()
    assert sequence.frame.tolist() == [0, 1, 2, 4]
    assert sequence.confidence is not None and sequence.confidence[1, 5] == 0 and (sequence.confidence == 0).sum() == 1
    assert source.description["counts"]["frames_without_person"] == 1


def test_an_individual_with_other_body_parts_is_left_out_and_said(
    tmp_path: Path, points: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "walk.csv", points, individuals=("ann",))
    corner = ["scorer", "single", "corner1"]
    lines = path.read_text().splitlines()
    extra = [[name] * 3 for name in corner] + [["x", "y", "likelihood"]] + [["1", "2", "0.5"]] * 5
    path.write_text("\n".join(",".join([line, *more]) for line, more in zip(lines, extra, strict=True)))
    with caplog.at_level(logging.WARNING):
        assert [one.subject for one in open_file(path).sequences] == ["person ann"]
    assert "single: body parts corner1" in caplog.text


@pytest.mark.parametrize(
    ("index_columns", "pattern"),
    [(1, "labeled-data/{}/img{:03d}.png"), (3, "labeled-data,{},img{:03d}.png"), (1, "labeled-data\\{}\\img{:03d}.png")],
)
def test_labels_are_a_recording_a_folder_with_frames_of_the_images_numbers(
    tmp_path: Path, points: np.ndarray, index_columns: int, pattern: str
) -> None:
    index = [pattern.format(video, number) for video, number in (("a", 7), ("a", 3), ("b", 3), ("b", 12), ("b", 40))]
    source = open_file(write(tmp_path / "CollectedData_Ann.csv", points[..., :2], index, index_columns=index_columns))
    first, second = (one.load() for one in source.sequences)
    assert (first.action, second.action) == ("a", "b")
    assert (first.frame.tolist(), second.frame.tolist()) == ([3, 7], [3, 12, 40])
    np.testing.assert_allclose(pixels(first), COCO_17.positions(points[[1, 0], 0, :, :2]), atol=0.01)


def test_a_label_is_certain(tmp_path: Path, points: np.ndarray) -> None:
    sequence = open_file(write(tmp_path / "labels.csv", points[..., :2])).sequences[0].load()
    assert sequence.confidence is not None and (sequence.confidence == 1).all()


def test_labels_find_their_images(tmp_path: Path, points: np.ndarray) -> None:
    from PIL import Image

    (tmp_path / "images" / "a").mkdir(parents=True)
    for number in range(5):
        Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "images" / "a" / f"img{number}.png")
    path = write(tmp_path / "labels.csv", points[..., :2], [f"labeled-data/a/img{number}.png" for number in range(5)])
    (sequence,) = source_of("deeplabcut", path, images=str(tmp_path / "images")).sequences
    assert (sequence.load().width, sequence.load().height) == (WIDTH, HEIGHT)


def test_a_filtered_file_replaces_the_one_beside_it(tmp_path: Path, points: np.ndarray) -> None:
    write(tmp_path / f"walk{SCORER}.csv", points)
    write(tmp_path / f"run{SCORER}.csv", points)
    write(tmp_path / f"walk{SCORER}_filtered.csv", points + [5, 0, 0])
    found = {one.action: one.load() for one in open_file(tmp_path).sequences}
    assert sorted(found) == ["run", "walk"]
    np.testing.assert_allclose(pixels(found["walk"]) - pixels(found["run"]), np.broadcast_to([5, 0], (5, 17, 2)), atol=0.01)


def test_a_short_row_without_a_body_part_is_a_frame_without_anybody(tmp_path: Path, points: np.ndarray) -> None:
    points[2] = np.nan
    path = write(tmp_path / "walk.csv", points)
    lines = path.read_text().splitlines()
    lines[5] = lines[5][:-3]
    path.write_text("\n".join(lines))
    assert open_file(path).sequences[0].load().frame.tolist() == [0, 1, 3, 4]


def test_rows_that_are_all_short_are_none(tmp_path: Path, points: np.ndarray) -> None:
    path = write(tmp_path / "walk.csv", points[:1])
    path.write_text("\n".join([*path.read_text().splitlines()[:3], "0,,"]))
    with pytest.raises(InputError, match=r"walk\.csv: has no rows"):
        open_file(path)


@pytest.mark.parametrize("suffix", ["\r\n", "\n"])
def test_line_ends_and_a_byte_order_mark_make_no_difference(tmp_path: Path, points: np.ndarray, suffix: str) -> None:
    path = write(tmp_path / "walk.csv", points)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_text().replace("\n", suffix).encode())
    assert open_file(path).sequences[0].rows == 5


def test_pandas_h5_is_refused_with_the_way_to_a_csv(tmp_path: Path, points: np.ndarray) -> None:
    (tmp_path / "walk.h5").write_bytes(b"\x89HDF\r\n")
    with pytest.raises(InputError, match=r"walk\.h5: .*\.h5 is not read.*save_as_csv=True"):
        open_file(tmp_path)
    write(tmp_path / "walk.csv", points)
    assert [one.rows for one in open_file(tmp_path).sequences] == [5]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scorer", "frame", r"expected DeepLabCut's header rows scorer.*they begin 'frame', 'bodyparts', 'coords'"),
        ("coords,x,y,likelihood", "coords,x,y,z", "nose has x, y and z: a result in 3D"),
        ("coords,x,y,likelihood", "coords,x,x,likelihood", "nose x is there twice"),
        ("coords,x,y,likelihood", "coords,x,up,likelihood", "nose: expected columns x and y, got x, up, likelihood"),
        ("bodyparts,nose", 'bodyparts,"no\nse"', "header row|is no name"),
        ("bodyparts,nose", "bodyparts,no\x07se", r"'no\\x07se' is no name"),
        ("bodyparts,nose", "bodyparts,nose,nose", "header rows of 53 and 52 columns"),
        ("\n2,", "\nsecond,", "row 2 after the header: expected a frame number or an image's path, got 'second'"),
        ("\n2,", "\n-2,", "row 2 after the header: expected a frame number"),
        ("\n2,", "\n1.5,", "row 2 after the header: expected a frame number"),
        ("\n2,", "\n1,", r"frame 1 has person 0 twice"),
        ("\n2,", "\n2,here", r"nose x: expected numbers, got 'here"),
        ("\n2,", "\n2,7,", r"not a CSV \(CSV parse error: .*Expected 52 columns, got 53"),
    ],
)
def test_what_is_not_deeplabcuts_is_refused(tmp_path: Path, points: np.ndarray, old: str, new: str, message: str) -> None:
    path = write(tmp_path / "walk.csv", points)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message) as error:
        open_file(path)
    assert "walk.csv" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b"\n\n\n\n", b"scorer,a\nbodyparts,b\ncoords,x\n", b"scorer\nbodyparts\ncoords\n0\n", b"\xff\xfe"]
)
def test_a_file_without_numbers_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "walk.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"walk\.csv"):
        open_file(tmp_path)


def test_a_header_without_rows_is_refused(tmp_path: Path, points: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"walk\.csv"):
        open_file(write(tmp_path / "walk.csv", points[:0]))


def test_a_file_in_which_nobody_is_found_is_refused(tmp_path: Path, points: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"walk\.csv: no person in any frame"):
        open_file(write(tmp_path / "walk.csv", np.full_like(points, np.nan)))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(b',\n"/.-0a\xff\x00')), max_size=4),
    cut=st.integers(0, 3000),
)
def test_mutated_and_cut_labels_give_poses_or_one_line(tmp_path: Path, changes: list[tuple[int, int]], cut: int) -> None:
    points = people(COCO_17, frames=2, count=2)[..., :2]
    path = write(tmp_path / "labels.csv", points, ["labeled-data/a/1.png", "labeled-data/a/2.png"], ("ann", "bob"))
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(content[: len(content) - cut])
    try:
        for one in open_file(path).sequences:
            schema.check_rows(schema.to_table(one.load()), "labels")
    except InputError as error:
        assert "\n" not in str(error)
