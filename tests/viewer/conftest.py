from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from browser import Page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("views")


@pytest.fixture
def shown(opened: Callable[..., Page]) -> Callable[..., Page]:
    """Opens a page and waits until its poses are unpacked."""

    def load(path: Path, width: int = 1400) -> Page:
        page = opened(path, width)
        page.evaluate("ready")
        return page

    return load
