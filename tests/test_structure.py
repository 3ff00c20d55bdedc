"""Where imports may go: Ray into one package alone, and dependencies one way."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "pose_diffusion"

# From the ground up: a package may import itself and those below it. Packages of one line may not import each other.
LAYERS = [
    {"errors"},
    {"runtime", "storage", "pretrained", "pages"},
    {"geometry"},
    {"config"},
    {"data"},
    {"diffusion"},
    {"models"},
    {"inference"},
    {"training", "report", "export", "viewer"},
    {"inspection", "tuning"},
    {"distributed"},
    {"cli"},
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


def layer(package: str) -> int:
    return next(number for number, packages in enumerate(LAYERS) if package in packages)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_ray_is_imported_by_one_package_alone(path):
    if "distributed" not in path.parts:
        assert not {name for name in imports(path) if name.split(".")[0] == "ray"}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_dependencies_run_one_way(path):
    package = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if package == "__init__":
        return
    used = {name.split(".")[1] for name in imports(path) if name.startswith("pose_diffusion.")} - {package}
    assert not {other for other in used if layer(other) >= layer(package)}


def test_the_root_holds_the_command_and_the_errors_alone():
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"} == {"cli", "errors"}


def test_no_two_test_modules_have_one_name():
    """pytest imports a test module by its bare name, and stops at the second of a name."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert not {name for name in names if names.count(name) > 1}


def test_no_test_module_imports_another():
    """What several need is a helper's, in a module that is not named test_*."""
    imported = {
        (path.name, part) for path in (ROOT / "tests").rglob("*.py") for name in imports(path) for part in name.split(".")
    }
    modules = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    assert not {(path, name) for path, name in imported if name in modules}
