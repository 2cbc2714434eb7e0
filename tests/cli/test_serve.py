"""`workbench --serve`: the screen in a browser, for who has the token and for nobody else."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from tests.cli.conftest import Run, recording
from workbench.cli import screen, serve
from workbench.cli.serve import Address, guarded, read_address, without_flag
from workbench.config import Config
from workbench.errors import UsageError

TOKEN = "a-token"


@pytest.mark.parametrize(
    ("text", "address"),
    [("", Address("127.0.0.1", 8000)), ("9000", Address("127.0.0.1", 9000)), (":0", Address("127.0.0.1", 0)),
     ("localhost:80", Address("localhost", 80)), ("[::1]:81", Address("::1", 81))],
)  # fmt: skip
def test_addresses(text: str, address: Address) -> None:
    assert read_address(text) == address and address.is_loopback
    assert not read_address("0.0.0.0:1").is_loopback and not read_address("lab.example:1").is_loopback


@pytest.mark.parametrize("text", ["127.0.0.1", "x:y", "1:70000", "70000", "a b:1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="--serve takes HOST:PORT or PORT"):
        read_address(text)


@pytest.mark.parametrize(
    ("words", "value", "left"),
    [(["--serve", "-t", "x", "."], "", ["-t", "x", "."]), (["--serve", "1", "."], "1", ["."]),
     (["--serve=1", "."], "1", ["."]), (["--serve", "."], "", ["."]), (["--", "--serve"], "", ["--", "--serve"])],
)  # fmt: skip
def test_a_page_has_the_same_command_line(words: list[str], value: str, left: list[str]) -> None:
    assert without_flag(words, value) == left


@pytest.mark.parametrize(
    ("words", "context", "address"),
    [(["--serve"], ".", Address()), (["--serve", "{}"], "{}", Address()),
     (["{}", "--serve", ":0"], "{}", Address(port=0)), (["--serve=[::1]:0", "{}"], "{}", Address("::1", 0))],
)  # fmt: skip
def test_the_word_after_the_flag_is_an_address_or_the_context(
    words: list[str], context: str, address: Address, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serve, "serve", lambda words, address: seen.extend([words, address]) or 0)
    assert run(*(word.format(tmp_path) for word in words)).code == 0
    assert seen == [[] if context == "." else [str(tmp_path)], address]


def test_without_the_package_it_says_how_to_get_it(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = run("--serve=:0", str(tmp_path))
    assert done.code == 2 and "textual-serve, which is not installed" in done.err
    assert "pip install 'container-workbench[serve]'" in done.err


def test_a_taken_port_is_said(run: Run, tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(f"--serve={port}", str(tmp_path))
    assert (done.code, done.out) == (2, "") and f"port {port} is taken on 127.0.0.1" in done.err


@pytest.mark.parametrize("path", ["/", "/ws", f"/{TOKEN}x/", f"/x/{TOKEN}/", "/static/js/textual.js", "/%ff/ws", "//"])
async def test_without_the_token_all_is_forbidden(path: str) -> None:
    async with TestClient(TestServer(guarded("false", TOKEN))) as client:
        for method in ("GET", "POST", "HEAD"):
            answer = await client.request(method, path)
            assert answer.status == 403 and TOKEN not in await answer.text()
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await client.ws_connect(path)


async def test_with_the_token_there_is_the_page_and_what_it_needs() -> None:
    async with TestClient(TestServer(guarded("false", TOKEN))) as client:
        for path in (f"/{TOKEN}", f"/{TOKEN}/"):
            answer = await client.get(path)
            page = await answer.text()
            assert answer.status == 200 and answer.headers["Referrer-Policy"] == "no-referrer"
        assert f'"ws://127.0.0.1:{client.port}/{TOKEN}/ws"' in page
        script = re.search(r'<script src="([^"]+)"', page)
        assert script is not None and (await client.get(script[1])).status == 200
        assert (await client.get(f"/{TOKEN}/nothing")).status == 404


@pytest.fixture
def served(context: Path, replay: Callable[..., Path]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command on a recorded build, and the address that it printed."""
    replay(recording())
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "--serve", ":0", str(context)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@asynccontextmanager
async def browser(address: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """What the page's script does."""
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        found = re.search(r'data-session-websocket-url="([^"]+)"', await answer.text())
        assert found is not None
        async with session.ws_connect(f"{found[1]}?width=120&height=40") as line:
            await line.send_json(["resize", {"width": 120, "height": 40}])
            yield line


async def read_until(line: aiohttp.ClientWebSocketResponse, *words: str) -> None:
    seen = ""
    while not all(word in seen for word in words):
        message = await line.receive(timeout=30)
        assert message.type is aiohttp.WSMsgType.BINARY, f"{message} after {seen[-500:]!r}"
        seen += message.data.decode("utf-8", "replace")


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_the_screen_is_in_the_browser_and_a_closed_page_loses_nothing(
    served: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    process, address = served
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", address)
    recovery = Path(os.environ["XDG_STATE_HOME"]) / "workbench" / "recovery"
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    async with browser(address) as line:
        await read_until(line, "Images", "scratch", "built")
        assert children.read_text()
        await line.send_json(["stdin", "#typed"])
        await read_until(line, "unsaved")
    await until(lambda: not children.read_text())
    assert "#typed" in "".join(json.loads(it.read_text())["text"] for it in recovery.glob("*.json"))
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.to_thread(process.communicate, timeout=20)
    assert process.returncode == 130 and out == "" and address.split("/")[3] not in err, "the token is printed once"


def test_a_browser_needs_no_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEXTUAL_DRIVER", "some.other:Driver")
    request = screen.sample_request(tmp_path, "x")
    with pytest.raises(UsageError, match="needs a terminal"):
        screen.open_screen(request, Config())
