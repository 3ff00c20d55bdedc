"""The tutorial notebook, cell after cell as a reader runs it, in a process of its own."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "tutorial.ipynb"


@pytest.fixture(scope="module")
def cells() -> list[dict]:
    return json.loads(NOTEBOOK.read_text())["cells"]


@pytest.fixture(scope="module")
def program(cells: list[dict]) -> str:
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def test_it_runs_without_ray_and_lifts_an_unseen_person_better_than_no_training(program: str, tmp_path: Path) -> None:
    ending = 'import sys; print("RAY", "ray" in sys.modules); print("ERROR_MM", float(error.mean()))'
    script = tmp_path / "tutorial.py"
    script.write_text(f"{program}\n{ending}\n")
    environment = os.environ | {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(NOTEBOOK.parents[1])}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "RAY False" in done.stdout
    error_mm = float(re.search(r"ERROR_MM (\S+)", done.stdout)[1])  # type: ignore[index]
    assert error_mm < 200  # a body at rest where every pose is one point would be off by more than 400


def test_it_is_committed_without_outputs(cells: list[dict]) -> None:
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code and all(not cell["outputs"] and cell["execution_count"] is None for cell in code)


def test_every_cell_is_python_alone(cells: list[dict]) -> None:
    for cell in cells:
        if cell["cell_type"] == "code":
            ast.parse("".join(cell["source"]))


def test_the_pages_it_points_to_are_there(cells: list[dict]) -> None:
    text = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    links = re.findall(r"\]\(([\w./-]+)\)", text)
    assert links and all((NOTEBOOK.parent / link).exists() for link in links)
