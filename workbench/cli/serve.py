"""`workbench --serve [HOST:PORT]`: the same screen in a browser, on loopback, for those who have the token.

Each page has a workbench of its own in a process of its own; all of them attach to the builds of one context, as
several terminals do.
"""

from __future__ import annotations

import asyncio
import errno
import hmac
import importlib.util
import ipaddress
import os
import re
import secrets
import shlex
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from workbench.cli import output, signals
from workbench.dataclass import dataclass
from workbench.errors import InputError, UsageError

if TYPE_CHECKING:  # aiohttp takes its time
    from aiohttp import web

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOOPBACK = "127.0.0.1"
PORT = 8000
_FLAG = "--serve"
_ADDRESS = re.compile(r"(?:(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])?:)?(?P<port>\d{1,5})")
_TOKEN_BYTES = 24
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address has the token in it
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "frame-ancestors 'none'; base-uri 'none'; form-action 'none';"
    " style-src 'self' 'unsafe-inline'; font-src 'self' data:",  # nothing is fetched from anywhere else
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 takes any that is free."""

    host: str = LOOPBACK
    port: int = PORT

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def looks_like_address(text: str) -> bool:
    """Whether the word after `--serve` is one: `8000`, `:8000`, `HOST:8000`, `[::1]:8000`. Else it is the CONTEXT."""
    return _ADDRESS.fullmatch(text) is not None


def read_address(text: str) -> Address:
    """Raises UsageError for what is no address."""
    if not text:
        return Address()
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise UsageError(f"{_FLAG} takes HOST:PORT or PORT, not {text!r}", hint=f"As in {_FLAG} {LOOPBACK}:{PORT}.")
    return Address((found["host"] or LOOPBACK).strip("[]"), int(found["port"]))


def without_flag(words: Sequence[str], value: str) -> list[str]:
    """The command line of one page's workbench: `words` without `--serve` and what belongs to it."""
    kept: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            return [*kept, word, *left]
        if word == _FLAG:
            if value and left and left[0] == value:
                left.pop(0)
        elif not word.startswith(f"{_FLAG}="):
            kept.append(word)
    return kept


def serve(words: Sequence[str], address: Address) -> int:
    """Serves `workbench WORDS` until a signal comes. Prints the address, with its token, on stdout and nowhere else.

    Raises UsageError where textual-serve is not installed, InputError where it cannot listen.
    """
    if importlib.util.find_spec("textual_serve") is None:
        raise UsageError(
            f"{_FLAG} needs the package textual-serve, which is not installed",
            hint="pip install 'container-workbench[serve]', or pip install textual-serve.",
        )
    if not address.is_loopback:
        output.talk(f"{address.host} is not loopback: whoever reads the line reads the token and what is typed")
    command = shlex.join(
        ["env", "TERM=xterm-256color", "COLORTERM=truecolor", sys.executable, "-m", "workbench", *words]
    )

    async def work(stop: signals.Stop) -> int:
        await _listen(command, address, secrets.token_urlsafe(_TOKEN_BYTES))
        return 0

    return signals.run(work)


async def _listen(command: str, address: Address, token: str) -> None:
    from aiohttp import web

    runner = web.AppRunner(guarded(command, token), access_log=None, shutdown_timeout=2.0)  # a log would have the token
    await runner.setup()
    try:
        await web.TCPSite(runner, address.host, address.port).start()
    except OSError as error:
        await runner.cleanup()
        raise _cannot_listen(address, error) from error
    try:
        host, port = runner.addresses[0][:2]
        print(f"http://{Address(host, port)}/{token}/", flush=True)
        output.talk("serving until ctrl+c; only who has this address gets in")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _cannot_listen(address: Address, error: OSError) -> InputError:
    hint = f"{_FLAG} {LOOPBACK}:0 takes a port that is free."
    if error.errno == errno.EADDRINUSE:
        return InputError(f"port {address.port} is taken on {address.host}", hint=hint)
    if isinstance(error, socket.gaierror):
        return InputError(f"no machine is called {address.host!r}", hint=f"As in {_FLAG} {LOOPBACK}:{PORT}.")
    return InputError(f"cannot listen on {address}: {os.strerror(error.errno or 0)}", hint=hint)


def guarded(command: str, token: str) -> web.Application:
    """The web application: everything lies below `/TOKEN/`, and every other path is 403, whatever it is."""
    import aiohttp_jinja2
    import jinja2
    from aiohttp import web
    from textual_serve.server import Server

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.path.split("/")[1]
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode()):
            raise web.HTTPForbidden(
                text="The address lacks the token that `workbench --serve` printed.\n", headers=_HEADERS
            )
        try:
            response = await handler(request)
        except web.HTTPException as refusal:
            refusal.headers.update(_HEADERS)
            raise
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    class Pages(Server):
        """textual-serve's pages, at addresses that have the host by which the browser came."""

        @aiohttp_jinja2.template("app_index.html")
        async def handle_index(self, request: web.Request) -> dict[str, object]:
            socket_scheme = "wss" if request.secure else "ws"
            return {
                "font_size": 16,
                "app_websocket_url": f"{socket_scheme}://{request.host}/{token}/ws",
                "config": {"static": {"url": f"/{token}/static/"}},
                "application": {"name": "workbench"},
            }

    pages = Pages(command)
    app = web.Application(middlewares=[guard])
    aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(pages.templates_path))

    async def to_the_page(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"/{token}/")

    app.add_routes([
        web.get(f"/{token}", to_the_page),
        web.get(f"/{token}/", pages.handle_index),
        web.get(f"/{token}/ws", pages.handle_websocket),
        web.get(f"/{token}/download/{{key}}", pages.handle_download),
        web.static(f"/{token}/static", pages.statics_path),
    ])  # fmt: skip
    return app
