"""Which columns of a table hold MediaPipe's landmarks:

    named      nose_x, nose_y, nose_z, nose_visibility, left_eye_inner_x, ...; also NOSE_x, nose_v, nose.x
    numbered   landmark_0_x, landmark_0_y, ...; x0, y0, ...; or x1, y1, z1, v1, ... from 1
    plain      0, 1, 2, ... 131: x, y, z, visibility of each
    long       frame, landmark_id, x, y, z, visibility, a row a landmark; also Landmark_X, ...

Holistic's tables go on behind the 33 with the landmarks of the face, and maybe of the hands; these are left out. z, presence,
labels and what else there is is not read. Capitals do not matter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pose_diffusion.geometry.layouts import MEDIAPIPE_33, simplified

JOINTS = len(MEDIAPIPE_33.joints)
_FACES, _HANDS = (468, 478), 2 * 21
# How many landmarks a table has whose numbers begin with the 33.
_COUNTS = {JOINTS, *(JOINTS + face for face in _FACES), *(JOINTS + face + _HANDS for face in _FACES), JOINTS + _HANDS}
_PLACES = {simplified(joint): place for place, joint in enumerate(MEDIAPIPE_33.joints)}
_VISIBILITY = ("visibility", "v", "vis", "score", "confidence", "conf", "c", "likelihood")
_AXES = rf"(?P<axis>x|y|z|presence|{'|'.join(_VISIBILITY)})"
_NAMED = re.compile(rf"(?P<joint>.+?)[_. ]?{_AXES}")
_PREFIX = r"(?:pose[_ ]?)?(?:landmark|lm|keypoint|kp|point|joint)?[_ ]?"
_NUMBERED = (re.compile(rf"{_PREFIX}(?P<number>\d+)[_. ]?{_AXES}"), re.compile(rf"{_PREFIX}{_AXES}[_. ]?(?P<number>\d+)"))
_FRAME = ("frame", "framenumber", "frameindex", "frameid", "frameno", "framenum", "frameidx", "framecount")
_IMAGE = ("image", "imagename", "imagepath", "imagefile", "filename", "file")
_PERSON = ("person", "personid", "track", "trackid")
_VIDEO = ("video", "videoname", "videoid")
_IDS = ("landmarkid", "landmark", "landmarkindex", "landmarkname", "landmarknumber", "landmarkidx")
_LOOSE_IDS = ("id", "index", "name", "joint", "keypoint", "idx")


@dataclass(frozen=True)
class LandmarkColumns:
    """The columns that are read, each by its name in the file, "" where there is none.

    landmarks: x, y and visibility of the 33, or of the one of a row. landmark: whether a row is one landmark. landmark_id:
    which. size: width and height, or nothing. why: what shows it. is_sure: whether no other tool writes such columns.
    """

    landmarks: list[tuple[str, str, str]]
    why: str
    landmark: bool = False
    landmark_id: str = ""
    frame: str = ""
    image: str = ""
    person: str = ""
    video: str = ""
    size: tuple[str, ...] = ()
    is_sure: bool = True

    def numbers(self) -> set[str]:
        """The columns of numbers."""
        return {*(axis for axes in self.landmarks for axis in axes if axis), *filter(None, [self.frame]), *self.size}

    def names(self) -> set[str]:
        """The columns of names."""
        return set(filter(None, (self.landmark_id, self.image, self.person, self.video)))


def columns_of(names: Sequence[str]) -> LandmarkColumns | None:
    """The columns of a table, None for one that is not of 33 landmarks."""
    plain = [name.strip().lower() for name in names]
    found = _wide(names, plain)
    if found is not None:
        landmarks, why = found
        return LandmarkColumns(landmarks, why, **_others(names))
    return _long(names)


def _wide(names: Sequence[str], plain: Sequence[str]) -> tuple[list[tuple[str, str, str]], str] | None:
    numbers = {int(name): names[place] for place, name in enumerate(plain) if name.isdecimal() and len(name) < 5}
    if set(numbers) == set(range(4 * JOINTS)):
        return [(numbers[at], numbers[at + 1], numbers[at + 3]) for at in range(0, 4 * JOINTS, 4)], "columns 0 to 131"
    named, numbered = dict[tuple[int, str], str](), dict[tuple[int, str], str]()
    for name, lower in zip(names, plain, strict=True):
        match = next((match for form in _NUMBERED if (match := form.fullmatch(lower))), None)
        if match is not None and len(match["number"]) < 5:
            numbered.setdefault((int(match["number"]), _axis(match["axis"])), name)
        elif (match := _NAMED.fullmatch(lower)) is not None and (place := _PLACES.get(simplified(match["joint"]))) is not None:
            named.setdefault((place, _axis(match["axis"])), name)
    with_x = {number for number, axis in named if axis == "x"}
    if len(with_x) == JOINTS and (axes := _axes(named, 0)):
        return axes, f"a table with columns for each of {JOINTS} landmarks"
    with_x = {number for number, axis in numbered if axis == "x"}
    first = min(with_x, default=0)
    if first > 1 or len(with_x) not in _COUNTS or max(with_x) - first >= len(with_x):
        return None
    axes = _axes(numbered, first)
    return (axes, f"a table with numbered coordinates of {len(with_x)} landmarks") if axes else None


def _axis(name: str) -> str:
    return "visibility" if name in _VISIBILITY else name


def _axes(found: dict[tuple[int, str], str], first: int) -> list[tuple[str, str, str]]:
    """x, y and visibility of the 33; nothing where a y is missing, or the visibility of some only."""
    places = range(first, first + JOINTS)
    if not all((place, "y") in found for place in places):
        return []
    if len({(place, "visibility") in found for place in places}) > 1:
        return []
    return [(found[place, "x"], found[place, "y"], found.get((place, "visibility"), "")) for place in places]


def _long(names: Sequence[str]) -> LandmarkColumns | None:
    """The columns of a table with a row a landmark: x, y and which landmark, or Landmark_X and Landmark_Y alone."""
    compact = {re.sub(r"[\W_]+", "", name.lower()): name for name in names}
    bare = {key.removeprefix("landmark") or key: name for key, name in compact.items() if key not in _IDS}
    identity = next((key for key in (*_IDS, *_LOOSE_IDS) if key in compact), "")
    if not {"x", "y"} <= set(bare) or not (identity or {"landmarkx", "landmarky"} <= set(compact)):
        return None
    visibility = next((bare[key] for key in _VISIBILITY if key in bare), "")
    others = _others(names)
    is_sure = identity in _IDS or (not identity and {"landmarkx", "landmarky"} <= set(compact))
    return LandmarkColumns(
        [(bare["x"], bare["y"], visibility)], "a table with a row for each landmark", landmark=True,
        landmark_id=compact.get(identity, ""), is_sure=is_sure, **others,
    )  # fmt: skip


def _others(names: Sequence[str]) -> dict:
    """The columns that say which frame, image, person and video a row is of, and the image's size."""
    compact = {re.sub(r"[\W_]+", "", name.lower()): name for name in reversed(names)}
    kinds = {"frame": _FRAME, "image": _IMAGE, "person": _PERSON, "video": _VIDEO}
    found: dict = {kind: next((compact[key] for key in keys if key in compact), "") for kind, keys in kinds.items()}
    if found["frame"]:
        found["image"] = ""
    return found | {"size": (compact["width"], compact["height"]) if {"width", "height"} <= set(compact) else ()}
