"""Tables that are read in parts, and recordings that go on in the next file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from uploads import upload

from pose_diffusion.config import TableConfig
from pose_diffusion.data.sequence import Source
from pose_diffusion.data.sources.detections.tables import columns, file_index, table
from pose_diffusion.data.sources.detections.tables.file_index import Span, index_file
from pose_diffusion.data.sources.detections.tables.table_parts import PART_ROWS, plan_parts
from pose_diffusion.data.sources.inputs import Inputs
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, H36M_17
from pose_diffusion.runtime.executor import LocalExecutor
from tests.data.sources.detections.archive_files import HEIGHT, WIDTH, people, table_parquet

KEYS = (("video", "action"), ("camera",))
SMALL = 5  # rows of a part


def write(folder: Path, **values: list) -> str:
    path = str(folder / "table.parquet")
    pq.write_table(pa.table(values), path, row_group_size=4)
    return path


def table_source(path: Path | str, part_rows: int = PART_ROWS, on_error: Literal["fail", "skip"] = "fail") -> Source:
    return table.open_source(Inputs(str(path), on_error=on_error), TableConfig(), LocalExecutor(), part_rows)


def bounds(*paths: str, part_rows: int = SMALL) -> list[list[tuple]]:
    """Of each part its ranges, as the file's name with start and stop, and 'only' where rows of others lie between."""
    parts = plan_parts([index_file(path, KEYS, (Path(path).stem, "")) for path in paths], part_rows)
    return [[*((Path(r.path).stem, r.start, r.stop) for r in part.ranges), *(["only"] if part.only else [])] for part in parts]


def clip_with(folder: Path, frames: int, row_group: int, **changed: list | None) -> Path:
    """A table of one person in so many frames, with further or without some columns."""
    table_parquet(folder, people(H36M_17, frames=frames, count=1))
    path = folder / "clip.parquet"
    rows = pq.read_table(path)
    for name, values in changed.items():
        kept = rows.drop_columns([name]) if name in rows.column_names else rows
        rows = kept if values is None else kept.append_column(name, pa.array(values))
    pq.write_table(rows, path, row_group_size=row_group)
    return path


def in_files(path: Path, *rows: list[int], suffix: str = ".parquet") -> Path:
    """A folder of files, each of some rows of the table."""
    whole = pq.read_table(path)
    folder = path.parent / f"files{suffix}"
    folder.mkdir()
    for number, chosen in enumerate(rows):
        if suffix == ".csv":
            pyarrow.csv.write_csv(whole.take(chosen), folder / f"part-{number}.csv")
        else:
            pq.write_table(whole.take(chosen), folder / f"part-{number}.parquet", row_group_size=3)
    return folder


def assert_same(found, expected) -> None:
    assert found.description == expected.description
    pairs = [sorted(source.sequences, key=lambda clip: (clip.action, clip.subject)) for source in (found, expected)]
    for ours, theirs in zip(*pairs, strict=True):
        assert (ours.subject, ours.action, ours.camera, ours.rows) == (
            theirs.subject,
            theirs.action,
            theirs.camera,
            theirs.rows,
        )
        for name, value in vars(theirs.load()).items():
            np.testing.assert_array_equal(getattr(ours.load(), name), value)


@pytest.mark.parametrize(
    ("video", "expected"),
    [
        ("aaabbbcccddd", [[("table", 0, 6)], [("table", 6, 12)]]),
        ("aaaaaaaaabbb", [[("table", 0, 9)], [("table", 9, 12)]]),
        ("bbbaaacccddd", [[("table", 0, 6)], [("table", 6, 12)]]),
        ("ababababcccc", [[("table", 0, 8)], [("table", 8, 12)]]),  # rows of two that lie between each other
        ("abbbbbcccccca", [[("table", 0, None), "only"], [("table", 6, 12)]]),
        ("aaa", [[("table", 0, None)]]),
    ],
)
def test_a_part_holds_whole_recordings(tmp_path: Path, video: str, expected: list) -> None:
    assert bounds(write(tmp_path, action=list(video))) == expected


