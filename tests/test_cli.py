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
from pose_diffusion.config import loading
from pose_diffusion.errors import InputError, RunError
from tests.keypoint_files import write_alphapose

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


def test_the_quickstart_lifts_its_sample_with_the_shipped_model_whatever_it_trains(repository, tmp_path, capsys):
    config = loading.load(str(repository / "configs" / "quickstart.yaml"), root=str(tmp_path))
    assert cli.lift(cli._of_sample(config)) == 0
    written = tmp_path / "runs" / "quickstart" / "sample_3d"
    assert {path.name for path in written.iterdir()} == {"lift.json", "poses.npz", "view.html"}
    assert "240 frames, 0 to 239" in capsys.readouterr().out


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


def lift(*arguments) -> int:
    return exit_code(VERBS["lift"], [str(argument) for argument in arguments])


def test_lift_writes_beside_its_input_and_tells_what_it_assumed(shipped, tmp_path, capsys):
    assert lift(write_alphapose(tmp_path / "clip.json"), "--image-size", "1280x720") == 0
    assert {path.name for path in (tmp_path / "clip_3d").iterdir()} == {"lift.json", "poses.npz", "poses.parquet"}
    said = capsys.readouterr().out
    assert "assumed" in said and "person 0: 6 frames" in said and "MPJPE mm 61.5" in said and "clip_3d/poses.npz" in said


def test_lift_without_an_image_size_asks_for_it_in_one_line_and_writes_nothing(shipped, tmp_path, capsys):
    assert lift(write_alphapose(tmp_path / "clip.json")) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "clip.json: nothing says how large the images are; add --image-size" in error
    assert error.count("\n") == 1 and [path.name for path in tmp_path.iterdir()] == ["clip.json"]


def test_lift_ends_with_1_where_something_was_left_out(shipped, tmp_path):
    write_alphapose(tmp_path / "in" / "good.json")
    (tmp_path / "in" / "bad.json").write_text(
        '[{"image_id": "1.jpg", "category_id": 1, "keypoints": [1, 2], "idx": 0, "box": []}]'
    )
    assert lift(tmp_path / "in", "--image-size", "1280x720", "-o", tmp_path / "out", "prepare.on_error=skip") == 1
    assert (tmp_path / "out" / "poses.npz").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: no input: expected a file or folder"),
        (["absent.json"], "absent.json: no such file or folder"),
        (["a.json", "b.json"], "error: 2 inputs"),
        (["a.json", "--fps", "fast"], "error: --fps fast: expected a number"),
        (["a.json", "--image-size", "big"], "error: --image-size big: expected WIDTHxHEIGHT"),
    ],
)
def test_lift_refuses_bad_arguments_with_2_in_one_line(capsys, arguments, message):
    assert lift(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
