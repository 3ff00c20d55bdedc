"""Joint maps: which joints of a motion capture file make up the 17. A YAML file each, shipped in the folder `joint_maps`.

    ends   what a bone's name means: its near end, as in BVH, where a joint stands at the start of the bone of its name, or its
           far end, as in ASF/AMC, where the position computed for a bone is where it ends (CMU's lfemur ends at the knee)
    Hip    and each other of the 17: the joints whose mean it is; 'a | b' takes the first that the file has

A map is for readers of the same ends alone: CMU's bones have the same names in ASF files and in BVH exports of them, one joint
apart. Names are compared without case, separators and ways to write left and right. What most names of a file begin with
('mixamorig:', 'Bip01 ', 'CC_Base_') is left aside, as are Rigify's 'DEF-' and 'ORG-'. The head is the one joint that a shipped
map may lack: where it ends is often not in the file.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import yaml

from pose_diffusion import storage
from pose_diffusion.errors import InputError
from pose_diffusion.geometry.layouts import simplified
from pose_diffusion.geometry.skeleton import JOINTS

Ends = Literal["near", "far"]
_FOLDER = Path(__file__).parent / "joint_maps"
_LAST = "generic"  # matches what a tool's own map would match too, with less knowledge of its spine
SHIPPED = (*sorted(path.stem for path in _FOLDER.glob("*.yaml") if path.stem != _LAST), _LAST)
_SHARED = 0.7  # of the names, which must have the same prefix for it to be none of their own
_RIG_LAYERS = ("ORG-", "DEF-")  # bones of Rigify that follow its controls, the preferred ones last
_WRITTEN_BY = {"near": "BVH", "far": "ASF/AMC"}
_SECTION = {"near": "bvh", "far": "asf_amc"}


@dataclass(frozen=True)
class JointMap:
    """parts: for each of the 17, the joints whose mean it is, each as 'a | b'."""

    name: str
    ends: Ends
    parts: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Match:
    """joint_map: which fits. rows: for each of the 17, the file's joints whose mean it is; none for a head without an end."""

    joint_map: JointMap
    rows: tuple[tuple[int, ...], ...]


def match(where: str, names: Sequence[str], ends: Ends, wanted: str) -> Match:
    """The map that finds the 17 among a file's joints. wanted: a shipped map's name, a YAML file, or 'auto'.

    auto is the first of the shipped maps that finds all of the 17, or else the first that finds all but the head. Raises
    InputError with the joint that is missing, or where the map is for a reader of the other ends.
    """
    maps = [joint_map(name) for name in (SHIPPED if wanted == "auto" else (wanted,))]
    fitting = [one for one in maps if one.ends == ends]
    if not fitting:
        others = ", ".join(one.name for one in map(joint_map, SHIPPED) if one.ends == ends)
        raise InputError(
            f"{where}: joint map '{wanted}' is for names of {maps[0].ends} ends of bones ({_WRITTEN_BY[maps[0].ends]}), and"
            f" {_WRITTEN_BY[ends]} has {ends} ends; take auto, {others}, or a file with 'ends: {ends}'"
        )
    places = _places(names)
    lacking: dict[str, list[str]] = {}
    without_head = None
    for one in fitting:
        rows = [[_find(part, places) for part in parts] for parts in one.parts]
        missing = [joint for joint, row in zip(JOINTS, rows, strict=True) if None in row]
        found = Match(one, tuple(tuple(place for place in row if place is not None) for row in rows))
        if not missing:
            return found
        if missing == ["Head"] and one.name in SHIPPED:
            without_head = without_head or found
        lacking[one.name] = missing
    if without_head:
        return without_head
    closest = min(fitting, key=lambda one: len(lacking[one.name]))
    first = lacking[closest.name][0]
    wanted_names = " and ".join(closest.parts[JOINTS.index(first)])
    raise InputError(
        f"{where}: joint map '{closest.name}': no joint for {first} (looked for {wanted_names});"
        f" the file has {', '.join(names[:8])}, ...; write a map of its names and set"
        f" '{_SECTION[ends]}.joints' to that file"
    )


@functools.lru_cache(maxsize=32)
def joint_map(name: str) -> JointMap:
    """A shipped map by its name, or a YAML file. Raises InputError for a file that is not a joint map."""
    path = str(_FOLDER / f"{name}.yaml") if name in SHIPPED else name
    try:
        content = yaml.safe_load(storage.read_bytes(path))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(content, dict) or set(content) - {"ends"} != set(JOINTS):
        lacking = [joint for joint in JOINTS if not isinstance(content, dict) or joint not in content]
        what = f"no '{lacking[0]}'" if lacking else "keys that are none of the 17 joints"
        raise InputError(f"{path}: {what}; expected ends, {', '.join(JOINTS)}")
    if content.get("ends") not in get_args(Ends):
        raise InputError(
            f"{path}: key 'ends': expected near (a name means where its bone starts, as in BVH) or far (where it ends, as in"
            f" ASF/AMC), got {content.get('ends')!r}"
        )
    for joint in JOINTS:
        parts = content[joint]
        if not isinstance(parts, list) or not parts or not all(isinstance(part, str) for part in parts):
            raise InputError(f"{path}: key '{joint}': expected a list of joint names")
    return JointMap(name, content["ends"], tuple(tuple(content[joint]) for joint in JOINTS))


def _places(names: Sequence[str]) -> dict[str, int]:
    """Where each joint stands, by its simplified name with and without its prefix."""
    prefix = _prefix(names)
    places = {}
    for start in (prefix, "", *_RIG_LAYERS):  # the later ones count where two joints have the same name
        for place, name in enumerate(names):
            if name.startswith(start):
                places[simplified(name[len(start) :])] = place
    return places


def _prefix(names: Sequence[str]) -> str:
    """What most names begin with, up to a colon, space, hyphen or underscore, however many of these; '' if nothing."""
    prefix = ""
    while True:
        rests = [name[len(prefix) :] for name in names if name.startswith(prefix)]
        found = Counter(part[0] for rest in rests if (part := re.match(r"[^:\s_-]*[:\s_-]+", rest)))
        start, count = found.most_common(1)[0] if found else ("", 0)
        if count <= _SHARED * len(names):
            return prefix
        prefix += start


def _find(part: str, places: dict[str, int]) -> int | None:
    return next((places[simplified(name)] for name in part.split("|") if simplified(name) in places), None)
