"""A door before an open registry, in the test's own process: it asks for a password, or for a token of its own."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USER, PASSWORD = "ali", "open sesame"
_BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
_OURS = ("Authorization", "Host", "Content-Length", "Transfer-Encoding")
_TOKEN = "a-token-of-the-door"


class Front:
    """`host` is its name; `asked` has what was asked of `/token`: method, grant type or user, scopes.

    Args:
        target: `host:port` of the registry.
        tokens: whether it wants tokens; else it wants the password itself.
        post: whether `/token` knows OAuth2's POST.
    """

    def __init__(self, target: str, *, tokens: bool, post: bool = True) -> None:
        self.asked: list[tuple[str, str, tuple[str, ...]]] = []
        self.target, self.tokens, self.post = target, tokens, post
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Request)
        self._server.front = self  # type: ignore[attr-defined]
        self.host = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def config(self) -> str:
        """A config.json that knows the password."""
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return json.dumps({"auths": {self.host: {"auth": auth}}})


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the screen."""

    def answer(self) -> None:
        self.body = self._read()
        front: Front = self.server.front
        if self.path.partition("?")[0] == "/token":
            self._token(front)
        elif self.headers.get("Authorization") == (f"Bearer {_TOKEN}" if front.tokens else _BASIC):
            self._forward(front)
        else:
            scope = "/".join(self.path.split("/")[2:-2])
            realm = f'Bearer realm="http://{front.host}/token",service="door"' if front.tokens else 'Basic realm="door"'
            if front.tokens and scope:
                realm += f',scope="repository:{scope}:pull"'
            self._reply(401, b"{}", [("WWW-Authenticate", realm)])

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = answer

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _token(self, front: Front) -> None:
        query = urllib.parse.parse_qs(self.path.partition("?")[2])
        form = urllib.parse.parse_qs(self.body.decode())
        scopes = tuple((form if self.command == "POST" else query).get("scope", []))
        if self.command == "POST":
            front.asked.append(("POST", form["grant_type"][0], scopes))
            known = front.post and form.get("username") == [USER] and form.get("password") == [PASSWORD]
            answer = {"access_token": _TOKEN, "expires_in": 120}
        else:
            front.asked.append(("GET", USER if self.headers.get("Authorization") == _BASIC else "", scopes))
            known = self.headers.get("Authorization") == _BASIC
            answer = {"token": _TOKEN, "issued_at": "2020-01-01T00:00:00Z"}
        status = 200 if known else 404 if self.command == "POST" and not front.post else 401
        self._reply(status, json.dumps(answer if known else {}).encode(), [])

    def _forward(self, front: Front) -> None:
        inner = http.client.HTTPConnection(front.target)
        headers = {name: value for name, value in self.headers.items() if name not in _OURS}
        inner.request(self.command, self.path, self.body, {**headers, "Host": front.host})
        answer = inner.getresponse()
        data = answer.read()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() != "content-length"]
        length = answer.getheader("Content-Length") or str(len(data))
        self._reply(answer.status, data, kept, length=length)
        inner.close()

    def _reply(self, status: int, data: bytes, headers: list[tuple[str, str]], *, length: str = "") -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
