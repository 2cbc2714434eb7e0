"""Ways to a BuildKit: without /grpc, without /session, over TLS, over ssh, and to a buildkitd that stands alone."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import ssl
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.engines.bench import Bench, finished, put_base
from tests.engines.conftest import buildkit_engine
from tests.engines.docker.proxy import Proxy
from workbench.build.events import BuildEvent, BuildWarning, ContextSent, StepFinished, StepLog
from workbench.build.request import BuildRequest
from workbench.errors import EngineUnavailable, Unsupported

pytestmark = pytest.mark.slow


class Narrow(Proxy):
    """A proxy that lets some requests not pass: 404, as the one of a company may answer."""

    def __init__(self, path: Path, target: str, *closed: str) -> None:
        self._closed = closed
        super().__init__(path, target)

    def _serve(self, client: socket.socket) -> None:
        line = client.recv(200, socket.MSG_PEEK).partition(b"\r\n")[0].decode("latin-1")
        if any(f" {target} " in line for target in self._closed):
            client.recv(65536)
            client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            client.close()
            return
        super()._serve(client)


def succeeded(events: list[BuildEvent]) -> None:
    end = finished(events)
    assert end.outcome == "succeeded", end.error


def log(events: list[BuildEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, StepLog))


def warnings(events: list[BuildEvent]) -> list[str]:
    return [event.message for event in events if isinstance(event, BuildWarning)]


async def events_of(engine: Any, request: BuildRequest) -> list[BuildEvent]:
    return [event async for event in engine.build(request)]


TEXT = "FROM busybox\nARG A\nCOPY file /\nRUN --mount=type=secret,id=s cat /file /run/secrets/s; echo $A\n"


async def test_without_grpc(buildkit: Bench, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret\n")
    tag = buildkit.tag("call")
    proxy = Narrow(tmp_path / "s", buildkit.engine.address.rest, "/grpc")  # type: ignore[attr-defined]
    engine = buildkit_engine(proxy.host)
    request = buildkit.request(
        TEXT, {"file": "content\n"}, tags=(tag,), secrets=(f"id=s,src={tmp_path}/secret",), build_args={"A": "given"},
        labels={"l": "v"}, no_cache=True,
    )  # fmt: skip
    events = await events_of(engine, request)
    succeeded(events)
    assert log(events) == "content\nsecret\ngiven\n"
    assert warnings(events) == ["this engine offers no /grpc: the build goes through POST /build"]
    assert (await buildkit.engine.images.inspect(tag))["Id"] == finished(events).image
    assert [event.step for event in events if isinstance(event, StepFinished)] == [1, 2, 3, 4]
    (sent,) = [event for event in events if isinstance(event, ContextSent)]
    assert sent.files == 2
    failing = await events_of(engine, buildkit.request("FROM busybox\nRUN echo no; exit 3\n"))
    end = finished(failing)
    assert (end.outcome, end.step, end.line, end.lost) == ("failed", 2, 2, False)
    with pytest.raises(Unsupported, match="--no-cache-filter") as caught:
        await events_of(engine, buildkit.request("FROM busybox\n", no_cache_filter=("x",)))
    assert "/grpc" in caught.value.hint
    out = await events_of(engine, buildkit.request("FROM busybox\nRUN true\n", output=(f"{tmp_path}/out",)))
    succeeded(out)
    assert (tmp_path / "out/bin/busybox").exists()


async def test_without_a_session(buildkit: Bench, tmp_path: Path) -> None:
    tag = buildkit.tag("tar")
    proxy = Narrow(tmp_path / "s", buildkit.engine.address.rest, "/grpc", "/session")  # type: ignore[attr-defined]
    engine = buildkit_engine(proxy.host)
    request = buildkit.request(
        "FROM busybox\nCOPY . /c\nRUN cat /c/file; ls /c\n",
        {"file": "content\n", ".dockerignore": "left\n", "left": ""},
        tags=(tag,), no_cache=True,
    )  # fmt: skip
    events = await events_of(engine, request)
    succeeded(events)
    assert log(events).startswith("content\n") and "left" not in log(events)
    assert "the whole context is sent each time" in warnings(events)[0]
    assert (await buildkit.engine.images.inspect(tag))["Id"] == finished(events).image
    edited = BuildRequest(context=buildkit.context, dockerfile_text="FROM busybox\nRUN echo edited\n", no_cache=True)
    assert log(await events_of(engine, edited)) == "edited\n"
    with pytest.raises(Unsupported, match="--secret"):
        await events_of(engine, buildkit.request("FROM busybox\n", secrets=(f"id=s,src={buildkit.context}/file",)))


@pytest.mark.parametrize("closed", [("/grpc",), ("/grpc", "/session")])
async def test_cancelling_such_a_build(newest: Bench, tmp_path: Path, closed: tuple[str, ...]) -> None:
    proxy = Narrow(tmp_path / "s", newest.engine.address.rest, *closed)  # type: ignore[attr-defined]
    build = buildkit_engine(proxy.host).build(newest.request("FROM busybox\nRUN echo ready; sleep 77\n", no_cache=True))
    events, asked = [], 0.0
    async for event in build:
        events.append(event)
        if isinstance(event, StepLog):
            asked = time.monotonic()
            build.cancel()
    assert finished(events).outcome == "cancelled"
    assert time.monotonic() - asked < 1.5


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """`ca.pem`, `cert.pem` and `key.pem`: one certificate of localhost's that both sides show and trust."""
    folder = tmp_path / "tls"
    folder.mkdir()
    if shutil.which("openssl") is None:
        missing("no openssl, which makes a certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key.pem", "-out",
         folder / "cert.pem"], check=True, capture_output=True,
    )  # fmt: skip
    shutil.copy(folder / "cert.pem", folder / "ca.pem")
    return folder


