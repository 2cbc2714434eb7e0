"""What the docker CLI sends for a folder, seen by an engine that only takes note of it."""

from __future__ import annotations

import http.server
import os
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest

from tests.conftest import missing


class _Listener(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    received: list[tuple[str, bytes]]

    def address_string(self) -> str:
        return "docker"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Api-Version", "1.41")
        self.send_header("Builder-Version", "1")
        self.send_header("OSType", "linux")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(b"OK")

    def do_POST(self) -> None:
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        self.received.append((parse_qs(urlparse(self.path).query)["dockerfile"][0], b"".join(pieces)))
        self._answer(b"")


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def docker_cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., tuple[str, bytes]]]:
    """A function: arguments of `docker build` -> (name of the Dockerfile, the tar that the CLI sends)."""
    if shutil.which("docker") is None:
        missing("no docker CLI on this machine")
    handler = type("Handler", (_Listener,), {"received": []})
    address = tmp_path_factory.mktemp("engine") / "s"
    with _Server(str(address), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

        def build(*arguments: str | Path) -> tuple[str, bytes]:
            command = ["docker", "-H", f"unix://{address}", "build", *map(str, arguments)]
            done = subprocess.run(command, env={**os.environ, "DOCKER_BUILDKIT": "0"}, capture_output=True, timeout=60)
            assert handler.received, done.stderr
            return handler.received.pop()

        yield build
        server.shutdown()
