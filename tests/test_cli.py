"""Exit codes and messages of the command line, as a person meets them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.table import Table

from pose_diffusion import cli
from pose_diffusion.cli import VERBS, Verb, exit_code
from pose_diffusion.errors import InputError, RunError

JOBS = ("prepare", "train", "tune", "infer", "import_official", "quickstart")


def run(main, *arguments):
    return exit_code(Verb(main, ("train",)), list(arguments))


def raising(error):
    def main(config):
        raise error

    return main


def test_a_table_in_a_log_is_as_wide_as_it_needs(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    names = [f"column {number}" for number in range(10, 24)]
    cli.show(Table(*names))
    shown = capsys.readouterr().out
    assert all(name in shown for name in names)


def test_a_job_that_ends_well_exits_with_0():
    assert run(lambda config: None) == 0


def test_bad_input_exits_with_2_and_one_line(capsys):
    assert run(raising(InputError("shards/a.parquet: row 3\nmore"))) == 2
    assert capsys.readouterr().err == "error: shards/a.parquet: row 3\n"


def test_a_failed_run_exits_with_1_and_one_line(capsys):
    assert run(raising(RunError("two shards were not lifted"))) == 1
    assert capsys.readouterr().err == "failed: two shards were not lifted\n"


def test_a_stopped_run_says_how_to_go_on(capsys):
    assert run(raising(KeyboardInterrupt())) == 1
    assert "run the same command again" in capsys.readouterr().err


def test_a_full_disk_exits_with_1_and_one_line(capsys):
    assert run(raising(OSError(errno.ENOSPC, "No space left on device", "out/report.json"))) == 1
    assert capsys.readouterr().err == "failed: [Errno 28] No space left on device: 'out/report.json'\n"


def test_another_fault_of_the_machine_is_not_hidden():
    with pytest.raises(OSError, match="too many links"):
        run(raising(OSError(errno.EMLINK, "too many links")))


def test_an_unknown_key_exits_with_2(capsys):
    assert run(lambda config: None, "train.bacth=3") == 2
    assert "did you mean 'train.batch'?" in capsys.readouterr().err


BAD = [
    ("train", ["train.batch=none"], "error: command line: key 'train.batch'"),
    ("train", ["data.shards=/absent/shards", "train.output=/tmp/never"], "error: /absent/shards: no such shard folder"),
    ("train", ["--config", "/absent.yaml"], "error: /absent.yaml: no such file"),
    ("prepare", ["prepare.source=human36m", "prepare.output=/tmp/never"], "error: "),
]


@pytest.fixture(scope="module")
def done(repository):
    """What the jobs say to each command line of the tests below: run side by side, as each takes seconds to start."""

    def start(command: tuple[str, ...]) -> subprocess.CompletedProcess:
        job, *arguments = command
        whole = [sys.executable, str(repository / "jobs" / f"{job}.py"), *arguments]
        return subprocess.run(whole, capture_output=True, text=True, timeout=120)

    commands = [(job, "--help") for job in JOBS] + [(job, *arguments) for job, arguments, _ in BAD]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(commands, pool.map(start, commands), strict=True))


@pytest.mark.parametrize("job", JOBS)
def test_help_lists_the_keys_with_their_sentences(done, job):
    helped = done[job, "--help"]
    assert helped.returncode == 0
    assert "keys:" in helped.stdout and helped.stdout.count("\n      ") > 3


@pytest.mark.parametrize(("job", "arguments", "message"), BAD)
def test_bad_input_is_one_line_without_a_trace(done, job, arguments, message):
    refused = done[job, *arguments]
    assert refused.returncode == 2
    assert message in refused.stderr and "Traceback" not in refused.stderr


def command(*arguments: str) -> subprocess.CompletedProcess:
    program = [sys.executable, "-c", "from pose_diffusion.cli import main; main()", *arguments]
    return subprocess.run(program, capture_output=True, text=True, timeout=120)


def test_the_command_lists_its_verbs_with_their_summaries():
    for arguments in ((), ("--help",)):
        listed = command(*arguments)
        assert listed.returncode == 0
        assert all(f"\n  {verb} " in listed.stdout for verb in VERBS)


def test_an_unknown_verb_exits_with_2_and_names_the_known_ones():
    refused = command("predict")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: no verb 'predict': expected prepare, ") and refused.stderr.count("\n") == 1


def test_every_verb_has_a_job_of_its_name_and_every_job_a_verb(repository):
    assert {path.stem for path in (repository / "jobs").glob("*.py")} == set(VERBS)