def test_recordings_are_told_apart_by_all_their_columns(tmp_path: Path) -> None:
    named = write(tmp_path, video=["a"] * 6 + [None] * 6, camera=[1] * 5 + [2] * 7)
    assert bounds(named) == [[("table", 0, 5)], [("table", 5, 12)]]
    assert bounds(write(tmp_path, frame=list(range(12)))) == [[("table", 0, None)]]


def test_rows_without_a_name_belong_to_the_recording_that_is_named_like_their_file(tmp_path: Path) -> None:
    index = index_file(write(tmp_path, video=["table", None, "table", "b"]), KEYS, ("table", ""))
    assert index.spans == {("table", ""): Span(0, 3, 3), ("b", ""): Span(3, 4, 1)}


def test_parts_end_with_their_files_unless_a_recording_goes_on(tmp_path: Path) -> None:
    videos = {"a": "vvww", "b": "wwxx", "c": "yyyy"}
    for name, video in videos.items():
        pq.write_table(pa.table({"video": list(video)}), tmp_path / f"{name}.parquet")
    assert bounds(*(str(tmp_path / f"{name}.parquet") for name in videos), part_rows=100) == [
        [("a", 0, None), ("b", 0, 2)],
        [("b", 2, 4)],
        [("c", 0, None)],
    ]


def test_rows_in_no_order_are_read_a_few_times_and_not_for_each_part(tmp_path: Path) -> None:
    video = np.random.default_rng(0).permutation(np.repeat(np.arange(100), 5)).tolist()
    found = bounds(write(tmp_path, video=video))
    assert 4 <= len(found) <= 8
    assert all(part[-1] == "only" for part in found)


def test_recordings_that_begin_in_one_file_and_go_on_in_all_are_read_a_few_times(tmp_path: Path) -> None:
    paths = []
    for number in range(30):
        paths.append(str(tmp_path / f"{number:02}.parquet"))
        pq.write_table(pa.table({"video": 2 * list(range(number + 1))}), paths[-1])
    indices = [index_file(path, KEYS, ("", "")) for path in paths]
    rows = {index.path: index.rows for index in indices}
    ranges = [one for part in plan_parts(indices, SMALL) for one in part.ranges]
    read = sum((rows[one.path] if one.stop is None else one.stop) - one.start for one in ranges)
    assert read <= 8 * sum(rows.values())


