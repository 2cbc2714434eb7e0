"""Reaching an engine: over each kind of address, and what a person is told where it cannot be reached."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from proxy import Canned, Proxy

from tests.conftest import missing
from tests.engines.bench import finished, put_base
from workbench.build.events import BuildEvent, ContainerEvent
from workbench.build.request import BuildRequest
from workbench.config import Config
from workbench.engines.address import TLS, Address, resolve
from workbench.engines.choose import make
from workbench.engines.dial import unavailable
from workbench.engines.docker.engine import DockerEngine
from workbench.errors import EngineUnavailable

SSH = """#!{python}
import os, socket, sys, threading
if "nosuch" in sys.argv:
    sys.exit("ssh: Could not resolve hostname nosuch")
assert sys.argv[-3:] == ["docker", "system", "dial-stdio"], sys.argv
engine = socket.socket(socket.AF_UNIX)
engine.connect("{socket}")
def pump():
    while data := os.read(0, 65536):
        engine.sendall(data)
    engine.shutdown(socket.SHUT_WR)
threading.Thread(target=pump, daemon=True).start()
while data := engine.recv(65536):
    os.write(1, data)
"""


async def refusal(host: str) -> EngineUnavailable:
    began = time.monotonic()
    with pytest.raises(EngineUnavailable) as caught:
        await DockerEngine(host).check()
    assert time.monotonic() - began < 4
    assert caught.value.hint
    return caught.value


async def test_check_says_who_answers(docker_host: str) -> None:
    info = await DockerEngine(docker_host).check()
    assert (info.name, info.address) == ("docker", docker_host)
    assert info.version[0].isdigit()
    assert info.details[0].startswith("API 1.")


async def test_no_socket(tmp_path: Path) -> None:
    error = await refusal(f"unix://{tmp_path}/docker.sock")
    assert "there is no Docker Engine" in str(error)
    assert "--engine embedded" in error.hint


async def test_nobody_listens(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert "refused" in str(await refusal(f"unix://{path}"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert "refused" in str(await refusal(f"tcp://127.0.0.1:{free.getsockname()[1]}"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every socket")
async def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0)
        assert "docker group" in (await refusal(f"unix://{path}")).hint


@pytest.mark.slow
async def test_an_engine_that_never_answers(tmp_path: Path) -> None:
    silent = Canned(tmp_path / "docker.sock", None)
    assert "does not answer" in str(await refusal(silent.host))
    silent.close()


async def test_another_service(tmp_path: Path) -> None:
    page = b"<html>hello</html>"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page)
    canned = Canned(tmp_path / "docker.sock", head + page)
    assert "is not a Docker Engine" in str(await refusal(canned.host))
    canned.close()


@pytest.mark.parametrize(
    ("error", "said", "hint"),
    [
        (PermissionError(13, "Permission denied"), "no permission", "docker group"),
        (socket.gaierror(-2, "Name or service not known"), "not known", "address"),
        (TimeoutError(), "does not answer", "firewall"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "TLS", "ca.pem"),
        (OSError(113, "No route to host"), "No route to host", "address"),
    ],
)
def test_each_cause_has_its_words(error: OSError, said: str, hint: str) -> None:
    told = unavailable(Address("tcp://engine:1", "context lab"), error)
    assert said in str(told)
    assert "context lab" in str(told)
    assert hint in told.hint


def test_missing_tls_files_are_not_a_missing_socket() -> None:
    address = Address("tcp://engine:1", "DOCKER_HOST", TLS(Path("/nosuch/ca.pem")))
    assert "TLS file" in str(unavailable(address, FileNotFoundError(2, "No such file")))


async def test_over_tcp(docker_host: str, tmp_path: Path) -> None:
    proxy = Proxy(tmp_path / "x", docker_host.removeprefix("unix://"), tcp=True)
    assert (await DockerEngine(proxy.host).check()).address == proxy.host
    proxy.cut()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=engine"
        " -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
    )
    try:
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        missing("no openssl command to make a certificate")
    (folder / "ca.pem").write_bytes((folder / "cert.pem").read_bytes())
    return folder


async def test_over_tls(
    docker_with_base: str, tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(certificate / "ca.pem")
    proxy = Proxy(tmp_path / "x", docker_with_base.removeprefix("unix://"), tls=server)
    monkeypatch.setenv("DOCKER_HOST", proxy.host)
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(certificate))
    engine = DockerEngine()
    assert (await engine.check()).address == proxy.host
    build = engine.build(BuildRequest(context=None, dockerfile_text="FROM busybox\nRUN sleep 60\n", no_cache=True))
    events: list[BuildEvent] = []
    async for event in build:
        events.append(event)
        if isinstance(event, ContainerEvent) and event.action == "created":
            build.cancel()
    assert finished(events).outcome == "cancelled"
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    assert "TLS" in str(await refusal(proxy.host))
    proxy.cut()


async def test_a_wrong_certificate(tmp_path: Path, docker_host: str, certificate: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    proxy = Proxy(tmp_path / "x", docker_host.removeprefix("unix://"), tls=server)
    from workbench.engines.docker.client import Client

    with pytest.raises(EngineUnavailable, match="TLS") as caught:
        Client(Address(proxy.host, "--host", TLS()), timeout=2)
    assert "ca.pem" in caught.value.hint
    proxy.cut()


@pytest.mark.parametrize("name", ["docker", "buildkit"])
async def test_a_certificate_of_another_authority(
    name: str, tmp_path: Path, docker_host: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    proxy = Proxy(tmp_path / "x", docker_host.removeprefix("unix://"), tls=server)
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    for file, content in {"ca.pem": certificates_of_the_system(), "cert.pem": "", "key.pem": ""}.items():
        (tmp_path / file).write_text(content or (certificate / file).read_text())
    engine = make(name, Config(engine=name, host=proxy.host))
    build = engine.build(BuildRequest(context=None, dockerfile_text="FROM busybox\n"))
    for work in (engine.check(), anext(aiter(build)), engine.images.list()):
        began = time.monotonic()
        with pytest.raises(EngineUnavailable, match=r"TLS with the Docker Engine at .* fails: ") as caught:
            await work
        assert time.monotonic() - began < 2
        assert "ca.pem" in caught.value.hint
    await build.aclose()
    await engine.close()
    proxy.cut()


def certificates_of_the_system() -> str:
    """Authorities that have not signed a test's certificate."""
    found = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    if not os.path.exists(found):
        missing("no certificates of authorities on this machine: install Debian's ca-certificates")
    return Path(found).read_text()


