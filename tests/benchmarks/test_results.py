"""A bench's figures: what is published is read back, two are compared, and other files are refused."""

from __future__ import annotations

import json

import pytest
import torch
from rich.console import Console

from benchmarks import results
from benchmarks.results import Entry
from pose_diffusion.errors import InputError


def made(*entries: Entry) -> dict:
    return results.report(list(entries), results.machine(torch.device("cpu")), {})


def shown(table) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_published_figures_are_read_back(tmp_path):
    report = made(Entry("network", "lifter forward", 12.5, "samples/s", 3.0, 0.4))
    results.publish(f"{tmp_path}/a.json", report)
    assert results.read(f"{tmp_path}/a.json") == report


def test_the_table_has_each_figure_with_its_share():
    text = shown(results.render(made(Entry("network", "lifter forward", 512, "samples/s", 40, 0.654, "matmul peak"))))
    line = next(line for line in text.splitlines() if "lifter forward" in line)
    assert "512 samples/s" in line and "65.4%" in line and "matmul peak" in line


def test_a_comparison_gives_the_second_over_the_first():
    first = made(Entry("network", "lifter", 100, "samples/s"), Entry("jobs", "training", 10, "samples/s"))
    second = made(Entry("network", "lifter", 250, "samples/s"))
    lines = shown(results.compare(first, second)).splitlines()
    assert "2.50" in next(line for line in lines if "lifter" in line)
    assert "10 samples/s" in next(line for line in lines if "training" in line)  # what one lacks is there, without a ratio


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not the figures of a bench"),
        (json.dumps({"format": "else"}), "not the figures of a bench"),
        (json.dumps({"format": results.FORMAT, "entries": [{"part": "x"}]}), "entry 0: expected part, name, value and unit"),
        (
            json.dumps({"format": results.FORMAT, "entries": [{"part": "x", "name": "y", "unit": "z", "value": "fast"}]}),
            "entry 0: key 'value': expected a number, got 'fast'",
        ),
    ],
)
def test_another_file_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "figures.json"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        results.read(str(path))
    assert str(error.value).startswith(str(path)) and message in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.json: no such file"):
        results.read(f"{tmp_path}/absent.json")
