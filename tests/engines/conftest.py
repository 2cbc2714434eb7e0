"""Engines for the contract: each builds the same scenarios, and the same laws hold for the events of each.

Docker Engines of three generations stand side by side. 26 and 28 are unpacked from Debian's packages by
`engines/start-docker-next` of the shared folder, in network namespaces of their own: a RUN there has no network.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conftest import missing
from tests.engines.bench import BUILDERS, Bench, put_base
from tests.engines.containerd import ContainerdEngine
from tests.engines.podman import Podman
from workbench.build.engine import Engine
from workbench.config import Config
from workbench.engines.choose import make


def buildkit_engine(host: str) -> Engine:
    """The BuildKit of a Docker Engine, put together as the command does."""
    return make("buildkit", Config(engine="buildkit", host=host))


def _next_engine(variable: str, suite: str) -> str:
    """The address of a newer engine: what the variable says, else where `start-docker-next` puts it."""
    folder = Path(tempfile.gettempdir()) / f"docker-{suite}"
    host = os.environ.get(variable) or f"unix://{folder}/run/docker.sock"
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(host.removeprefix("unix://"))
        except OSError as error:
            missing(f"no Docker Engine at {host}: {error}; engines/start-docker-next {suite} starts one")
    return host


@pytest.fixture(scope="session")
def docker_20(docker_host: str) -> str:
    """Debian 12's Docker Engine."""
    return docker_host


@pytest.fixture(scope="session")
def docker_26() -> str:
    return _next_engine("WORKBENCH_TEST_DOCKER_26", "trixie")


@pytest.fixture(scope="session")
def docker_28() -> str:
    return _next_engine("WORKBENCH_TEST_DOCKER_28", "sid")


@pytest.fixture(scope="session")
def docker_containerd(docker_28: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A second 28 that keeps its images in containerd: every exporter of BuildKit, images of several platforms."""
    if os.geteuid() != 0:
        missing("a Docker Engine with containerd's image store is started by root only")
    engine = ContainerdEngine(
        Path(docker_28.removeprefix("unix://")).parent.parent, tmp_path_factory.mktemp("containerd")
    )
    yield engine.start()
    engine.stop()


@pytest.fixture(scope="session")
def docker_podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian 12's Podman, behind its socket that speaks as Docker's does."""
    if os.geteuid() != 0:
        missing("a Podman of the tests' own is started by root only")
    podman = Podman(tmp_path_factory.mktemp("podman"))
    yield podman.start()
    podman.stop()


@pytest_asyncio.fixture
async def docker_with_base(docker_host: str, conformance: Path) -> str:
    """The address of a Docker Engine that has `busybox:latest`, for tests that make engines of it themselves."""
    engine = make("docker", Config(engine="docker", host=docker_host))
    await put_base(engine, conformance)
    await engine.close()
    return docker_host


def _generations() -> list[object]:
    """Each engine that builds, and slow: the newer generations of those that a Docker Engine has."""
    newer = [f"{name}-{generation}" for generation in (26, 28) for name in ("docker", "buildkit")]
    return [*BUILDERS, *(pytest.param(name, marks=pytest.mark.slow) for name in [*newer, "docker-podman"])]


@pytest_asyncio.fixture(params=_generations())
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """Each engine that builds, with `busybox:latest` in its store."""
    name, _, generation = request.param.partition("-")
    engine: Engine
    if name == "docker":
        from workbench.engines.docker.engine import DockerEngine

        engine = DockerEngine(request.getfixturevalue(f"docker_{generation or 20}"))
    elif name == "buildkit":
        engine = buildkit_engine(request.getfixturevalue(f"docker_{generation or 20}"))
    else:
        from workbench.engines.embedded.engine import EmbeddedEngine

        engine = EmbeddedEngine(tmp_path / "store")
    await put_base(engine, request.getfixturevalue("conformance"))
    context = tmp_path / "context"
    context.mkdir()
    bench = Bench(engine, context, f"contract-{uuid.uuid4().hex[:8]}", podman=generation == "podman")
    yield bench
    for tag in bench.made:
        if await engine.images.list(name=tag):
            await engine.images.remove([tag], force=True)
    await engine.close()


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A real sshd on loopback that lets this user in with a key of its own: `ssh://user@127.0.0.1:port`."""
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    if not os.path.exists(program):
        missing("no sshd on this machine: install Debian's openssh-server")
    if shutil.which("docker") is None:
        missing("no docker command on this machine: the far end of ssh:// needs it")
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    os.makedirs("/run/sshd", exist_ok=True) if os.geteuid() == 0 else None
    (home / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {home}/host\nAuthorizedKeysFile {home}/user.pub\nStrictModes no\n"
        f"PidFile none\nPasswordAuthentication no\nUsePAM no\nPermitRootLogin prohibit-password\n"
    )
    (home / "client").write_text(
        f"Host 127.0.0.1\n  IdentityFile {home}/user\n  IdentitiesOnly yes\n  StrictHostKeyChecking no\n"
        f"  UserKnownHostsFile {home}/known\n  LogLevel ERROR\n"
    )
    wrapper = tmp_path / "bin/ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {home}/client "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    process = subprocess.Popen([program, "-D", "-e", "-f", home / "config"], stderr=subprocess.DEVNULL)
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        assert process.poll() is None, "sshd ended"
    yield f"ssh://{getpass.getuser()}@127.0.0.1:{port}"
    process.terminate()
    process.wait()
