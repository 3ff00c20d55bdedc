"""The video that the page shows under the 2D poses: in the page itself where it is small, else by its place beside the page."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from urllib.parse import quote

from pose_diffusion.errors import InputError
from pose_diffusion.storage.files import is_remote

MOST_EMBEDDED = 16 << 20
"""Bytes. A page with a larger video would be slow to open, and too large to send."""

_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm", ".ogv": "video/ogg"}


def describe(video: str | os.PathLike, page: str) -> dict:
    """What the page needs of a video: {"name", "type", "data", "url"}; data: base64 or None; url: relative to the page or None.

    Raises InputError for a file that is not there or that browsers do not play.
    """
    path = Path(video)
    if is_remote(str(video)) or not path.is_file():
        raise InputError(f"{video}: no such video; expected a local file")
    kind = _TYPES.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(sorted(_TYPES))
        convert = f"ffmpeg -i {path.name} -c:v libx264 -pix_fmt yuv420p {path.stem}.mp4"
        raise InputError(
            f"{video}: browsers do not play {path.suffix or 'files without a suffix'}, expected {known}; try: {convert}"
        )
    if path.stat().st_size <= MOST_EMBEDDED:
        return {"name": path.name, "type": kind, "data": base64.b64encode(path.read_bytes()).decode(), "url": None}
    return {"name": path.name, "type": kind, "data": None, "url": None if is_remote(page) else _relative(path, page)}


def _relative(path: Path, page: str) -> str:
    """The address of a file as seen from the page's folder; a whole one where the two share no root (drives of Windows)."""
    try:
        relative = os.path.relpath(path.resolve(), Path(page).resolve().parent)
    except ValueError:
        return path.resolve().as_uri()
    return "./" + quote(Path(relative).as_posix())
