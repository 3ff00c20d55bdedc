"""An S3 server that has a bad day: a proxy before one that answers some requests with a fault.

    refuse    503 'SlowDown' without passing the request on
    forget    passes it on, then answers 500: what was asked for is done, but nobody knows
    reset     ends the connection without an answer
    cut       ends the connection in the middle of the answer
    stall     answers after some seconds

The kinds take turns; which requests meet one is drawn from a seed.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

FAULTS = ("refuse", "forget", "reset", "cut", "stall")
_ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}, try later</Message></Error>'


class FaultyS3:
    """endpoint: the proxy's address. upstream: the server's. requests, faults: how many there were of each kind."""

    def __init__(self, endpoint: str, upstream: str, share: float):
        self.endpoint, self.upstream, self.share = endpoint, upstream, share
        self.stall_s, self.kinds = 2.0, FAULTS
        self.faults: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self._random, self._lock = random.Random(1), threading.Lock()

    def fault(self, method: str) -> str:
        """The fault of the next request, '' for none."""
        with self._lock:
            self.requests[method] += 1
            if self._random.random() >= self.share:
                return ""
            kind = self.kinds[self.faults.total() % len(self.kinds)]
            self.faults[kind] += 1
            return kind

    @contextlib.contextmanager
    def bad_day(self, share: float, stall_s: float = 2.0, kinds: tuple[str, ...] = FAULTS) -> Iterator[FaultyS3]:
        """Faults of these kinds for this share of the requests while the block lasts."""
        self.share, self.stall_s, self.kinds = share, stall_s, kinds
        self.faults.clear()
        self.requests.clear()
        self._random.seed(1)
        try:
            yield self
        finally:
            self.heal()

    def heal(self) -> None:
        self.share = 0


@contextlib.contextmanager
def faulty(upstream: str, share: float = 0) -> Iterator[FaultyS3]:
    """A proxy before the S3 server `upstream` while the block lasts; its `endpoint` is its address."""
    server = _Server(("127.0.0.1", 0), _Handler)
    proxy = FaultyS3(f"http://127.0.0.1:{server.server_port}", upstream, share)
    server.faulty = proxy
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    faulty: FaultyS3


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def send_response(self, code: int, message: str | None = None) -> None:
        self.send_response_only(code, message)  # the upstream's own Date and Server are passed on

    def _serve(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            body = self._body()
            state = self.server.faulty
            fault = state.fault(self.command)
            if fault == "stall":
                time.sleep(state.stall_s)
            if fault == "reset":
                return self._reset()
            if fault == "refuse":
                return self._answer(503, {}, _ERROR.format(code="SlowDown").encode())
            status, headers, content = self._upstream(body)
            if fault == "forget":
                return self._answer(500, {}, _ERROR.format(code="InternalError").encode())
            if fault == "cut":
                self._answer(status, headers, content, upto=len(content) // 2)
                return self._reset()
            self._answer(status, headers, content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

    def _body(self) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _upstream(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(urlsplit(self.server.faulty.upstream).netloc, timeout=60)
        dropped = ("transfer-encoding", "expect", "content-length", "connection")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():  # the Host too, which is signed
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        found = {name: value for name, value in answer.getheaders() if name.lower() not in ("transfer-encoding", "connection")}
        connection.close()
        return answer.status, found, content

    def _answer(self, status: int, headers: dict[str, str], content: bytes, upto: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD" and status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:upto])

    def _reset(self) -> None:
        # Lingering for 0 seconds makes the end a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()