@pytest.fixture
def fake_ssh(tmp_path: Path, docker_with_base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "bin" / "ssh"
    script.parent.mkdir()
    script.write_text(SSH.format(python=sys.executable, socket=docker_with_base.removeprefix("unix://")))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")


@pytest.mark.usefixtures("fake_ssh")
async def test_over_ssh() -> None:
    engine = DockerEngine("ssh://me@engine:2222")
    assert (await engine.check()).address == "ssh://me@engine:2222"
    events = [it async for it in engine.build(BuildRequest(context=None, dockerfile_text="FROM busybox\nRUN true\n"))]
    assert events[-1].outcome == "succeeded"
    await engine.close()


@pytest.mark.slow
async def test_over_a_real_ssh(sshd: str, conformance: Path) -> None:
    engine = DockerEngine(sshd)
    await put_base(engine, conformance)
    assert (await engine.check()).address == sshd
    events = [it async for it in engine.build(BuildRequest(context=None, dockerfile_text="FROM busybox\nRUN true\n"))]
    assert finished(events).outcome == "succeeded"
    build = engine.build(BuildRequest(context=None, dockerfile_text="FROM busybox\nRUN sleep 60\n", no_cache=True))
    events = []
    async for event in build:
        events.append(event)
        if isinstance(event, ContainerEvent) and event.action == "created":
            build.cancel()
    assert finished(events).outcome == "cancelled"
    await engine.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["docker", "buildkit"])
