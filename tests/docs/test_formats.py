from __future__ import annotations

from pathlib import Path

from pose_diffusion.data.sources import SOURCES, formats
from pose_diffusion.geometry.layouts import LAYOUTS

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"


def test_the_page_of_formats_is_what_the_code_makes() -> None:
    assert PAGE.read_text() == formats.page()


def test_every_source_and_layout_has_a_row() -> None:
    rows = [line.split(" | ")[0].strip("| `") for line in formats.page().splitlines() if line.startswith("| `")]
    assert set(rows) == {"prepare.source", *SOURCES, *LAYOUTS}


def test_layouts_that_a_source_names_exist() -> None:
    named = {name for module in SOURCES.values() for row in module.FORMATS for name in row.layouts if " " not in name}
    assert named <= set(LAYOUTS)
