"""Puts what a test made on this machine where its jobs read it."""

from __future__ import annotations

from pathlib import Path

from pose_diffusion import storage


def upload(local: Path, folder: str) -> None:
    """Copies each file below a local folder to the same name below `folder`."""
    for source in sorted(path for path in local.rglob("*") if path.is_file()):
        storage.publish_bytes(storage.join(folder, source.relative_to(local).as_posix()), source.read_bytes())
