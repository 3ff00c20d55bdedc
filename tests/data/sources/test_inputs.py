"""What all sources share: finding files, and what becomes of bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from pose_diffusion.data.sources.inputs import Inputs, map_inputs, scan
from pose_diffusion.errors import InputError
from pose_diffusion.runtime.executor import LocalExecutor


def read(name: str) -> str:
    if name.startswith("bad"):
        raise InputError(f"{name}: not a table")
    return name.upper()


def read_all(on_error: str, *names: str) -> tuple[list[tuple[str, str]], list[str]]:
    skipped: list[str] = []
    pairs = list(map_inputs(Inputs("in", on_error=on_error), read, names, LocalExecutor(), skipped))  # type: ignore[arg-type]
    return pairs, skipped


def test_items_come_with_their_results_in_order() -> None:
    assert read_all("fail", "b", "a") == ([("b", "B"), ("a", "A")], [])


def test_a_bad_item_is_raised_or_left_out_with_its_line() -> None:
    with pytest.raises(InputError, match="bad: not a table"):
        read_all("fail", "a", "bad")
    assert read_all("skip", "a", "bad", "c") == ([("a", "A"), ("c", "C")], ["bad: not a table"])


def test_where_nothing_is_left_the_first_reason_is_told() -> None:
    with pytest.raises(InputError, match="in: nothing could be read; the first of 2: bad 1: not a table"):
        read_all("skip", "bad 1", "bad 2")


def test_files_are_found_below_a_folder_in_natural_order(tmp_path: Path) -> None:
    for name in ("b/10.json", "b/9.json", "a.JSON", "c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    inputs = Inputs(str(tmp_path))
    assert [path.removeprefix(f"{tmp_path}/") for path in inputs.files(".json")] == ["a.JSON", "b/9.json", "b/10.json"]
    assert [inputs.stem(path) for path in inputs.files(".json")] == ["a", "b/9", "b/10"]
    assert Inputs(f"{tmp_path}/a.JSON").files(".json") == [f"{tmp_path}/a.JSON"]


@pytest.mark.parametrize(("path", "message"), [("", "key 'prepare.input': expected a file"), ("x", "x: no such file")])
def test_where_there_is_no_file_it_is_said_what_was_looked_for(path: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Inputs(path).files(".json", ".csv")


def test_a_scan_gives_what_was_seen_of_each_file_and_leaves_out_bad_ones() -> None:
    skipped: list[str] = []
    assert scan(Inputs("in", on_error="skip"), read, ["a", "bad", "c"], skipped) == [("a", "A"), ("c", "C")]
    assert skipped == ["bad: not a table"]
