"""The columns of a table under the names that people give them: of frames and pictures, of people, sizes and confidences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import H36M_17
from tests.data.sources.detections.archive_files import HEIGHT, WIDTH, people, sequences, source_of, table_parquet

FRAMES = 4
PICTURES = [f"walk/{number}.jpg" for number in range(FRAMES)]


def write(folder: Path, count: int = 1) -> Path:
    table_parquet(folder, people(H36M_17, FRAMES, count))
    return folder / "clip.parquet"


def rename(path: Path, **names: str) -> None:
    table = pq.read_table(path)
    pq.write_table(table.rename_columns([names.get(name, name) for name in table.column_names]), path)


def with_pictures(path: Path, column: str, pictures: list[str], *drop: str) -> None:
    """Names of pictures in place of frame numbers."""
    table = pq.read_table(path).drop_columns(["frame", *drop])
    pq.write_table(table.append_column(column, pa.array(pictures)), path)


@pytest.mark.parametrize("column", ["frame_id", "frame_number", "frame_no", "frame_num", "frame_idx", "frame_index"])
def test_the_frame_column_has_many_names(tmp_path: Path, column: str) -> None:
    rename(write(tmp_path), frame=column)
    (sequence,) = sequences("table parquet", tmp_path)
    assert sequence.frame.tolist() == list(range(FRAMES))


def test_a_column_frame_comes_before_the_others(tmp_path: Path) -> None:
    path = write(tmp_path)
    pq.write_table(pq.read_table(path).append_column("frame_id", pa.array(["a", "b", "c", "d"])), path)
    assert sequences("table parquet", tmp_path)[0].frame.tolist() == list(range(FRAMES))


@pytest.mark.parametrize("column", ["filename", "file_name", "image_name", "image"])
def test_frames_are_numbered_by_the_names_of_pictures(tmp_path: Path, column: str) -> None:
    with_pictures(write(tmp_path), column, ["walk/12.jpg", "walk/10.jpg", "walk/9.jpg", "walk/11.jpg"])
    points = people(H36M_17, FRAMES, 1)[:, 0, :, :2] * 2 / WIDTH - [1, HEIGHT / WIDTH]
    (sequence,) = sequences("table parquet", tmp_path)
    assert sequence.frame.tolist() == [9, 10, 11, 12]
    np.testing.assert_allclose(sequence.mixture[:, :, 0, 1:3], points[[2, 1, 3, 0]], atol=2e-6)


def test_pictures_are_not_read_where_frames_have_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path)
    pq.write_table(pq.read_table(path).append_column("image", pa.array([b"\xff\xd8"] * FRAMES)), path)
    asked: list[str] = []
    read = pq.ParquetFile.read

    def recorded(file: pq.ParquetFile, columns: list[str]) -> pa.Table:
        asked.extend(columns)
        return read(file, columns)

    monkeypatch.setattr(pq.ParquetFile, "read", recorded)
    sequences("table parquet", tmp_path)
    assert "frame" in asked
    assert "image" not in asked


def test_numbering_by_pictures_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with_pictures(write(tmp_path), "filename", PICTURES)
    sequences("table parquet", tmp_path)
    assert "frames are numbered by the names in the column 'filename', and are read as one video's" in caplog.text


def test_sizes_are_read_from_the_pictures_that_the_table_names(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    with_pictures(write(folder), "filename", PICTURES, "width", "height")
    for name in PICTURES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / name)
    (sequence,) = sequences("table parquet", folder, images=str(tmp_path))
    assert (sequence.width, sequence.height) == (WIDTH, HEIGHT)


def test_a_recording_in_two_files_keeps_the_names_of_its_pictures(tmp_path: Path) -> None:
    path = write(tmp_path)
    with_pictures(path, "filename", PICTURES)
    table = pq.read_table(path).append_column("video", pa.array(["walk"] * FRAMES))
    pq.write_table(table.slice(0, 2), path)
    pq.write_table(table.slice(2), tmp_path / "more.parquet")
    (sequence,) = sequences("table parquet", tmp_path)
    assert sequence.frame.tolist() == list(range(FRAMES))


@pytest.mark.parametrize("column", ["tracking_id", "person_id", "track_id"])
def test_people_are_told_apart_by_ids_under_other_names(tmp_path: Path, column: str) -> None:
    rename(write(tmp_path, count=2), person=column)
    source = source_of("table parquet", tmp_path)
    assert (source.description["tracking"], len(source.sequences)) == ("ids in the file", 2)


@pytest.mark.parametrize("kind", ["frame", "image"])
def test_the_image_size_has_many_names(tmp_path: Path, kind: str) -> None:
    rename(write(tmp_path), width=f"{kind}_width", height=f"{kind}_height")
    (sequence,) = sequences("table parquet", tmp_path)
    assert (sequence.width, sequence.height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("word", ["conf", "prob"])
def test_a_joint_without_confidence_under_another_name_is_missing(tmp_path: Path, word: str) -> None:
    path = write(tmp_path)
    table = pq.read_table(path)
    place = table.column_names.index("LKnee_confidence")
    table = table.set_column(place, f"LKnee_{word}", pa.array([0.0, 1.0, 1.0, 1.0]))
    pq.write_table(table, path)
    assert source_of("table parquet", tmp_path).description["counts"]["joints_missing"] == 1


def test_pictures_with_the_same_number_are_refused(tmp_path: Path) -> None:
    with_pictures(write(tmp_path), "filename", ["run/1.jpg", "walk/1.jpg", "walk/2.jpg", "walk/3.jpg"])
    with pytest.raises(InputError, match=r"column 'filename': two names have the number of 'run/1.jpg'; add a column 'frame'"):
        source_of("table parquet", tmp_path)


def test_a_picture_without_a_number_is_refused(tmp_path: Path) -> None:
    with_pictures(write(tmp_path), "filename", ["walk/a.jpg", *PICTURES[1:]])
    with pytest.raises(InputError, match=r"clip.parquet: column 'filename': expected a frame number or a name with one"):
        source_of("table parquet", tmp_path)


def test_a_table_without_frames_and_pictures_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    pq.write_table(pq.read_table(path).drop_columns(["frame"]), path)
    with pytest.raises(InputError, match=r"no column 'frame' with the frame's number, nor 'filename' with the picture's name"):
        source_of("table parquet", tmp_path)


def test_a_recording_numbered_in_two_ways_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    numbered = pq.read_table(path).append_column("video", pa.array(["walk"] * FRAMES))
    pq.write_table(numbered, path)
    pictures = numbered.drop_columns(["frame"]).append_column("filename", pa.array(PICTURES))
    pq.write_table(pictures, tmp_path / "more.parquet")
    with pytest.raises(InputError, match=r"more.parquet: walk begins in .*clip.parquet with other columns"):
        source_of("table parquet", tmp_path)
