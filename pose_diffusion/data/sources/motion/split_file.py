"""A split file: which recordings train, which test and which are left out. A JSON mapping:

    {"train": {"subjects": ["anna"]}, "test": {"subjects": ["bob"]}, "none": {"clips": ["anna/fall", "bob/walk"]}}

A clip that `clips` names is of that part, any other of the part that names its subject, and each must be of a part. A part's
other keys are notes.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Literal, get_args

from pose_diffusion.data.sources import parsing
from pose_diffusion.errors import InputError

Part = Literal["train", "test", "none"]
_PARTS: tuple[Part, ...] = get_args(Part)


def read(path: str, subjects: Mapping[str, str]) -> dict[str, Part]:
    """The part of each clip. subjects: of the clips that there are, by the clips' names.

    Raises InputError for a file of another form, names that are not there or of two parts, and clips that are of no part.
    """
    content = parsing.read_json(path)
    if not isinstance(content, dict) or not content or not set(content) <= set(_PARTS):
        found = f"keys {', '.join(map(str, list(content)[:6]))}" if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{path}: expected a mapping with {', '.join(_PARTS)}, got {found if content else 'nothing'}")
    by_clip = _parts(path, content, "clips", subjects)
    by_subject = _parts(path, content, "subjects", set(subjects.values()))
    parts = {clip: by_clip.get(clip) or by_subject.get(subject) for clip, subject in subjects.items()}
    if lacking := next((clip for clip, part in parts.items() if part is None), None):
        raise InputError(f"{path}: '{lacking}' is of no part; add the clip or its subject to {', '.join(_PARTS)}")
    return {clip: part for clip, part in parts.items() if part is not None}


def _parts(path: str, content: dict, key: str, known: Collection[str]) -> dict[str, Part]:
    """The part of each name that the parts' lists of clips or of subjects have."""
    parts: dict[str, Part] = {}
    for part in _PARTS:
        where = f"{path}: key '{part}.{key}'"
        named = content.get(part, {})
        names = named.get(key, []) if isinstance(named, dict) else None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{where}: expected a list of names")
        for name in names:
            if name not in known:
                nearest = difflib.get_close_matches(name, known, 1, 0)
                raise InputError(f"{where}: '{name}' is not in the input, the nearest is '{nearest[0]}'")
            if parts.setdefault(name, part) != part:
                raise InputError(f"{where}: '{name}' is in '{parts[name]}' too; expected one part")
    return parts
