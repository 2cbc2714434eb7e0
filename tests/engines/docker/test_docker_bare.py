"""The facts of an image without the docker SDK: the same answers, and what is odd goes to the SDK."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.engines.docker.proxy import Canned
from workbench.engines.address import Address
from workbench.engines.docker.bare import BareClient, Odd
from workbench.engines.docker.client import Client
from workbench.errors import EngineLost, EngineUnavailable, ImageNotFound


def bare(host: str, patience: float = 5.0) -> BareClient:
    return BareClient(Address(host, "--host"), patience)


def answer(status: str, body: str) -> bytes:
    return f"HTTP/1.0 {status}\r\nContent-Type: application/json\r\n\r\n{body}".encode()


def test_it_says_what_the_sdk_says(docker_host: str) -> None:
    client = Client(Address(docker_host, "--host"))
    try:
        for image in client.images()[:3]:
            assert bare(docker_host).facts(image["Id"]) == client.facts(image["Id"])
            assert bare(docker_host).rows(image["Id"]) == client.rows(image["Id"])
    finally:
        client.close()


@pytest.mark.parametrize("reference", ["workbench-absent:latest", "localhost:1/a b@c", "/", "%2e"])
def test_an_image_that_is_not_there(docker_host: str, reference: str) -> None:
    with pytest.raises((ImageNotFound, Odd)) as raised:
        bare(docker_host).facts(reference)
    assert reference != "workbench-absent:latest" or raised.type is ImageNotFound


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (answer("200 OK", "<html>"), Odd),
        (answer("200 OK", "[]"), Odd),
        (answer("400 Bad Request", "{}"), Odd),
        (answer("404 Not Found", "{}"), ImageNotFound),
        (b"", Odd),
    ],
)
def test_other_answers(tmp_path: Path, said: bytes, error: type[Exception]) -> None:
    with closing(Canned(tmp_path / "engine.sock", said)) as canned, pytest.raises(error):
        bare(canned.host).facts("busybox")


def test_an_engine_that_hangs_or_is_not_there(tmp_path: Path) -> None:
    with closing(Canned(tmp_path / "engine.sock", None)) as canned, pytest.raises(EngineLost, match="not answered"):
        bare(canned.host, patience=0.1).rows("busybox")
    with pytest.raises(EngineUnavailable):
        bare(f"unix://{tmp_path}/none.sock").rows("busybox")
