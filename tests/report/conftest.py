from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from fakes import Run

from pose_diffusion.data import predictions


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Writes a table in files of so many rows; returns their paths."""

    def write(rows: pa.Table, per_file: int = 1000, folder: str = "predictions") -> list[str]:
        paths = []
        for number, start in enumerate(range(0, len(rows), per_file)):
            paths.append(str(tmp_path / folder / "split=test" / f"part-{number:05d}.parquet"))
            predictions.write(paths[-1], rows.slice(start, per_file))
        return paths

    return write