def server_side(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


async def test_over_tls(buildkit: Bench, certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = buildkit.engine.address.rest  # type: ignore[attr-defined]
    proxy = Proxy(tmp_path / "none", target, tls=server_side(certificates))
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(certificates))
    engine = buildkit_engine(proxy.host)
    assert (await engine.check()).version == (await buildkit.engine.check()).version
    content = "x" * 3_000_000
    request = buildkit.request("FROM busybox\nCOPY file /\nRUN wc -c < /file\n", {"file": content}, no_cache=True)
    events = await events_of(engine, request)
    succeeded(events)
    assert log(events) == "3000000\n"


async def test_a_certificate_that_is_not_trusted(
    docker_host: str, certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(tmp_path / "none", docker_host.removeprefix("unix://"), tls=server_side(certificates))
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path / "other"))
    with pytest.raises(EngineUnavailable, match="TLS file"):
        await buildkit_engine(proxy.host).check()
    shutil.copytree(certificates, tmp_path / "other", dirs_exist_ok=True)
    authority = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    shutil.copy(authority, tmp_path / "other/ca.pem")
    with pytest.raises(EngineUnavailable, match="TLS with the Docker Engine"):
        await buildkit_engine(proxy.host).check()


async def test_over_ssh(docker_20: str, sshd: str, conformance: Path, tmp_path: Path) -> None:
    engine = buildkit_engine(sshd)
    await put_base(engine, conformance)
    info = await engine.check()
    assert info.address == sshd and info.version.startswith("20.")
    (tmp_path / "c").mkdir()
    (tmp_path / "c/file").write_text("over ssh " * 100_000)
    request = BuildRequest(
        context=tmp_path / "c", dockerfile_text="FROM busybox\nCOPY file /\nRUN wc -c < /file\n", no_cache=True
    )
    events = await events_of(engine, request)
    succeeded(events)
    assert log(events) == "900000\n"
    await engine.close()
    left = subprocess.run(["pgrep", "-f", f"ssh.*{sshd.rpartition(':')[2]}"], capture_output=True, text=True).stdout
    assert len(left.split()) <= 1, "only sshd itself is left"