def test_a_part_of_a_csv_begins_at_the_last_known_offset_before_it(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("video\n" + "\n".join(str(row // 5) for row in range(25)))
    index = index_file(str(path), KEYS, ("table", ""), block_bytes=16)  # 8 rows
    assert [(rows.start, rows.offset) for part in plan_parts([index], SMALL) for rows in part.ranges] == [
        (0, (0, 6)),
        (5, (0, 6)),
        (10, (8, 22)),
        (15, (8, 22)),
        (20, (16, 38)),
    ]


def test_parts_give_the_sequences_of_the_whole(tmp_path: Path) -> None:
    video = np.repeat(["a", "b", "c", "d"], [4, 3, 7, 6]).tolist()
    clip_with(tmp_path, 20, 6, video=video, bbox=[[1.0, 2.0]] * 20)
    whole = table_source(tmp_path)
    assert_same(table_source(tmp_path, SMALL), whole)
    assert [clip.action for clip in whole.sequences] == ["a", "b", "c", "d"]


ORDERS = {
    "one after another": [range(9), range(9, 14), range(14, 20)],
    "a video in three files": [range(5), range(5, 6), range(6, 20)],
    "in no order": np.split(np.random.default_rng(1).permutation(20), [7, 12]),
}


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_recording_goes_on_in_the_next_file(tmp_path: Path, order: str, suffix: str) -> None:
    video = np.repeat(["a", "b", "c", "d"], [4, 3, 7, 6]).tolist()
    path = clip_with(tmp_path, 20, 6, video=video, person=["anna"] * 20)
    whole = table_source(path)
    found = table_source(in_files(path, *map(list, ORDERS[order]), suffix=suffix), SMALL)
    assert_same(found, whole)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_files_on_s3_are_read_as_those_here(tmp_path: Path, s3_bucket: str, suffix: str) -> None:
    path = clip_with(tmp_path, 20, 6, video=list("aaaabbbbcccccccddddd"), person=["anna"] * 20)
    folder = in_files(path, list(range(6)), list(range(6, 20)), suffix=suffix)
    upload(folder, f"{s3_bucket}/in")
    assert_same(table_source(f"{s3_bucket}/in", SMALL), table_source(folder))
    assert_same(table_source(f"{s3_bucket}/in/part-1{suffix}", SMALL), table_source(folder / f"part-1{suffix}"))


def test_folders_name_what_columns_do_not(tmp_path: Path) -> None:
    path = clip_with(tmp_path, 12, 4)
    for folder, rows in {"video=a%20b/camera=1": [[0, 1, 2], [3, 4, 5]], "video=c/camera=1": [[6, 7, 8, 9, 10, 11]]}.items():
        for number, chosen in enumerate(rows):
            (tmp_path / "hive" / folder).mkdir(parents=True, exist_ok=True)
            pq.write_table(pq.read_table(path).take(chosen), tmp_path / "hive" / folder / f"part-{number}.parquet")
    found = table_source(tmp_path / "hive")
    assert [(clip.action, clip.camera, clip.rows) for clip in found.sequences] == [("a b", "1", 6), ("c", "1", 6)]


def test_people_without_names_are_followed_across_files(tmp_path: Path) -> None:
    path = clip_with(tmp_path, 20, 6, video=["a"] * 20, person=None)
    found = table_source(in_files(path, list(range(11)), list(range(11, 20))))
    assert [(clip.subject, clip.action, clip.rows) for clip in found.sequences] == [("person 0", "a", 20)]


def test_a_frame_in_two_files_with_nothing_to_tell_its_people_apart_is_refused(tmp_path: Path) -> None:
    path = clip_with(tmp_path, 6, 6, video=["a"] * 6, person=None)
    folder = in_files(path, [0, 1, 2, 3], [3, 4, 5])
    with pytest.raises(InputError, match=r"part-1.parquet: frame 3 of a is in another file too; expected a column 'person'"):
        table_source(folder)
    pq.write_table(pq.read_table(path).drop_columns(["video"]), folder / "other.parquet")
    found = table_source(folder, on_error="skip")
    assert [clip.action for clip in found.sequences] == ["other"]
    assert len(found.skipped) == 1


def test_a_person_who_is_in_a_frame_of_two_files_is_refused(tmp_path: Path) -> None:
    path = clip_with(tmp_path, 6, 6, video=["a"] * 6, person=["anna"] * 6)
    folder = in_files(path, [0, 1, 2, 3], [3, 4, 5])
    with pytest.raises(InputError, match=r"part-0.parquet and .*part-1.parquet: frame 3 has person anna twice"):
        table_source(folder)


def test_files_of_one_recording_must_have_the_same_joints(tmp_path: Path) -> None:
    path = clip_with(tmp_path, 6, 6, video=["a"] * 6, person=["anna"] * 6)
    folder = in_files(path, [0, 1, 2], [3, 4, 5])
    other = pa.table({f"{joint}_{axis}": [5.0] for joint in COCO_17.joints for axis in "xy"} | {"frame": [9], "video": ["a"]})
    pq.write_table(other, folder / "part-2.parquet")
    with pytest.raises(InputError, match=r"part-2.parquet: a begins in .*part-0.parquet with other columns"):
        table_source(folder)


@pytest.mark.parametrize(("part_rows", "where"), [(100, ""), (5, ", rows 5 to 11")])
def test_a_bad_frame_number_is_named_as_in_its_file_and_leaves_out_its_recording(
    tmp_path: Path, part_rows: int, where: str
) -> None:
    path = clip_with(tmp_path, 12, 4, video=list("aaaaabbbbbbb"), frame=[0, 1, 2, 3, 4, 0, 1, 2.5, 3, 4, 5, 6])
    with pytest.raises(InputError, match=rf"clip.parquet{where}: row 7, column 'frame': expected a whole number"):
        table_source(path, part_rows)
    found = table_source(path, part_rows, on_error="skip")
    assert [clip.action for clip in found.sequences] == ["a"]
    assert len(found.skipped) == 1


def test_a_joint_far_outside_is_named_with_the_rows_of_its_part(tmp_path: Path) -> None:
    path = clip_with(tmp_path, 12, 4, video=list("aaaaabbbbbbb"), Hip_x=[100.0] * 11 + [1e6])
    with pytest.raises(InputError, match=r"clip.parquet, rows 5 to 11: frame 11, person 0: a joint lies far outside"):
        table_source(path, SMALL)


@pytest.mark.parametrize(("coordinates", "scale", "offset"), [("unit", 1, 0), ("symmetric", 2, -1)])
def test_shares_of_the_image_are_read_by_the_key_that_the_refusal_names(
    tmp_path: Path, coordinates: Literal["unit", "symmetric"], scale: int, offset: int
) -> None:
    path = clip_with(tmp_path, 4, 4)
    expected = table_source(path).sequences[0].load()
    rows = pq.read_table(path)
    for place, name in enumerate(rows.column_names):
        if name.endswith(("_x", "_y")):
            shares = rows[name].to_numpy() / (WIDTH if name.endswith("_x") else HEIGHT)
            rows = rows.set_column(place, name, pa.array(shares * scale + offset))
    pq.write_table(rows, path)
    with pytest.raises(InputError, match=r"expected pixels, not shares of the image; set 'table.coordinates=unit'"):
        table_source(path)
    found = table.open_source(Inputs(str(path)), TableConfig(coordinates=coordinates), LocalExecutor()).sequences[0].load()
    np.testing.assert_allclose(found.mixture, expected.mixture, atol=1e-5)


def test_a_table_without_all_joints_of_a_layout_is_refused_with_those_that_it_has(tmp_path: Path) -> None:
    values = {f"{joint}_{axis}": [5.0] for joint in ("left_knee", "right_knee") for axis in "xy"}
    pq.write_table(pa.table({"frame": [1], **values}), tmp_path / "a.parquet")
    with pytest.raises(
        InputError,
        match=r"no columns '<joint>_x' for all joints of h36m17 .* of left_knee, right_knee; add the others",
    ):
        table_source(tmp_path)


def test_a_file_that_is_no_table_is_refused_or_left_out(tmp_path: Path) -> None:
    clip_with(tmp_path, 6, 4)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(InputError, match=r"bad.parquet: not a table"):
        table_source(tmp_path)
    found = table_source(tmp_path, on_error="skip")
    assert len(found.sequences) == 1
    assert len(found.skipped) == 1


def test_lists_for_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"table.parquet: column 'camera': expected names or numbers, got list"):
        bounds(write(tmp_path, camera=[["a"]] * 6))


@pytest.mark.parametrize("column", ["video", "note"])
def test_a_file_without_rows_is_refused(tmp_path: Path, column: str) -> None:
    path = clip_with(tmp_path, 2, 2, **{column: ["a", "a"]})
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(InputError, match=r"clip.parquet: has no rows"):
        table_source(path)


def test_a_video_without_names_among_others_with_some_is_followed(tmp_path: Path) -> None:
    path = clip_with(tmp_path, 4, 4, video=["a", "a", "b", "b"], person=["anna", "anna", None, None])
    assert [clip.subject for clip in table_source(path).sequences] == ["person anna", "person 0"]


def test_columns_of_millions_of_names_each_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their product would not fit into 64 bits."""
    codes = {"video": [1, 1, 2_999_999, 1], "camera": [5, 5, 1, 2_999_999], "person": [7, 7, 7, 7]}
    monkeypatch.setattr(columns, "names", lambda path, rows, column: (np.arange(3_000_000), np.array(codes[column])))
    found, place = file_index.recordings("path", pa.table(codes), (("video",), ("camera",), ("person",)), ("", "", ""))
    assert found == [(1, 5, 7), (1, 2_999_999, 7), (2_999_999, 1, 7)]
    assert place.tolist() == [0, 0, 2, 1]
