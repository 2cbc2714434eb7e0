"""A registry in the test's own process that misbehaves on demand: it cuts, lies, refuses, and asks for tokens."""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from store_tools import make_tar

from workbench.engines.embedded.catalog import machine
from workbench.engines.embedded.layout import CONFIG, INDEX, LAYER, MANIFEST


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Request(BaseHTTPRequestHandler):
    """One request. `server.fake` decides; what it leaves is served from its blobs and manifests."""

    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, format: str, *args: object) -> None:
        pass

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def reply(self, status: int, data: bytes = b"", **headers: str) -> None:
        """An answer. `cut_after=` ends the connection after so many bytes of it."""
        cut = headers.pop("cut_after", None)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data if cut is None else data[: int(cut)])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True

    def answer(self) -> None:
        fake: Fake = self.server.fake
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length) if length else b""
        fake.asked.append((self.command, self.path, dict(self.headers.items())))
        for rule in fake.rules:
            if rule(self):
                return
        self.serve(fake)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def serve(self, fake: Fake) -> None:
        if "/blobs/uploads/" in self.path:
            self.upload(fake)
            return
        kind, _, name = self.path.rpartition("/")
        if kind.endswith("/blobs") and name in fake.blobs:
            data = fake.blobs[name]
            wanted = self.headers.get("Range")
            if wanted:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                self.reply(206, data[start:], Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
            else:
                self.reply(200, data)
        elif kind.endswith("/manifests") and name in fake.manifests:
            kind, data = fake.manifests[name]
            self.reply(200, data, Content_Type=kind)
        elif self.path == "/v2/":
            self.reply(200, b"{}")
        else:
            self.reply(404, json.dumps({"errors": [{"code": "UNKNOWN", "message": "not here"}]}).encode())

    def upload(self, fake: Fake) -> None:
        """One upload at a time, at `/blobs/uploads/open`."""
        if self.command == "POST":
            fake.upload = b""
            self.reply(202, Location="/v2/a/x/blobs/uploads/open?state=0")
        elif self.command == "GET":
            self.reply(204, Range=f"0-{max(len(fake.upload) - 1, 0)}", Location="/v2/a/x/blobs/uploads/open?state=1")
        else:
            start = int((self.headers.get("Content-Range") or "0-").partition("-")[0])
            if start != len(fake.upload):
                self.reply(416)
                return
            fake.upload += self.body
            if self.command == "PATCH":
                self.reply(202, Location=f"/v2/a/x/blobs/uploads/open?state={len(fake.upload)}")
            else:
                digest = self.path.partition("digest=")[2]
                fake.blobs[digest] = fake.upload
                self.reply(201 if digest_of(fake.upload) == digest else 400)


Rule = Callable[[Request], bool]


@dataclass
class Fake:
    """`rules` come before everything, each says whether it has answered; `asked` is every request."""

    host: str = ""
    rules: list[Rule] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    upload: bytes = b""

    def put(self, data: bytes) -> dict[str, Any]:
        self.blobs[digest_of(data)] = data
        return {"digest": digest_of(data), "size": len(data)}

    def image(
        self, *contents: bytes, tag: str = "1", pack: Callable[[bytes], bytes] = gzip.compress, **config: Any
    ) -> str:
        """An image with one layer for each content; its ID."""
        tars = [make_tar(("file", content)) for content in contents]
        document = {
            "architecture": machine(), "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]}, **config,
        }  # fmt: skip
        described = self.put(json.dumps(document).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, **described},
            "layers": [{"mediaType": f"{LAYER}+gzip", **self.put(pack(tar))} for tar in tars],
        }
        self.manifest(manifest, tag)
        return str(described["digest"])

    def manifest(self, manifest: dict[str, Any], tag: str) -> str:
        data = json.dumps(manifest).encode()
        kind = INDEX if "manifests" in manifest else MANIFEST
        self.manifests[tag] = self.manifests[digest_of(data)] = (kind, data)
        return digest_of(data)

    def first_layer(self, tag: str = "1") -> str:
        return str(json.loads(self.manifests[tag][1])["layers"][0]["digest"])

    def paths(self, method: str = "GET") -> list[str]:
        return [path for asked, path, _ in self.asked if asked == method and path != "/v2/"]


@contextmanager
def fake_registry() -> Iterator[Fake]:
    """Runs until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
    server.daemon_threads = True
    fake = Fake(f"127.0.0.1:{server.server_address[1]}")
    server.fake = fake  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()


def times(number: int, rule: Rule) -> Rule:
    """The rule, for the first so many requests that it answers."""
    left = [number]

    def limited(request: Request) -> bool:
        if left[0] <= 0 or not rule(request):
            return False
        left[0] -= 1
        return True

    return limited
