"""Names as Docker reads them, and which hosts stand for a registry."""

from __future__ import annotations

import pytest

from workbench.engines.embedded.registry.reference import parse_reference
from workbench.engines.embedded.registry.settings import Registries, is_loopback
from workbench.errors import UsageError

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "domain", "repository", "version", "shown"),
    [
        ("busybox", "docker.io", "library/busybox", "latest", "busybox:latest"),
        ("busybox:1.36", "docker.io", "library/busybox", "1.36", "busybox:1.36"),
        ("docker.io/busybox", "docker.io", "library/busybox", "latest", "busybox:latest"),
        ("index.docker.io/a/b", "docker.io", "a/b", "latest", "a/b:latest"),
        ("a/b:c", "docker.io", "a/b", "c", "a/b:c"),
        ("localhost/x", "localhost", "x", "latest", "localhost/x:latest"),
        ("localhost:5000/x:y", "localhost:5000", "x", "y", "localhost:5000/x:y"),
        ("r.example/a/b/c", "r.example", "a/b/c", "latest", "r.example/a/b/c:latest"),
        (f"busybox@{DIGEST}", "docker.io", "library/busybox", DIGEST, f"busybox@{DIGEST}"),
        (f"r.example/x:1@{DIGEST}", "r.example", "x", DIGEST, f"r.example/x@{DIGEST}"),
    ],
)
def test_names(text: str, domain: str, repository: str, version: str, shown: str) -> None:
    found = parse_reference(text)
    assert (found.domain, found.repository, found.version, str(found)) == (domain, repository, version, shown)


@pytest.mark.parametrize(
    "text", ["", "A", "a b", "x@sha256:1", "x@md5:" + "a" * 64, DIGEST, "a" * 64, "../x", "x:", "a/" * 200 + "a"]
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(UsageError):
        parse_reference(text)


def test_hosts() -> None:
    settings = Registries({"docker.io": ("m.example",)}, ("plain.example:5000",))
    assert settings.hosts("docker.io") == ("m.example", "registry-1.docker.io")
    assert settings.hosts("r.example") == ("r.example",)
    assert settings.schemes("r.example") == ("https",)
    assert settings.schemes("plain.example:5000") == ("https", "http")
    assert settings.schemes("localhost:5000") == ("http", "https")


@pytest.mark.parametrize(
    ("host", "wanted"),
    [("localhost", True), ("localhost:5000", True), ("127.0.0.1:1", True), ("127.9.9.9", True), ("[::1]:5", True),
     ("localhost.example", False), ("128.0.0.1", False), ("10.0.0.1:5000", False)],
)  # fmt: skip
def test_loopback(host: str, wanted: bool) -> None:
    assert is_loopback(host) == wanted
