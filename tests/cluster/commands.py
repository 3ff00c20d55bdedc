"""The commands in the files of cluster/: of the jobs (`python .../jobs/VERB.py ...`) and of Ray (`ray ...`)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
CLUSTER = REPOSITORY / "cluster"
FILES = sorted(path for path in CLUSTER.rglob("*") if path.is_file() and path.name != ".env")
_IMAGE = "/app/"  # where the image has jobs/ and configs/


@dataclass(frozen=True)
class JobCommand:
    """A job's command line and the file that names it."""

    where: str
    script: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.where}: {self.script}"

    @property
    def path(self) -> Path:
        return REPOSITORY / self.script.removeprefix(_IMAGE)

    @property
    def config(self) -> str | None:
        given = self._after("--config")
        return str(REPOSITORY / given.removeprefix(_IMAGE)) if given else None

    @property
    def root(self) -> str:
        return self._after("--root") or ""

    @property
    def overrides(self) -> list[str]:
        return [argument for argument in self.arguments if re.match(r"\w+\.\w+=", argument)]

    def _after(self, option: str) -> str | None:
        return self.arguments[self.arguments.index(option) + 1] if option in self.arguments else None


def job_commands() -> list[JobCommand]:
    """Every job command of every file, each once."""
    found = {}
    for path in FILES:
        for line in _lines(path):
            for match in re.finditer(r"python (\S*jobs/\w+\.py)([^|;&`]*)", line):
                command = JobCommand(path.name, match[1], tuple(shlex.split(match[2])))
                found[command] = command
    return list(found)


def ray_commands() -> list[list[str]]:
    """The arguments of every `ray ...` command, up to the job that it submits."""
    found = {}
    for path in FILES:
        for line in _lines(path):
            for match in re.finditer(r"^(?:RAY_\w+=\S+ )?ray ([a-z][^|;&`>]*)", line):
                arguments = shlex.split(match[1].split(" -- ")[0].replace("...", ""), comments=True)
                found[tuple(arguments)] = path.name
    return [list(arguments) for arguments in found]


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file, those that a backslash continues joined, without comment signs; then the strings of a YAML file."""
    text = re.sub(r"^# {0,4}", "", path.read_text(), flags=re.MULTILINE)
    yield from (line.strip() for line in re.sub(r"\\\n *", " ", text).splitlines())
    if path.suffix == ".yaml" and path.name != "aws_roles.yaml":  # whose tags are CloudFormation's
        for document in yaml.safe_load_all(path.read_text()):
            yield from _strings(document)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)
