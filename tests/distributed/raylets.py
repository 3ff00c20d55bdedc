"""A Ray cluster of several machines, played by raylets on this one, with token authentication and jobs by `ray job submit`."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.waiting import wait_for

_RAY = str(Path(sys.executable).with_name("ray"))


@dataclass
class Raylets:
    """A head with one CPU and the nodes that were added, each a process of its own with all that it started."""

    home: Path
    environment: Mapping[str, str]
    port: int = 0
    dashboard: int = 0
    nodes: list[subprocess.Popen] = field(default_factory=list)

    def start_head(self) -> None:
        self.port, self.dashboard = _free_port(), _free_port()
        self.ray("get-auth-token", "--generate")
        self._start("--head", f"--port={self.port}", f"--dashboard-port={self.dashboard}", "--dashboard-host=127.0.0.1")
        wait_for(lambda: self.ray("job", "list", check=False).returncode == 0, "the head's dashboard")

    def add_node(self) -> int:
        """A further node of one CPU; its number."""
        log = self._start(f"--address=127.0.0.1:{self.port}")
        wait_for(lambda: "Ray runtime started" in log.read_text(), f"node {len(self.nodes)}: {log.read_text()}")
        return len(self.nodes) - 1

    def kill_node(self, number: int) -> None:
        """Ends a node and all that it runs at once, as a machine that loses power."""
        node = self.nodes[number]
        family = psutil.Process(node.pid).children(recursive=True)
        for process in [psutil.Process(node.pid), *family]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        node.wait()

    def node_with(self, title: str) -> int:
        """A node, other than the head, one of whose processes has this in its title; waits until there is one."""
        found: list[int] = []

        def look() -> list[int]:
            for number, node in enumerate(self.nodes[1:], 1):
                if node.poll() is None:
                    for process in psutil.Process(node.pid).children(recursive=True):
                        with contextlib.suppress(psutil.NoSuchProcess):
                            found.extend([number] * (title in " ".join(process.cmdline())))
            return found

        wait_for(look, f"a node with {title}")
        return found[0]

    def submit(self, name: str, *entrypoint: str, folder: Path, wait: bool = True) -> subprocess.CompletedProcess[str]:
        flags = [] if wait else ["--no-wait"]
        done = self.ray(
            "job", "submit", "--submission-id", name, "--working-dir", str(folder), *flags, "--", *entrypoint, check=False
        )
        assert self.ray("job", "status", name, check=False).returncode == 0, f"not submitted: {done.stdout}{done.stderr}"
        return done

    def logs(self, name: str) -> str:
        """What the job wrote, without what the command says of itself."""
        lines = _plain(self.ray("job", "logs", name).stdout).splitlines(keepends=True)
        start = next(number for number, line in enumerate(lines) if line.startswith("Running entrypoint"))
        return "".join(lines[start + 1 :]).rstrip()

    def status(self, name: str) -> str:
        return _plain(self.ray("job", "status", name).stdout)

    def ray(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([_RAY, *arguments], env=self._variables(), capture_output=True, text=True, timeout=900)
        assert not check or done.returncode == 0, f"ray {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done

    def stop(self) -> None:
        for node in reversed(self.nodes):
            if node.poll() is None:
                node.send_signal(signal.SIGTERM)
        for number, node in enumerate(self.nodes):
            try:
                node.wait(20)
            except subprocess.TimeoutExpired:
                self.kill_node(number)

    def _start(self, *arguments: str) -> Path:
        """Starts a node; the file of what it says."""
        # Jobs are handed to the head's agent, which comes to nothing where another Ray here has its port. In one folder,
        # nodes would remove and unpack again a job's files while another's processes read them.
        folder = f"--temp-dir={self.home}/{len(self.nodes)}"
        own = ["--num-cpus=1", "--object-store-memory=300000000", f"--dashboard-agent-listen-port={_free_port()}", folder]
        command = [_RAY, "start", "--block", *own, *arguments]
        path = self.home / f"node{len(self.nodes)}.log"
        with path.open("wb") as log:
            self.nodes.append(
                subprocess.Popen(command, env=self._variables(), stdout=log, stderr=log, cwd=self.home, start_new_session=True)
            )
        return path

    def _variables(self) -> dict[str, str]:
        # No PYTHONPATH: the package is to come from the job's working directory.
        own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RAY_ADDRESS")}
        return {
            **own,
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # an activated environment
            "RAY_AUTH_MODE": "token",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{self.dashboard}",
            # A machine that is gone is noticed in seconds instead of a minute.
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_failure_threshold": "3",
            **self.environment,
        }


@contextlib.contextmanager
def raylets(nodes: int, environment: Mapping[str, str] | None = None) -> Iterator[Raylets]:
    """A head and so many further nodes, for the block. environment: variables of all their processes."""
    home = Path(tempfile.mkdtemp(prefix="pd-", dir="/tmp"))  # short, for the sockets in it
    cluster = Raylets(home, environment or {})
    try:
        cluster.start_head()
        for _ in range(nodes):
            cluster.add_node()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(home, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
