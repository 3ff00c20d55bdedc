"""What the files of cluster/ tell a user to type: each job, config, key, option and file that they name is there."""

from __future__ import annotations

import re
from itertools import takewhile

import click
import pytest
from ray.scripts.scripts import cli

from pose_diffusion.config import Config, loading
from tests.cluster.commands import CLUSTER, FILES, REPOSITORY, JobCommand, job_commands, ray_commands

JOBS = job_commands()
TEXTS = [path for path in FILES if path.suffix != ".json"]


def test_commands_are_found_in_every_file_that_runs_a_job():
    named = {command.where for command in JOBS}
    assert named >= {"README.md", "compose.yaml", "aws.yaml", "train.yaml", "infer.yaml", "tune.yaml"}
    assert {command.path.stem for command in JOBS} >= {"prepare", "train", "infer", "quickstart"}


@pytest.mark.parametrize("command", JOBS, ids=str)
def test_a_job_exists_and_its_config_loads_with_its_overrides(command: JobCommand):
    assert command.path.is_file()
    config = loading.load(command.config, command.overrides, command.root)
    if command.root:
        assert not any(path.startswith(str(REPOSITORY)) for path in re.findall(r"/\S+", loading.dump(config)))


@pytest.mark.parametrize("arguments", ray_commands(), ids=" ".join)
def test_rays_command_line_takes_the_options(arguments: list[str]):
    name, command = "ray", cli
    while isinstance(command, click.Group):
        context = command.make_context(name, [], resilient_parsing=True)
        name, command, arguments = command.resolve_command(context, arguments)
    command.make_context(name, [*arguments, *(["python"] if name == "submit" else [])])  # parses, and runs nothing


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_key_that_a_text_names_is_a_key(path):
    sections = "|".join(Config.model_fields)
    for section, key in re.findall(rf"(?<![\w./-])({sections})\.([a-z]\w*)", path.read_text()):
        if key not in ("yaml", "py", "io"):
            assert key in Config.model_fields[section].annotation.model_fields, f"{section}.{key}"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_file_that_a_text_names_is_there(path):
    for name in re.findall(r"(?<![\w./:-])((?:cluster|configs|jobs)/[\w./-]*\w)", path.read_text()):
        if name not in ("cluster/.env", "jobs/tune.py", "configs/tune.yaml", "jobs/VERB.py"):
            assert (REPOSITORY / name).exists(), name


def test_every_file_is_in_the_table_and_says_how_it_is_used():
    table = (CLUSTER / "README.md").read_text()
    for path in TEXTS:
        if path.name != "README.md" and path.parent == CLUSTER and path.name != "Dockerfile.dockerignore":
            assert f"`{path.name}`" in table
        if path.suffix == ".yaml" or path.name == "Dockerfile":
            opening = " ".join(takewhile(lambda line: line.startswith("#"), path.read_text().splitlines()))
            assert f"cluster/{path.relative_to(CLUSTER)}" in opening
            assert all(word in opening.lower() for word in ("cost", "size", "secret")), path.name


SECRETS = re.compile(
    r"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY|gh[pous]_\w{30}"
    r"|(?i:secret|password|token|access_key(?:_id)?)[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9/+]{12,}"
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_holds_a_secret(path):
    assert not SECRETS.search(path.read_text())


@pytest.mark.parametrize(
    "line", ["AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENG", "key: AKIAABCDEFGHIJKLMNOP", 'token: "0123456789abcdef"']
)
def test_a_secret_would_be_found(line):
    assert SECRETS.search(line)
