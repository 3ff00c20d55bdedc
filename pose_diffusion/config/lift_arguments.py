"""The command line of `lift`: INPUT, flags for what people give most, and section.key=value as everywhere, in any order."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn, get_args

from pose_diffusion.config import Config, loading
from pose_diffusion.config.lift import LiftFormat
from pose_diffusion.errors import InputError

_OVERRIDE = re.compile(r"\w+\.\w+=")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """In one line, as all bad input; argparse would print the usage before it."""
        raise InputError(f"{message}; --help lists what there is")


def parse(
    summary: str,
    sections: Sequence[str],
    argv: Sequence[str] | None = None,
    kind: type[Config] = Config,
    program: str | None = None,
) -> Config:
    """The config of a command line; flags win over keys. Raises InputError for one that makes no sense."""
    parser = _Parser(prog=program, usage="%(prog)s INPUT [-o OUTPUT] [--image-size WxH] [more flags] [section.key=value ...]")
    loading.add_config_arguments(parser, summary, sections, kind)
    parser.add_argument("words", nargs="*", metavar="INPUT", help="file or folder of keypoints; and section.key=value")
    for names, key, text in _FLAGS:
        parser.add_argument(*names, dest=key, metavar=names[-1].lstrip("-").upper().replace("-", "_"), help=text)
    parser.add_argument("--view", dest="lift.view", action="store_true", help="write the page and open it in the browser")
    arguments = vars(parser.parse_intermixed_args(argv))
    overrides = [word for word in arguments["words"] if _OVERRIDE.match(word)]
    inputs = [word for word in arguments["words"] if not _OVERRIDE.match(word)]
    if len(inputs) > 1:
        raise InputError(f"{len(inputs)} inputs, {', '.join(inputs)}: expected one file or one folder")
    flags: dict[str, Any] = {"lift.input": inputs[0]} if inputs else {}
    if arguments["lift.view"]:
        flags["lift.view"] = True
    for names, key, _ in _FLAGS:
        if arguments[key] is not None:
            flags[key] = _READ.get(key, lambda text, name: text)(arguments[key], names[-1])
    return loading.load(arguments["config"], overrides, arguments["root"], kind, flags)


def _size(text: str, name: str) -> list[int]:
    found = re.fullmatch(r"(\d+)[xX,](\d+)", text.strip())
    if found is None:
        raise InputError(f"{name} {text}: expected WIDTHxHEIGHT in pixels, as {name} 1920x1080")
    return [int(found[1]), int(found[2])]


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{name} {text}: expected a number") from None


def _formats(text: str, name: str) -> list[str]:
    formats = _several(text, name)
    for one in formats:
        if one not in get_args(LiftFormat):
            raise InputError(
                f"{name} {text}: no format '{one}'; expected {', '.join(get_args(LiftFormat))}, several with commas"
            )
    return formats


def _several(text: str, name: str) -> list[str]:
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise InputError(f"{name} '{text}': expected something, several with commas")
    return list(dict.fromkeys(found))


_FLAGS = (
    (("-o", "--output"), "lift.output", "folder for the results; by default beside the input, its name with _3d"),
    (("--format",), "lift.format", f"files to write, with commas: {', '.join(get_args(LiftFormat))}; npz,parquet by default"),
    (("--image-size",), "lift.image_size", "WIDTHxHEIGHT of the video in pixels, where the input does not say it"),
    (("--fps",), "infer.fps", "frames a second, where the input does not say it; 30 are assumed"),
    (
        ("--field-of-view",),
        "infer.field_of_view",
        "horizontal angle of the camera, degrees; 2 atan(width / 2 / diagonal) if unknown",
    ),
    (("--camera-tilt",), "lift.camera_tilt", "degrees by which the camera looks down; found from how people stand if unknown"),
    (("--video",), "lift.video", "the video, which the page shows behind the keypoints"),
    (("--person",), "lift.person", "lift these people alone, by name or number, with commas"),
    (("--bundle",), "infer.bundle", "another model than the one that comes with the package, a folder or s3://"),
)
_READ = {
    "lift.format": _formats,
    "lift.image_size": _size,
    "infer.fps": _number,
    "infer.field_of_view": _number,
    "lift.camera_tilt": _number,
    "lift.person": _several,
}
