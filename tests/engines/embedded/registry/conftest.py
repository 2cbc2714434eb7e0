"""Debian's docker-registry on loopback: plain, and with TLS and a password."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import missing
from workbench.engines.embedded.store import Store

USER, PASSWORD = "ali", "opensesame"
BCRYPT = "$2y$05$abcdefghijklmnopqrstuuQbLfdQZSxZ9gjhA5V9o8Tyc6aQRO0Qi"


@dataclass(frozen=True)
class Server:
    """A registry that runs. `host` is what goes before the slash; `certificate` is its own authority's."""

    host: str
    storage: Path
    certificate: Path | None = None


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees this machine's logins, certificates or proxies."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "home" / ".docker"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off in milliseconds."""
    monkeypatch.setattr("workbench.engines.embedded.registry.retry._FIRST", 0.002)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Plain HTTP, open to everybody."""
    yield from _serve(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """TLS with a certificate of its own, and Basic authentication."""
    folder = tmp_path_factory.mktemp("locked")
    if shutil.which("openssl") is None:
        missing("no openssl, which makes a certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", folder / "tls.key", "-out", folder / "tls.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "htpasswd").write_text(f"{USER}:{BCRYPT}\n")
    tls = f"  tls:\n    certificate: {folder}/tls.crt\n    key: {folder}/tls.key\n"
    auth = f"auth:\n  htpasswd:\n    realm: test\n    path: {folder}/htpasswd\n"
    yield from _serve(folder, tls, auth)


def _serve(folder: Path, tls: str = "", auth: str = "") -> Iterator[Server]:
    program = shutil.which("docker-registry")
    if program is None:
        missing("no docker-registry on this machine: install Debian's docker-registry")
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {folder}/data\n"
        f"  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:0\n{tls}{auth}"
    )
    command = [program, "serve", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"listening on 127\.0\.0\.1:(\d+)", line):
                break
        else:
            pytest.fail(f"docker-registry ended: {''.join(said)}")
        threading.Thread(target=process.stdout.read, daemon=True).start()  # or it waits for a reader
        yield Server(f"localhost:{found[1]}", folder / "data", folder / "tls.crt" if tls else None)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def second(tmp_path: Path) -> Store:
    """Another store, as of another machine."""
    return Store(tmp_path / "second").open()
