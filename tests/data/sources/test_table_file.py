"""Tables that are read in parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archive_files import people, source_of, table_parquet

from pose_diffusion.data.layouts import H36M_17
from pose_diffusion.data.sources import table_file
from pose_diffusion.data.sources.table_file import Part, parts, read
from pose_diffusion.errors import InputError

RECORDING = (("video", "action"), ("camera",))


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "LARGE", 0)
    monkeypatch.setattr(table_file, "PART_ROWS", 5)


def write(folder: Path, **columns: list) -> str:
    path = str(folder / "table.parquet")
    pq.write_table(pa.table(columns), path, row_group_size=4)
    return path


def bounds(path: str) -> list[tuple[int, int | None]]:
    return [(part.start, part.stop) for part in parts(path, 1, RECORDING)]


def clip_with(folder: Path, frames: int, row_group: int, **columns: list) -> Path:
    """A table of one person in so many frames, with further columns."""
    table_parquet(folder, people(H36M_17, frames=frames, count=1))
    path = folder / "clip.parquet"
    table = pq.read_table(path)
    for name, values in columns.items():
        kept = table.drop_columns([name]) if name in table.column_names else table
        table = kept.append_column(name, pa.array(values))
    pq.write_table(table, path, row_group_size=row_group)
    return path


@pytest.mark.parametrize(
    ("video", "expected"),
    [
        ("aaabbbcccddd", [(0, 6), (6, 12)]),
        ("aaaaaaaaabbb", [(0, 9), (9, 12)]),
        ("bbbaaacccddd", [(0, 6), (6, 12)]),
        ("ababababcccc", [(0, 8), (8, 12)]),  # rows of two that lie between each other
        ("abbbbbcccccca", [(0, None)]),
        ("aaa", [(0, None)]),
    ],
)
def test_a_part_holds_whole_recordings(tmp_path: Path, small_parts: None, video: str, expected: list) -> None:
    assert bounds(write(tmp_path, action=list(video))) == expected


def test_recordings_are_told_apart_by_all_their_columns(tmp_path: Path, small_parts: None) -> None:
    assert bounds(write(tmp_path, video=["a"] * 6 + [None] * 6, camera=[1] * 5 + [2] * 7)) == [(0, 5), (5, 12)]
    assert bounds(write(tmp_path, frame=list(range(12)))) == [(0, None)]


def test_small_files_and_csv_are_read_whole(tmp_path: Path) -> None:
    assert parts(str(tmp_path / "nothing.parquet"), table_file.LARGE - 1, RECORDING) == [
        Part(str(tmp_path / "nothing.parquet"))
    ]
    assert parts(str(tmp_path / "nothing.csv"), table_file.LARGE, RECORDING) == [Part(str(tmp_path / "nothing.csv"))]


@pytest.mark.parametrize(("start", "stop"), [(0, 3), (3, 9), (4, 8), (7, 11), (0, 11)])
def test_a_part_is_read_of_the_row_groups_that_hold_it(tmp_path: Path, start: int, stop: int) -> None:
    path = write(tmp_path, row=list(range(11)), other=[0] * 11)
    table = read(Part(path, start, stop), lambda column: column == "row")
    assert table.to_pydict() == {"row": list(range(start, stop))}


def test_parts_give_the_sequences_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = np.repeat(["a", "b", "c", "d"], [4, 3, 7, 6]).tolist()
    clip_with(tmp_path, 20, 6, video=video, bbox=[[1.0, 2.0]] * 20)
    whole = source_of("table parquet", tmp_path)
    monkeypatch.setattr(table_file, "LARGE", 0)
    monkeypatch.setattr(table_file, "PART_ROWS", 5)
    found = source_of("table parquet", tmp_path)
    assert found.description == whole.description
    assert [clip.action for clip in found.clips] == ["a", "b", "c", "d"]
    for ours, theirs in zip(found.clips, whole.clips, strict=True):
        for name, value in vars(theirs.load()).items():
            np.testing.assert_array_equal(getattr(ours.load(), name), value)


def test_a_video_without_names_among_others_with_some_is_followed(tmp_path: Path) -> None:
    path = clip_with(tmp_path, 4, 4, video=["a", "a", "b", "b"], person=["anna", "anna", None, None])
    assert [clip.subject for clip in source_of("table parquet", path).clips] == ["person anna", "person 0"]


def test_a_bad_row_of_a_part_is_named_and_leaves_out_that_part(tmp_path: Path, small_parts: None) -> None:
    path = clip_with(tmp_path, 12, 4, video=list("aaaaabbbbbbb"), frame=[0, 1, 2, 3, 4, 0, 1, 2.5, 3, 4, 5, 6])
    with pytest.raises(InputError, match=r"clip.parquet, rows 5 to 11: row 7, column 'frame': expected a whole number"):
        source_of("table parquet", path)
    found = source_of("table parquet", path, {"on_error": "skip"})
    assert [clip.action for clip in found.clips] == ["a"]
    assert len(found.skipped) == 1


def test_a_joint_far_outside_is_named_with_the_rows_of_its_part(tmp_path: Path, small_parts: None) -> None:
    path = clip_with(tmp_path, 12, 4, video=list("aaaaabbbbbbb"), Hip_x=[100.0] * 11 + [1e6])
    with pytest.raises(InputError, match=r"clip.parquet, rows 5 to 11: frame 11, person 0: a joint lies far outside"):
        source_of("table parquet", path)


def test_a_large_file_that_is_no_table_is_refused_or_left_out(tmp_path: Path, small_parts: None) -> None:
    clip_with(tmp_path, 6, 4)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(InputError, match=r"bad.parquet: not a table"):
        source_of("table parquet", tmp_path)
    found = source_of("table parquet", tmp_path, {"on_error": "skip"})
    assert len(found.clips) == 1
    assert len(found.skipped) == 1


def test_a_large_file_with_lists_for_names_is_refused(tmp_path: Path, small_parts: None) -> None:
    with pytest.raises(InputError, match=r"table.parquet: column 'camera': expected names or numbers, got list"):
        bounds(write(tmp_path, camera=[["a"]] * 6))


def test_a_file_without_rows_is_refused(tmp_path: Path, small_parts: None) -> None:
    path = clip_with(tmp_path, 2, 2)
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(InputError, match=r"clip.parquet: has no rows"):
        source_of("table parquet", path)


def test_a_file_that_became_shorter_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, row=list(range(11)))
    with pytest.raises(InputError, match=r"table.parquet, rows 8 to 11: the file has changed since it was read first"):
        read(Part(path, 8, 12), lambda _: True)
