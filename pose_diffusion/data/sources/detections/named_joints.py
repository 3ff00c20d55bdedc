"""The joint layout of a file that names its body parts as its user chose: DeepLabCut, SLEAP."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from pose_diffusion.config import DeepLabCutConfig
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import COCO_17, LAYOUTS, Layout, by_names, simplified

log = logging.getLogger(__name__)
_SHOWN = 8  # names in an error


def match_layout(tool: str, settings: DeepLabCutConfig, names: Sequence[str], where: str) -> tuple[Layout, list[int]]:
    """The layout with the most joints of those that the names cover, and where each of its joints stands among the names.

    The config's `joints` come before a file's own names. Raises InputError for names of no layout, a name in `joints` that is
    not in the file, and two names that are the same joint.
    """
    key = f"{tool}.joints"
    plain = [name.strip() for name in names]
    mapped = {joint: name.strip() for joint, name in settings.joints.items()}
    for joint, name in mapped.items():
        if name not in plain:
            raise InputError(f"{where}: '{key}': no '{name}' for {joint}; the file has {_listed(plain)}")
    if settings.layout == "auto":
        candidates = sorted(LAYOUTS.values(), key=lambda layout: -len(layout.joints))
    else:
        candidates = [LAYOUTS[settings.layout]]
    found = by_names([*plain, *mapped], candidates)
    if found is None:
        raise InputError(_not_covered(key, candidates[0] if len(candidates) == 1 else COCO_17, plain, list(mapped), where))
    layout, places = found
    twice = Counter(map(simplified, plain))
    for joint, place in zip(layout.joints, places, strict=True):
        if place < len(plain) and twice[simplified(joint)] > 1:
            same = " and ".join(f"'{name}'" for name in plain if simplified(name) == simplified(joint))
            raise InputError(f"{where}: {same} are both the {joint}; say which by '{key}'")
    log.info("%s: body parts have the names of %s's joints", where, layout.name)
    chosen = [*range(len(plain)), *(plain.index(name) for name in mapped.values())]
    return layout, [chosen[place] for place in places]


def check_names(where: str, names: Sequence[str]) -> None:
    """Raises InputError for a name that cannot be printed, as broken files have them; a line break would split error lines."""
    bad = next((name for name in names if not name.isprintable()), None)
    if bad is not None:
        raise InputError(f"{where}: {bad[:40]!r} is no name")


def _not_covered(key: str, layout: Layout, names: list[str], mapped: list[str], where: str) -> str:
    there = {simplified(name) for name in [*names, *mapped]}
    missing = [joint for joint in layout.joints if simplified(joint) not in there]
    ours = {simplified(joint) for joint in layout.joints}
    other = next((name for name in names if simplified(name) not in ours), names[0] if names else "name")
    return (
        f"{where}: body parts {_listed(names)}; of {layout.name}'s {len(layout.joints)} joints are missing: "
        f"{', '.join(missing)}; set '{key}', as {{{missing[0]}: {other}}}"
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
