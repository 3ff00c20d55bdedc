"""The configs that come with the package, by name: 'quickstart', 'official/h36m_cpn', ..., as `--config` takes them."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
# A wheel holds configs/ inside the package; in a checkout it lies beside the package.
_FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")


def names() -> list[str]:
    """The names of all of them, sorted."""
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for folder in _FOLDERS for path in folder.rglob("*.yaml"))


def find(name: str) -> str | None:
    """The path of the config of this name, None where there is none."""
    return (
        next((str(path) for folder in _FOLDERS if (path := folder / f"{name}.yaml").is_file()), None)
        if name in names()
        else None
    )
