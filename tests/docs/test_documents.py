"""What README and docs/ tell a reader to type and to open: each verb, config, key and linked file is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from benchmarks.config import BenchmarkConfig
from pose_diffusion.cli import VERBS
from pose_diffusion.config import loading

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (REPOSITORY / "docs").rglob("*.md")
)
# Pages whose keys are not all there: one adds a source that is made up, the other names keys of earlier versions.
KEYS = [page for page in PAGES if page.name not in ("add-a-source.md", "CHANGELOG.md")]
SUFFIXES = ("yaml", "py", "md", "json", "html", "safetensors")


def commands(name: str) -> list[list[str]]:
    """The arguments of each indented line of the pages that begins with the command, continued lines joined, each once."""
    found = {}
    for page in KEYS:
        text = re.sub(r"\\\n +", " ", page.read_text())
        for arguments in re.findall(rf"^    {re.escape(name)} (.*)$", text, re.MULTILINE):
            found[arguments] = shlex.split(arguments, comments=True)
    return list(found.values())


def overrides(arguments: list[str]) -> list[str]:
    return [argument for argument in arguments if re.match(r"\w+\.\w+=", argument)]


@pytest.mark.parametrize("arguments", commands("pose-diffusion"), ids=" ".join)
def test_a_command_has_a_verb_a_config_and_keys_that_are_there(arguments: list[str]):
    verb, *rest = arguments
    assert verb in VERBS
    config = rest[rest.index("--config") + 1] if "--config" in rest else None
    if config and config.startswith("runs/"):  # what an earlier command has made
        config = None
    loading.load(str(REPOSITORY / config) if config else None, overrides(rest), "")


@pytest.mark.parametrize("arguments", commands("python -m benchmarks"), ids=" ".join)
def test_a_benchmark_takes_its_keys(arguments: list[str]):
    loading.load(None, overrides(arguments), "", BenchmarkConfig)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_and_files_are_there(page: Path):
    text = page.read_text()
    for link in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text):
        assert (page.parent / link).exists(), link
    for name in re.findall(r"`((?:configs|jobs|pose_diffusion|tests)/[\w/]+\.\w+)`", text):
        made_by_the_reader = ("jobs/bench.py", "pose_diffusion/data/sources/detections/jointcsv.py", "jobs/VERB.py")
        assert name in made_by_the_reader or (REPOSITORY / name).exists(), name


@pytest.mark.parametrize("page", KEYS, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_keys_are_keys(page: Path):
    sections = BenchmarkConfig.model_fields
    for section, key in re.findall(r"(?<![\w./-])([a-z_0-9]+)\.([a-z]\w*)(?=[=`])", page.read_text()):
        is_module = any((REPOSITORY / "pose_diffusion" / section / name).exists() for name in (key, f"{key}.py"))
        if section in sections and key not in SUFFIXES and not is_module:
            assert key in sections[section].annotation.model_fields, f"{section}.{key}"
