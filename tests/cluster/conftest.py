"""The files of cluster/ as values, and the commands that they and cluster/README.md name."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def folder() -> Path:
    return REPOSITORY / "cluster"
