"""OpenStack Swift with its S3 interface, from Debian's packages: a real S3 server on this machine, one disk and one copy.

    apt-get install --no-install-recommends swift swift-proxy swift-account swift-container swift-object

Four servers (account, container, object, proxy) of one process each, with rings and data in a folder. The proxy's pipeline
holds `s3api`, which speaks S3, `tempauth`, which holds the one user, and `slo`, of which multipart uploads are made.
/etc/swift/swift.conf is the package's own. Signatures are checked, unlike moto's. Run as a script it serves until Ctrl-C:

    python -m tests.s3.swift FOLDER
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ACCESS_KEY, SECRET_KEY = "test:tester", "testing"

_STORAGE = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/disks
mount_check = false
fallocate_reserve = 0
log_name = {name}

[pipeline:main]
pipeline = {name}-server

[app:{name}-server]
use = egg:swift#{name}
"""
_PROXY = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}

[pipeline:main]
pipeline = catch_errors healthcheck cache s3api tempauth slo proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true

[filter:catch_errors]
use = egg:swift#catch_errors

[filter:healthcheck]
use = egg:swift#healthcheck

[filter:cache]
use = egg:swift#memcache
memcache_servers =

[filter:s3api]
use = egg:swift#s3api
location = us-east-1

[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin

[filter:slo]
use = egg:swift#slo
"""


def installed() -> bool:
    return all(shutil.which(f"swift-{name}") for name in ("proxy-server", "object-server", "ring-builder"))


@contextlib.contextmanager
def swift(folder: Path) -> Iterator[str]:
    """The address of a Swift whose data lies in a folder (with extended attributes), while the block lasts."""
    (folder / "disks" / "d1").mkdir(parents=True)
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    servers = []
    try:
        for name in ("account", "container", "object"):
            port = _free_port()
            _ring(folder, name, port)
            config = _STORAGE.format(port=port, user=user, folder=folder, name=name)
            servers.append(_start(folder, name, config))
        port = _free_port()
        servers.append(_start(folder, "proxy", _PROXY.format(port=port, user=user, folder=folder)))
        url = f"http://127.0.0.1:{port}"
        _wait(f"{url}/healthcheck", folder)
        yield url
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait(20)


def _ring(folder: Path, name: str, port: int) -> None:
    builder = str(folder / f"{name}.builder")
    for arguments in (["create", "4", "1", "0"], ["add", f"r1z1-127.0.0.1:{port}/d1", "1"], ["rebalance"]):
        subprocess.run(["swift-ring-builder", builder, *arguments], check=True, capture_output=True)


def _start(folder: Path, name: str, config: str) -> subprocess.Popen:
    path = folder / f"{name}-server.conf"
    path.write_text(config)
    with open(folder / f"{name}.log", "wb") as log:
        return subprocess.Popen([f"swift-{name}-server", str(path), "-v"], stdout=log, stderr=log)


def _wait(url: str, folder: Path) -> None:
    end = time.monotonic() + 60
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(url, timeout=5):
            return
        assert time.monotonic() < end, (folder / "proxy.log").read_text()
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


if __name__ == "__main__":
    with swift(Path(sys.argv[1]).resolve()) as endpoint:
        print(f"AWS_ENDPOINT_URL={endpoint} AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(60)