class Bare(Proxy):
    """A BuildKit as a buildkitd has it: HTTP/2 from the first byte. Behind it is the one within a Docker Engine."""

    def _serve(self, client: socket.socket) -> None:
        if self._tls is not None:
            client = self._tls.wrap_socket(client, server_side=True)
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(self._target)
        engine.sendall(b"POST /grpc HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += engine.recv(1)
        with self._lock:
            self._pairs += [client, engine]
        threading.Thread(target=self._pump, args=(client, engine, bytes), daemon=True).start()
        self._pump(engine, client, bytes)


@pytest.fixture(params=["unix", "tcp", "tls"])
def bare(
    request: pytest.FixtureRequest, docker_containerd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bare]:
    target = docker_containerd.removeprefix("unix://")
    tls = None
    if request.param == "tls":
        folder = request.getfixturevalue("certificates")
        tls = server_side(folder)
        tls.set_alpn_protocols(["h2"])
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(folder))
    proxy = Bare(tmp_path / "b", target, tls=tls, tcp=request.param == "tcp")
    proxy.host = proxy.host.replace("unix://", "buildkit+unix://").replace("tcp://", "buildkit://")
    yield proxy
    proxy.cut()


async def test_a_buildkitd(bare: Bare, containerd: Bench, tmp_path: Path) -> None:
    engine = buildkit_engine(bare.host)
    info = await engine.check()
    assert (info.address, info.details[0]) == (bare.host, "a buildkitd, without a Docker Engine")
    assert await engine.images.list() == ()
    files = {f"many/{number}": "x" * 10_000 for number in range(300)}
    request = containerd.request("FROM busybox\nCOPY many /m\nRUN ls /m | wc -l\n", files, no_cache=True)
    events = await events_of(engine, request)
    succeeded(events)
    assert log(events) == "300\n"
    assert "stays in the cache" in warnings(events)[0]
    (sent,) = [event for event in events if isinstance(event, ContextSent)]
    assert sent.files == 301
    output = f"type=oci,dest={tmp_path}/x.oci"
    again = await events_of(engine, dataclasses.replace(request, no_cache=False, output=(output,), tags=("a:1",)))
    succeeded(again)
    (sent,) = [event for event in again if isinstance(event, ContextSent)]
    assert sent.files <= 1, "at most the Dockerfile is sent again"
    assert tarfile.is_tarfile(tmp_path / "x.oci")
    assert (await engine.cache_usage()).records  # type: ignore[attr-defined]
    with pytest.raises(Unsupported, match="type=docker without dest"):
        await events_of(engine, dataclasses.replace(request, output=("type=docker",)))


@pytest.mark.parametrize("bare", ["unix"], indirect=True)
async def test_a_buildkitd_that_goes_away(bare: Bare, containerd: Bench) -> None:
    events: list[BuildEvent] = []
    async for event in buildkit_engine(bare.host).build(
        containerd.request("FROM busybox\nRUN echo ready; sleep 60\n", no_cache=True)
    ):
        events.append(event)
        if isinstance(event, StepLog):
            bare.cut()
    end = finished(events)
    assert (end.outcome, end.lost, end.step) == ("failed", True, 2)
    assert "buildkitd" in (end.error or "")


@pytest.mark.parametrize("bare", ["unix"], indirect=True)
async def test_cancelling_on_a_buildkitd(bare: Bare, containerd: Bench) -> None:
    build = buildkit_engine(bare.host).build(
        containerd.request("FROM busybox\nRUN echo ready; sleep 61\n", no_cache=True)
    )
    events = []
    async for event in build:
        events.append(event)
        if isinstance(event, StepLog):
            build.cancel()
    assert finished(events).outcome == "cancelled"


@pytest.mark.parametrize("bare", ["unix"], indirect=True)
async def test_what_the_cache_takes_and_pruning_it(bare: Bare, containerd: Bench) -> None:
    """That engine is this test session's own: its cache may go."""
    engine = buildkit_engine(bare.host)
    request = containerd.request("FROM busybox\nCOPY big /\n", {"big": "x" * 3_000_000}, no_cache=True)
    succeeded(await events_of(engine, request))
    (cache,) = (await engine.images.usage()).kinds
    assert cache.kind == "Build Cache" and cache.total > 0 and cache.size >= cache.reclaimable >= 3_000_000
    assert (await engine.images.prune_cache(dry_run=True)).bytes_freed >= 3_000_000
    assert (await engine.images.usage()).kinds == (cache,)
    assert (await engine.images.prune_cache()).bytes_freed >= 3_000_000
    (cache,) = (await engine.images.usage()).kinds
    assert cache.reclaimable == 0
    told = await containerd.engine.cache_usage()  # type: ignore[attr-defined]
    assert told.reclaimable == 0