async def test_ssh_asks_its_agent(
    name: str, sshd: str, conformance: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is the agent's alone: no file of it is left."""
    config = tmp_path / "home" / "client"
    kept = [it for it in config.read_text().splitlines() if "Identit" not in it]
    config.write_text("\n".join([*kept, "  IdentityFile none", ""]))
    sock = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", sock], stdout=subprocess.DEVNULL)
    try:
        while not sock.exists():
            assert agent.poll() is None, "ssh-agent ended"
        monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))
        key = tmp_path / "home" / "user"
        engine = make(name, Config(engine=name, host=sshd))
        key.rename(key.with_name("elsewhere"))
        with pytest.raises(EngineUnavailable, match="Permission denied"):
            await engine.check()
        subprocess.run(["ssh-add", "-q", key.with_name("elsewhere")], check=True, capture_output=True)
        key.with_name("elsewhere").unlink()
        assert (await engine.check()).address == sshd
        await put_base(engine, conformance)
        request = BuildRequest(context=None, dockerfile_text="FROM busybox\nRUN true\n")
        assert finished([it async for it in engine.build(request)]).outcome == "succeeded"
        await engine.close()
    finally:
        agent.terminate()
        agent.wait()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["docker", "buildkit"])
async def test_ssh_to_a_socket_that_is_not_the_usual_one(name: str, sshd: str, docker_28: str) -> None:
    """`ssh://host/path`: never the engine of the host's own command, which may be another."""
    there = f"{sshd}{docker_28.removeprefix('unix://')}"
    engine = make(name, Config(engine=name, host=there))
    found = await engine.check()
    assert found.address == there and found.version.startswith("28.")
    await engine.close()
    nowhere = make(name, Config(engine=name, host=f"{sshd}/nonexistent.sock"))
    with pytest.raises(EngineUnavailable):
        await nowhere.check()
    await nowhere.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["docker", "buildkit"])
async def test_ssh_goes_through_its_control_master(name: str, sshd: str, conformance: Path, tmp_path: Path) -> None:
    """One login, whose connection the others use: the key is gone when they come. It outlives the engine."""
    home = tmp_path / "home"
    with tempfile.TemporaryDirectory(prefix="wb-ssh-") as short:  # a socket's path has at most 107 bytes
        with (home / "client").open("a") as config:
            config.write(f"  ControlMaster auto\n  ControlPath {short}/%C\n  ControlPersist 60\n")
        engine = make(name, Config(engine=name, host=sshd))
        assert (await engine.check()).address == sshd
        (home / "user").unlink()
        await put_base(engine, conformance)
        request = BuildRequest(context=None, dockerfile_text="FROM busybox\nRUN true\n")
        assert finished([it async for it in engine.build(request)]).outcome == "succeeded"
        assert (await engine.check()).address == sshd
        await engine.close()
        user, _, port = sshd.removeprefix("ssh://").partition(":")
        for word in ("check", "exit"):
            subprocess.run(["ssh", "-p", port, "-O", word, user], check=True, capture_output=True)


@pytest.mark.usefixtures("fake_ssh")
async def test_what_ssh_says_is_told() -> None:
    assert "Could not resolve hostname nosuch" in str(await refusal("ssh://nosuch"))


def test_the_sdk_is_not_imported_with_the_engine() -> None:
    code = (
        "import sys; from workbench.engines.docker.engine import DockerEngine; e = DockerEngine(); e.capabilities();"
        "e.build; assert not {'docker', 'requests', 'urllib3'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_used_of_the_sdk_is_there(docker_host: str) -> None:
    """Methods that the SDK does not promise; a new version of it must still have them."""
    from docker import APIClient

    from workbench.engines.docker.client import Client

    for name in ("_url", "_get", "_post", "_result", "_raise_for_status", "_set_auth_headers"):
        assert callable(getattr(APIClient, name)), name
    client = Client(resolve(docker_host))
    assert client.proxy_arguments() == {}
    assert client.get_json("/info")["ID"]
    client.close()
