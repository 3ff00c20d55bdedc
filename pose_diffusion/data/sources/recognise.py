"""Which source reads an input: a few of its files are looked at, and each source says whether they are its tool's."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pose_diffusion import storage
from pose_diffusion.data.sources import sample as samples
from pose_diffusion.data.sources import unread
from pose_diffusion.data.sources.parsing import natural
from pose_diffusion.data.sources.sample import Sample, Seen
from pose_diffusion.errors import InputError

Recogniser = Callable[[Sample], Seen | None]

_MOST_OF_SUFFIX = 8  # files that are looked at
_MOST = 64
_AT_ONCE = 16
# The 2D files of these stand beside a file of theirs, and are another source's where they stand alone.
_HOLDS = {"human36m": ("videopose3d",)}
# Of these a file is the whole data set, so that two files need a choice.
_ONE_FILE = {"mmpose3d": "annotations"}
_SHOWN = 5  # names in an error line


@dataclass(frozen=True)
class Recognition:
    """source: its name. tool: what wrote the input. reason: what shows it. settings: keys of its section that files state."""

    source: str
    tool: str
    reason: str
    settings: dict[str, Any] = field(default_factory=dict)


def recognise(path: str, recognisers: Mapping[str, Recogniser], readable: Iterable[str]) -> Recognition:
    """What wrote a file, or the files of a folder.

    recognisers: of each kind, by its source's name. readable: the sources that there are; another kind is refused by its name.
    Raises InputError, with the nearest way out, for an input of no kind, of one that is not read, or of several, and where
    several tools may have written it.
    """
    kinds: dict[str, list[tuple[Sample, Seen]]] = defaultdict(list)
    looked_at = _look(path)
    for one in looked_at:
        found = [(source, seen) for source, recogniser in recognisers.items() if (seen := recogniser(one)) is not None]
        if len(found) > 1:
            tools = " or ".join(f"{seen.tool} (prepare.source={source})" for source, seen in found)
            raise InputError(f"{one.path}: may be {tools}; set prepare.source")
        for source, seen in found:
            kinds[source].append((one, seen))
    readable = set(readable)
    good = {source: of_it for source, of_it in kinds.items() if source in readable and not all(seen.wrong for _, seen in of_it)}
    for source in [source for source in good if source in _HOLDS]:
        good = {other: of_it for other, of_it in good.items() if other not in _HOLDS[source]}
    if len(good) > 1:
        raise InputError(_mixed(path, good))
    if not good:
        raise InputError(_refusal(path, looked_at, kinds, readable))
    ((source, of_it),) = good.items()
    return _recognition(path, source, [(one, seen) for one, seen in of_it if not seen.wrong])


def _recognition(path: str, source: str, of_it: Sequence[tuple[Sample, Seen]]) -> Recognition:
    first, seen = of_it[0]
    if source in _ONE_FILE and len(of_it) > 1:
        key, names = f"{source}.{_ONE_FILE[source]}", ", ".join(one.name for one, _ in of_it[:_SHOWN])
        raise InputError(f"{path}: {seen.tool} in {names}; give one of them, or set prepare.source={source} and '{key}'")
    settings = {} if source in _ONE_FILE and first.path == path else seen.settings
    more = sorted({other.tool for _, other in of_it} - {seen.tool})
    return Recognition(source, " and ".join([seen.tool, *more]), f"{first.name}: {seen.why}", settings)


def _look(path: str) -> list[Sample]:
    """Some files of each suffix, spread over them; the path itself where it is a file. Raises InputError for none."""
    names = storage.list_files(path)
    if not names:
        if not storage.exists(path):
            raise InputError(f"key 'prepare.input': {path}: no such file or folder")
        paths = [path]
        if storage.is_remote(path) is False and not _is_file(path):
            raise InputError(f"key 'prepare.input': {path}: the folder is empty")
    else:
        paths = [storage.join(path, name) for name in _spread(names)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # on S3 a look is all waiting
        return list(pool.map(samples.look, paths))


def _is_file(path: str) -> bool:
    fs, inner = storage.filesystem(path)
    return bool(fs.isfile(inner))


def _spread(names: list[str]) -> list[str]:
    by_suffix: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names, key=natural):
        by_suffix[Sample(name, 0, b"").suffix].append(name)
    chosen = []
    for of_it in by_suffix.values():
        count = min(len(of_it), _MOST_OF_SUFFIX)
        chosen.append([of_it[round(place * (len(of_it) - 1) / max(count - 1, 1))] for place in range(count)])
    turns = itertools.zip_longest(*chosen)  # so that no suffix is left out where there are very many
    return [name for turn in turns for name in turn if name is not None][:_MOST]


def _mixed(path: str, kinds: Mapping[str, Sequence[tuple[Sample, Seen]]]) -> str:
    named = [f"{of_it[0][1].tool} ({of_it[0][0].name})" for of_it in kinds.values()]
    choices = " or ".join(f"prepare.source={source}" for source in kinds)
    return f"{path}: holds {' and '.join(named)}; give a folder of one kind, or set {choices}"


def _refusal(path: str, looked_at: list[Sample], kinds: Mapping[str, list[tuple[Sample, Seen]]], readable: set[str]) -> str:
    """Why nothing of an input can be read, of the first file of which that is known."""
    for source, of_it in kinds.items():
        one, seen = of_it[0]
        if seen.wrong:
            return f"{one.path}: {seen.tool} ({seen.why}): {seen.wrong}"
        if source not in readable:
            return f"{one.path}: {seen.tool} ({seen.why}), which is not read; {unread.ONE_TABLE}"
    for one in looked_at:
        if (known := unread.recognise(one)) is not None:
            return f"{one.path}: {known.tool} ({known.why}): {known.wrong}"
    one = looked_at[0]
    way = f"name its tool with prepare.source, one of {', '.join(sorted(readable))}; or {unread.ONE_TABLE}"
    return f"{one.path}: {_content(one)}, of no tool that is known; {way}"


def _content(one: Sample) -> str:
    """What a file of no known kind holds, in a few words."""
    if not one.head.strip():
        return "an empty file"
    if isinstance(one.json, dict):
        return f"JSON, a mapping with {', '.join(repr(key) for key in list(one.json)[:_SHOWN]) or 'nothing'}"
    if isinstance(one.json, list):
        first = one.json[0] if one.json else None
        inner = (
            f"a mapping with {', '.join(map(repr, list(first)[:_SHOWN]))}" if isinstance(first, dict) else type(first).__name__
        )
        return f"JSON, a list of {len(one.json)}, the first {inner}" if one.json else "JSON, an empty list"
    if one.suffix == ".json":
        return "not JSON"
    if one.arrays:
        return "arrays " + ", ".join(f"'{name}' {header.shape}" for name, header in list(one.arrays.items())[:_SHOWN])
    if one.datasets:
        return f"HDF5 with {', '.join(sorted(one.datasets)[:_SHOWN])}"
    if one.columns:
        return f"a table with the columns {', '.join(one.columns[:_SHOWN])[:200]}"
    return "text" if one.text else "a binary file"
