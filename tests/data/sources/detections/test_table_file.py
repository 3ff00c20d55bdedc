"""A table's file: some of its rows, and its columns by their kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pose_diffusion.data.sources.detections.tables.columns import ColumnFilter, names, numbers
from pose_diffusion.data.sources.detections.tables.table_file import RowRange, header, read_batches
from pose_diffusion.errors import InputError

ROWS = 11
ALL = ColumnFilter(lambda name: name == "row", lambda name: name == "name")


def write(folder: Path, suffix: str) -> str:
    path = folder / f"table.{suffix}"
    if suffix == "csv":
        path.write_text("\ufeffrow,other,name\n" + "\n".join(f"{row},0,{row % 3}" for row in range(ROWS)), "utf-8")
    else:
        content = {"row": range(ROWS), "other": [0] * ROWS, "name": [str(row % 3) for row in range(ROWS)]}
        pq.write_table(pa.table({name: list(values) for name, values in content.items()}), path, row_group_size=4)
    return str(path)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 3), (3, 9), (4, 8), (7, 11), (0, 11)])
def test_a_range_is_read_with_its_row_numbers(tmp_path: Path, suffix: str, start: int, stop: int | None) -> None:
    path = write(tmp_path, suffix)
    rows = []
    for batch in read_batches(RowRange(path, start, stop), ALL):
        assert batch.table.column_names == ["row", "name"]
        assert batch.first_row == numbers(path, batch.table, "row")[0]
        rows += numbers(path, batch.table, "row").tolist()
    assert rows == list(range(start, stop or ROWS))


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("block", [3, 7, 1000])
def test_a_csv_is_read_from_any_of_its_offsets_on(tmp_path: Path, block: int, ending: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(ending.join(["name,row", *(f"{row % 3},{row}" for row in range(ROWS))]).encode())

    def rows(chosen: RowRange) -> list[float]:
        batches = read_batches(chosen, ALL, block_bytes=block)
        return np.concatenate([numbers(str(path), batch.table, "row") for batch in batches]).tolist()

    assert rows(RowRange(str(path))) == list(range(ROWS))
    for batch in read_batches(RowRange(str(path)), ALL, block_bytes=block):
        assert rows(RowRange(str(path), batch.first_row, ROWS, batch.offset)) == list(range(batch.first_row, ROWS))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_that_became_shorter_is_refused(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, suffix)
    with pytest.raises(InputError, match=rf"table.{suffix}, rows 8 to 11: the file has changed since it was read first"):
        list(read_batches(RowRange(path, 8, 12), ALL))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_header_tells_the_columns(tmp_path: Path, suffix: str) -> None:
    assert header(write(tmp_path, suffix)) == ["row", "other", "name"]


def test_a_csv_whose_first_rows_look_like_another_type_is_read(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("row,name\n" + "5,7\n" * 400_000 + "5.5,anna\n")  # Arrow looks for types in the first 1 MB
    last = list(read_batches(RowRange(str(path)), ALL))[-1].table
    found, place = names(str(path), last, "name")
    assert (numbers(str(path), last, "row")[-1], found[place[-1]]) == (5.5, "anna")


def test_a_bad_number_of_a_csv_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("name,row\nanna,5\nanna,five\n")
    with pytest.raises(InputError, match=r"bad.csv: column 'row': expected numbers, got string 'five'"):
        list(read_batches(RowRange(str(path)), ALL))


@pytest.mark.parametrize("content", [b"", b"row\n1,2\n", b"\xff\xfe,row\n1,2\n", b"row,name\n1,a\n1\n"])
def test_what_is_no_csv_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad.csv: not a table"):
        list(read_batches(RowRange(str(path)), ALL))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_column_that_is_there_twice_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bad.{suffix}"
    if suffix == "csv":
        path.write_text("row,row\n1,2\n")
    else:
        pq.write_table(pa.Table.from_arrays([np.arange(2), np.arange(2)], ["row", "row"]), path)
    with pytest.raises(InputError, match=rf"bad.{suffix}: column 'row' is there twice"):
        list(read_batches(RowRange(str(path)), ALL))
