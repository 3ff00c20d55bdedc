"""Exit codes and messages of the jobs, as a person at the command line meets them."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from rich.table import Table

from pose_diffusion import config_file
from pose_diffusion.distributed import job
from pose_diffusion.distributed.job import exit_code, input_error_in, reason
from pose_diffusion.errors import InputError, RunError

JOBS = ("prepare", "train", "tune", "infer", "import_official", "quickstart")


def run(main, *arguments):
    return exit_code(main, "A job.", ("train",), list(arguments))


def raising(error):
    def main(config):
        raise error

    return main


@pytest.mark.parametrize("form", ["{}", "ray://{}"])
def test_an_address_where_nothing_listens_is_told_from_one_where_something_does(monkeypatch, form):
    monkeypatch.setattr(job, "_ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = form.format(f"127.0.0.1:{server.getsockname()[1]}")
        assert job._listens(address)
    assert not job._listens(address)


def test_an_address_that_ray_looks_up_is_left_to_it():
    assert job._listens("auto")


@pytest.mark.parametrize(("mode", "told"), [(None, "token.*RAY_AUTH_MODE=token"), ("token", "Failed to connect$")])
def test_a_cluster_that_may_want_a_token_is_told_of(monkeypatch, mode, told):
    def refuse(**_: object) -> None:
        raise ConnectionError("Failed to connect")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", refuse)
    monkeypatch.setattr(job, "_listens", lambda address: True)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    if mode:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with pytest.raises(InputError, match=told), job.ray_cluster(config_file.load(None, ["ray.address=127.0.0.1:9"])):
        pass


def test_no_cluster_at_an_address_is_bad_input(monkeypatch):
    monkeypatch.setattr(job, "_ANSWER_SECONDS", 0.2)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    config = config_file.load(None, ["ray.address=127.0.0.1:9"])
    with pytest.raises(InputError, match=r"'ray\.address': no Ray cluster answers at 127\.0\.0\.1:9"), job.ray_cluster(config):
        pass


def test_a_table_in_a_log_is_as_wide_as_it_needs(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    names = [f"column {number}" for number in range(10, 24)]
    job.show(Table(*names))
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


def test_lines_that_mean_nothing_stay_off_the_console_and_all_others_arrive(repository):
    program = """
import os, sys
from pose_diffusion.distributed import sieve
with sieve.stderr_without(sieve.HARMLESS):
    print("first", file=sys.stderr)
    os.write(2, f"core_worker.cc: Actor {sieve.HARMLESS}, see\\n".encode())
    os.write(2, b"last words without an end of line")
    if sys.argv[1] == "crash":
        os.abort()
print("after", file=sys.stderr)
"""
    for end, expected in (("end", "first\nlast words without an end of line\nafter\n"), ("crash", "first\nlast words")):
        done = subprocess.run([sys.executable, "-c", program, end], cwd=repository, capture_output=True, text=True, timeout=120)
        assert done.stderr.startswith(expected)


def test_a_stop_of_the_job_and_all_that_it_started_leaves_its_last_words(repository):
    program = """
import os, signal, sys, time
from pose_diffusion.distributed import sieve
def stop(*_):
    print("stopped: run the same command again", file=sys.stderr)
    sys.exit(1)
signal.signal(signal.SIGTERM, stop)
with sieve.stderr_without(sieve.HARMLESS):
    print("ready", flush=True)
    time.sleep(60)
"""
    job = subprocess.Popen(
        [sys.executable, "-c", program], cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert job.stdout.readline() == "ready\n"
    for process in [*psutil.Process(job.pid).children(recursive=True), psutil.Process(job.pid)]:
        process.terminate()
    assert job.communicate(timeout=60)[1] == "stopped: run the same command again\n"


def test_an_unknown_key_exits_with_2(capsys):
    assert run(lambda config: None, "train.bacth=3") == 2
    assert "did you mean 'train.batch'?" in capsys.readouterr().err


def test_bad_input_within_a_ray_task_is_found(ray_session):
    import ray

    with pytest.raises(ray.exceptions.RayTaskError) as error:
        ray.get(ray.remote(num_cpus=0)(raising(InputError("a.npz: key 'x': expected"))).remote(None))
    assert str(input_error_in(error.value)) == "a.npz: key 'x': expected"


def test_another_fault_is_not_taken_for_bad_input():
    assert input_error_in(ValueError("x")) is None


def test_the_reason_of_a_failure_is_our_own_error_wherever_it_lies(ray_session):
    import ray

    with pytest.raises(ray.exceptions.RayTaskError) as error:
        ray.get(ray.remote(num_cpus=0)(raising(RunError("the loss is not finite"))).remote(None))
    assert reason(error.value) == "the loss is not finite"


def test_the_reason_of_another_failure_is_its_cause():
    error = RuntimeError("a task failed")
    error.__cause__ = MemoryError("cannot have 8 GiB")
    assert reason(error) == "MemoryError: cannot have 8 GiB"


def test_a_ray_started_here_tells_its_workers_where_its_dashboard_is(ray_session):
    import ray

    def ask():
        from ray.util.state import list_nodes

        return os.environ["RAY_API_SERVER_ADDRESS"], len(list_nodes())

    address, nodes = ray.get(ray.remote(num_cpus=0)(ask).remote())
    assert address.startswith("http://127.0.0.1:") and nodes == 1
    assert os.environ.get("RAY_API_SERVER_ADDRESS") != address  # the job's own environment is as it was


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
