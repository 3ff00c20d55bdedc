"""A stand-in for storage that refuses: a proxy before the S3 endpoint of the tests."""

from __future__ import annotations

import http.client
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

REFUSALS = {
    "internal error": (500, "InternalError"),
    "slow down": (503, "SlowDown"),
    "expired token": (400, "ExpiredToken"),
    "access denied": (403, "AccessDenied"),
}


class Proxy(ThreadingHTTPServer):
    """Stands before an S3 endpoint and refuses the next so many requests of a method for an object."""

    def __init__(self, endpoint: str):
        super().__init__(("127.0.0.1", 0), Handler)
        self.endpoint = urlsplit(endpoint).netloc
        self.method, self.refusals, self.status, self.code = "", 0, 0, ""

    def refuse(self, method: str, times: int, status: int, code: str) -> None:
        self.method, self.refusals, self.status, self.code = method, times, status, code


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def relay(self) -> None:
        server = self.server
        assert isinstance(server, Proxy)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.command == server.method and ".parquet" in self.path and server.refusals > 0:
            server.refusals -= 1
            xml = f"<Error><Code>{server.code}</Code><Message>{server.code}</Message></Error>".encode()
            self.answer(server.status, {"Content-Type": "application/xml"}, xml)
            return
        upstream = http.client.HTTPConnection(server.endpoint)
        upstream.request(self.command, self.path, body, dict(self.headers))
        response = upstream.getresponse()
        self.answer(response.status, dict(response.getheaders()), response.read())

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        dropped = ("transfer-encoding", "connection") + (() if self.command == "HEAD" else ("content-length",))
        for name, value in headers.items():
            if name.lower() not in dropped:
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = relay

    def log_message(self, format: str, *arguments: object) -> None:
        pass
