from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from fakes import Run, write


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Writes a table in files of so many rows; returns their paths."""

    def write_below(rows: pa.Table, per_file: int = 1000, folder: str = "predictions") -> list[str]:
        return write(tmp_path / folder, rows, per_file)

    return write_below
