"""Paths of files that hold one sequence each, from names that the data has."""

from __future__ import annotations

import re

from pose_diffusion import storage
from pose_diffusion.export.sequences import PoseTrack


class TrackPaths:
    """<folder>/<subject>/<action>/<camera><suffix>, or <action><suffix> where the camera has no name; each path once."""

    def __init__(self, folder: str, suffix: str):
        self.folder, self.suffix = folder, suffix
        self._taken: dict[str, None] = {}  # in order, and quick to look in

    @property
    def taken(self) -> list[str]:
        return list(self._taken)

    def add(self, track: PoseTrack) -> str:
        """The path of a sequence, numbered where names became the same."""
        parts = (track.subject, track.action, *([track.camera] if track.camera else []))
        stem = storage.join(self.folder, *map(_name, parts))
        number, path = 2, stem + self.suffix
        while path in self._taken:
            number, path = number + 1, f"{stem}-{number}{self.suffix}"
        self._taken[path] = None
        return path


def _name(part: str) -> str:
    """A name from the data, fit to be a file's."""
    return re.sub(r"[^\w .-]", "_", part).strip(" .") or "unnamed"
