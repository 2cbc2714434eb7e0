"""What every test may ask for: the conformance data, a real Docker Engine, a static busybox.

Where one is missing a test skips and says why; in CI (`CI=true`) a missing one is a failure.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
from pathlib import Path
from typing import NoReturn

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def missing(what: str) -> NoReturn:
    """Skips the test, or fails it in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} (in CI this must be there)")
    pytest.skip(what)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with `conformance/`, `engines/` and `design/`."""
    folder = Path(os.environ.get("WORKBENCH_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "conformance").is_dir():
        missing("no conformance data: set WORKBENCH_SHARED to the folder that has conformance/")
    return folder


@pytest.fixture(scope="session")
def conformance(shared: Path) -> Path:
    """`conformance/` of the shared folder."""
    return shared / "conformance"


@pytest.fixture(scope="session")
def docker_host() -> str:
    """The address of a Docker Engine that answers: `WORKBENCH_TEST_DOCKER`, else the local socket."""
    host = os.environ.get("WORKBENCH_TEST_DOCKER", "unix:///var/run/docker.sock")
    probe = socket.socket(socket.AF_UNIX)
    probe.settimeout(2)
    try:
        probe.connect(host.removeprefix("unix://"))
    except OSError as error:
        missing(f"no Docker Engine at {host}: {error}")
    finally:
        probe.close()
    return host


@pytest.fixture(scope="session")
def static_busybox() -> Path:
    """A static busybox binary of this machine."""
    for candidate in (shutil.which("busybox"), "/bin/busybox", "/usr/bin/busybox"):
        if candidate and Path(candidate).is_file() and _is_static(Path(candidate)):
            return Path(candidate)
    missing("no static busybox on this machine: install Debian's busybox-static")


def _is_static(binary: Path) -> bool:
    """Whether a 64-bit ELF file asks for no interpreter. (A static glibc has the interpreter's name in its text.)"""
    data = binary.read_bytes()
    if data[:5] != b"\x7fELF\x02":
        return False
    start, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    interpreter = 3  # PT_INTERP
    return all(struct.unpack_from("<I", data, start + size * number)[0] != interpreter for number in range(count))


def pytest_configure() -> None:
    """A shell's background job ignores SIGINT, nohup SIGHUP, and children inherit that: tests send them signals."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own configuration, state or store."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    for name in ("WORKBENCH_ENGINE", "WORKBENCH_ROOT", "WORKBENCH_CONFIG", "DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
