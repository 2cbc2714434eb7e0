"""What answers is no Docker Engine, or one of another age: understood within two seconds, for each builder."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from proxy import Canned

from workbench.build.request import BuildRequest
from workbench.config import Config
from workbench.engines.address import Address
from workbench.engines.choose import make
from workbench.engines.identity import spoken_version
from workbench.errors import EngineUnavailable


def answer(body: object, *, status: str = "200 OK", kind: str = "application/json") -> bytes:
    text = body if isinstance(body, str) else json.dumps(body)
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


def version(api: str, **more: str) -> bytes:
    return answer({"Version": "99.0", "ApiVersion": api, "Os": "linux", "Arch": "amd64", **more})


HTML = "<html><body>Please log in</body></html>"
WRONG = {
    "too old": (version("1.12"), "Docker Engine 99.0 at {} is too old: it speaks API 1.12", "Update it"),
    "too new": (version("9.99", MinAPIVersion="9.98"), "is too new: it speaks no API before 9.98", "the workbench"),
    "a proxy's error": (answer(HTML, status="502 Bad Gateway", kind="text/html"), "says 502 Bad Gateway", "proxy"),
    "a proxy's page": (answer(HTML, kind="text/html"), "is not a Docker Engine: its answer is no JSON", "proxy"),
    "a proxy that wants a login": (
        answer(HTML, status="407 Proxy Authentication Required", kind="text/html"),
        "is not a Docker Engine: it says 407",
        "proxy",
    ),
    "JSON of something else": (answer({"pods": []}), "is not a Docker Engine: its answer has no API version", "proxy"),
    "an engine that refuses": (
        answer({"message": "not today"}, status="503 Service Unavailable"),
        "the Docker Engine at {} refuses to speak (503): not today",
        "log",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", ["docker", "buildkit"])
async def test_a_wrong_answer_is_understood(name: str, wrong: str, tmp_path: Path) -> None:
    said, expected, hint = WRONG[wrong]
    canned = Canned(tmp_path / "docker.sock", said)
    engine = make(name, Config(engine=name, host=canned.host))
    build = engine.build(BuildRequest(context=None, dockerfile_text="FROM busybox\n"))
    for work in (engine.check(), anext(aiter(build)), engine.images.list()):
        began = time.monotonic()
        with pytest.raises(EngineUnavailable) as caught:
            await work
        assert time.monotonic() - began < 2
        assert expected.format(canned.host) in str(caught.value)
        assert hint in caught.value.hint
    await build.aclose()
    await engine.close()
    canned.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["docker", "buildkit"])
async def test_an_engine_that_never_answers_has_the_users_time(name: str, tmp_path: Path) -> None:
    silent = Canned(tmp_path / "docker.sock", None)
    engine = make(name, Config(engine=name, host=silent.host, engine_timeout=0.3))
    for work in (
        anext(aiter(engine.build(BuildRequest(context=None, dockerfile_text="FROM busybox\n")))),
        engine.images.list(),
    ):
        began = time.monotonic()
        with pytest.raises(EngineUnavailable, match="does not answer"):
            await work
        assert time.monotonic() - began < 2
    await engine.close()
    silent.close()


@pytest.mark.parametrize(
    ("said", "spoken"),
    [
        ({"ApiVersion": "1.41", "MinAPIVersion": "1.12"}, "1.41"),
        ({"ApiVersion": "1.24"}, "1.24"),
        ({"ApiVersion": "1.99", "MinAPIVersion": "1.44"}, "1.51"),
    ],
)
def test_the_api_that_is_spoken_is_one_that_both_know(said: dict[str, Any], spoken: str) -> None:
    assert spoken_version(Address("unix:///x", "--host"), said) == spoken


def test_an_engine_that_wants_tls_says_how() -> None:
    from workbench.engines.identity import refuses

    error = refuses(Address("tcp://engine:2376", "DOCKER_HOST"), 400, "Bad Request: HTTPS", json=False)
    assert "400 Bad Request: HTTPS" in str(error) and "DOCKER_TLS_VERIFY=1" in error.hint
