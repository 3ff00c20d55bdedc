"""The house rules on imports: Ray has one room, and dependencies run one way."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "pose_diffusion"

# From the ground up; a module may import its own floor and those below it.
FLOORS = [
    {"errors", "skeleton", "patience", "progress", "s3", "storage", "draws", "process", "recording"},
    {"config", "camera", "config_file", "runs", "metrics"},
    {"data"},
    {"models", "diffusion"},
    {"lifting", "aggregate", "reprojection", "smoothing", "estimate"},
    {"bundle"},
    {"official"},
    {"training", "report", "inspection", "export", "tuning"},
    {"bench"},
    {"distributed"},
]


def imports(path: Path) -> set[str]:
    """Whole names of what a module imports, wherever in it the import stands."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def floor(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_ray_is_imported_in_its_room_alone(path):
    if "distributed" not in path.parts:
        assert not {name for name in imports(path) if name.split(".")[0] == "ray"}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_dependencies_run_one_way(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    used = {name.split(".")[1] for name in imports(path) if name.startswith("pose_diffusion.")}
    above = {other for other in used - {room} if floor(other) > floor(room)}
    assert not above
