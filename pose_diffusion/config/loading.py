"""From YAML and command line to a checked `Config`, and back.

Precedence: command line `section.key=value`, then the YAML file, then the default. Anything unknown, of the wrong type
or out of range is an `InputError` that names the whole key.
"""

from __future__ import annotations

import argparse
import difflib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from pose_diffusion import storage
from pose_diffusion.config import Config, Section, presets
from pose_diffusion.config.renamed import new_name
from pose_diffusion.errors import InputError

AnyConfig = TypeVar("AnyConfig", bound=Config)


def load(
    path: str | None = None,
    overrides: Sequence[str] = (),
    root: str = "",
    kind: type[AnyConfig] = Config,  # type: ignore[assignment]
    flags: Mapping[str, object] = MappingProxyType({}),
) -> AnyConfig:
    """The config of a YAML file (local, s3:// or the name of a preset; None is all defaults), 'section.key=value' on top.

    root: where relative paths are, a folder or s3://; '' is the working directory. kind: a Config with further sections.
    flags: values by whole key, which win over all.
    Raises InputError for a missing file, bad YAML, an unknown key, a wrong type or a value out of range.
    """
    values = _read_yaml(path) if path else {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or key.count(".") != 1:
            raise InputError(f"argument '{override}': expected section.key=value")
        _set(values, key, _parse_value(override, text), path)
    for key, value in flags.items():
        _set(values, key, value, path)
    return from_dict(values, where=path or "command line", root=root, kind=kind)


def from_dict(
    values: dict,
    where: str = "config",
    root: str = "",
    kind: type[AnyConfig] = Config,  # type: ignore[assignment]
) -> AnyConfig:
    """The config that plain nested dicts describe. Raises InputError naming `where` and the key."""
    _check_keys(values, where, kind)
    try:
        return kind.model_validate(values, context={"root": root})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        given = (
            ""
            if isinstance(first["input"], dict) or hasattr(first["input"], "model_fields")
            else f" (given: {first['input']!r})"
        )
        raise InputError(f"{where}: key '{key}': {message}{given}") from None


def from_yaml(text: str) -> Config:
    """The config that `dump` wrote."""
    return from_dict(yaml.safe_load(text))


def dump(config: Config) -> str:
    """The resolved config as YAML that `load` reads back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def field(key: str, where: str) -> FieldInfo:
    """The field of a whole key ('train.batch'). Raises InputError, naming `where` and the nearest, where there is none."""
    section, _, name = key.partition(".")
    _check_keys({section: {name: None}}, where)
    return _keys(section)[name]


def describe(sections: Iterable[str], kind: type[Config] = Config) -> str:
    """Every key of the sections with its type, default and sentence, for --help."""
    lines = []
    for section in sections:
        lines.append(f"{section}:")
        for name, field in _keys(section, kind).items():
            lines.append(f"  {section}.{name}: {_type_name(field)} = {_default(field)}")
            lines.append(f"      {field.description}")
    return "\n".join(lines)


def parse_arguments(
    summary: str,
    sections: Sequence[str],
    argv: Sequence[str] | None = None,
    kind: type[AnyConfig] = Config,  # type: ignore[assignment]
    program: str | None = None,
) -> AnyConfig:
    """The config of a job's command line: `--config FILE --root FOLDER section.key=value ...`; --help lists the keys."""
    parser = argparse.ArgumentParser(prog=program)
    add_config_arguments(parser, summary, sections, kind)
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help="settings that win over the file's")
    arguments = parser.parse_args(argv)
    return load(arguments.config, arguments.overrides, arguments.root, kind)


def add_config_arguments(parser: argparse.ArgumentParser, summary: str, sections: Sequence[str], kind: type[Config]) -> None:
    """--config, --root and the text of --help, which every job has."""
    parser.description, parser.epilog = summary, "keys:\n" + describe(sections, kind)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"YAML file, local or s3://, or one that comes with the package: {', '.join(presets.names())}; "
        "without it every key has its default",
    )
    parser.add_argument("--root", default="", metavar="FOLDER", help="where relative paths are, a folder or s3://bucket/prefix")


def _read_yaml(path: str) -> dict:
    preset = presets.find(path)
    try:
        values = yaml.safe_load(storage.read_bytes(preset if preset and not storage.exists(path) else path))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise InputError(
            f"{path}: not YAML{f', line {mark.line + 1}' if mark else ''}: {getattr(error, 'problem', error)}"
        ) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected a mapping of sections, got {type(values).__name__}")
    return values


def _set(values: dict, key: str, value: object, path: str | None) -> None:
    section, name = key.split(".")
    values.setdefault(section, {})
    if not isinstance(values[section], dict):
        raise InputError(f"{path}: key '{section}': expected a mapping")
    values[section][name] = value


def _parse_value(override: str, text: str) -> object:
    try:
        return yaml.safe_load(text) if text else ""
    except yaml.YAMLError:
        raise InputError(f"argument '{override}': the value is not YAML") from None


def _check_keys(values: dict, where: str, kind: type[Config] = Config) -> None:
    sections = kind.model_fields
    for section, keys in values.items():
        if section not in sections:
            raise InputError(f"{where}: unknown section '{section}'{_nearest(str(section), sections)}")
        if not isinstance(keys, dict):
            raise InputError(f"{where}: key '{section}': expected a mapping of its keys, got {keys!r}")
        known = _keys(section, kind)
        for key in keys:
            if key not in known:
                if new := new_name(section, key):
                    raise InputError(f"{where}: key '{section}.{key}' is called '{section}.{new}'")
                everywhere = [f"{other}.{name}" for other in sections for name in _keys(other, kind)]
                close = difflib.get_close_matches(str(key), known, 1, 0.6)
                elsewhere = [name for name in everywhere if name.endswith(f".{key}")]
                candidates = [f"{section}.{name}" for name in close] or elsewhere
                hint = f"; did you mean '{candidates[0]}'?" if candidates else _nearest(f"{section}.{key}", everywhere)
                raise InputError(f"{where}: unknown key '{section}.{key}'{hint}")


def _keys(section: str, kind: type[Config] = Config) -> dict[str, FieldInfo]:
    annotation = kind.model_fields[section].annotation
    return annotation.model_fields if isinstance(annotation, type) and issubclass(annotation, Section) else {}


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1, 0.4)
    return f"; did you mean '{close[0]}'?" if close else ""


def _type_name(field: FieldInfo) -> str:
    return _annotation_name(field.annotation)


def _annotation_name(annotation: object) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " | ".join(str(a) for a in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_annotation_name(a) for a in arguments)
    if origin is typing.Annotated:
        return _annotation_name(arguments[0])
    if origin is not None:
        return f"{origin.__name__} of {', '.join(_annotation_name(a) for a in arguments)}"
    return "null" if annotation is type(None) else getattr(annotation, "__name__", str(annotation))


def _default(field: FieldInfo) -> str:
    return (
        yaml.safe_dump(field.get_default(call_default_factory=True), default_flow_style=True, width=1000)
        .replace("\n...", "")
        .strip()
    )
