"""The Dockerfile, as far as it can be checked without Docker: what it copies is there, and what it must not hold is not."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.cluster.commands import REPOSITORY


@pytest.fixture(scope="module")
def instructions(folder: Path) -> list[tuple[str, str]]:
    """(INSTRUCTION, the rest), comments left out and continued lines joined."""
    lines = [line for line in (folder / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines()]


def test_what_it_copies_is_there_and_not_ignored(instructions, folder):
    kept = {line[1:] for line in (folder / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = {name for word, rest in instructions if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]}
    assert sources == kept
    assert all((REPOSITORY / name).exists() for name in sources)


def test_versions_are_the_locks_and_torch_is_for_cpus_or_for_cuda(instructions):
    (install,) = [rest for word, rest in instructions if word == "RUN" and "pip install" in rest]
    assert "-c requirements.lock . boto3" in install
    assert re.findall(r"(\w+)\) index=", install) == ["cpu", "cuda"]
    assert ("ARG", "BUILD=cpu") in instructions
    assert "torch==2.13.0" in (REPOSITORY / "requirements.lock").read_text().split()


def test_python_is_one_that_the_package_takes(instructions):
    (version,) = [rest.removeprefix("PYTHON=") for word, rest in instructions if word == "ARG" and rest.startswith("PYTHON=")]
    assert tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["requires-python"].startswith(f">={version},")


def test_it_does_not_run_as_root(instructions):
    assert [rest for word, rest in instructions if word == "USER"][-1] == "ray"
    assert instructions[-1][0] == "CMD"
