"""A row of the documentation's table of formats: what a tool writes and how a source reads it."""

from __future__ import annotations

from dataclasses import dataclass

FOLLOWED = "followed from frame to frame"
NO_SIZE = "`image_size` or `images`"
RIG = "the virtual cameras'"


@dataclass(frozen=True)
class FileFormat:
    """tool: what writes it. files: what is read. size: how the image size is known. people: how they are told apart in time.

    layouts: names of the joint layouts that are read, or other words on joints.
    """

    tool: str
    files: str
    size: str
    people: str
    layouts: tuple[str, ...]
