"""RUN --mount with all of its options; and that secrets and sockets stay nowhere."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from builds import Builder

from tests.conftest import missing
from workbench.build.events import StepLog
from workbench.build.request import BuildRequest
from workbench.engines.embedded.agent import AgentProxy
from workbench.engines.embedded.redact import Redacted
from workbench.engines.ssh_agents import open_agents
from workbench.errors import InputError, UsageError

sandboxed = pytest.mark.usefixtures("sandbox")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="owners on the disk need root")
SECRET = "sEcr3t-7f3a9c51-of-nobody"


async def run(build: Builder, *lines: str, **options: object) -> str:
    built = await build("FROM busybox\n" + "\n".join(lines) + "\n", no_cache=True, **options)
    assert built.end.outcome == "succeeded", built.end
    return built.log


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "outside"
    path.write_text(f"{SECRET}\n")
    return path


# -- secrets -----------------------------------------------------------------------------------------------------


@sandboxed
async def test_a_secret_is_a_file_or_a_variable(build: Builder, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "from-the-environment")
    log = await run(
        build,
        "WORKDIR /w",
        "RUN --mount=type=secret,id=a wc -c < /run/secrets/a; stat -c '%a %u %g' /run/secrets/a",
        "RUN --mount=type=secret,id=a,target=/etc/it,mode=0444 wc -c < /etc/it; stat -c %a /etc/it",
        "RUN --mount=type=secret,target=a wc -c < /w/a",
        "RUN --mount=type=secret,id=TOKEN,env=IT echo ${#IT}; ls /run/secrets 2>&1 || true",
        "RUN --mount=type=secret,id=none test ! -e /run/secrets/none; echo missing",
        secrets=(f"id=a,src={secret}", "id=TOKEN,env=TOKEN"),
    )
    size = str(len(SECRET) + 1)
    assert log.split() == [
        size, "400", "0", "0", size, "444", size, "20", "ls:", "/run/secrets:", "No", "such", "file", "or", "directory",
        "missing",
    ]  # fmt: skip


@sandboxed
@root_only
async def test_a_secret_belongs_to_whom_the_mount_says(build: Builder, secret: Path) -> None:
    log = await run(
        build,
        "RUN --mount=type=secret,id=a,uid=5,gid=6,mode=0440 stat -c '%a %u %g' /run/secrets/a; wc -c < /run/secrets/a",
        "USER 7",
        "RUN --mount=type=secret,id=a cat /run/secrets/a || echo closed",
        "RUN --mount=type=secret,id=a,uid=7 wc -c < /run/secrets/a",
        secrets=(f"id=a,src={secret}",),
    )
    size = str(len(SECRET) + 1)
    assert log.splitlines()[:2] == ["440 5 6", size] and log.splitlines()[-2:] == ["closed", size]


@sandboxed
async def test_a_secret_stays_nowhere(build: Builder, secret: Path, tmp_path: Path) -> None:
    text = (
        "FROM busybox\n"
        "RUN --mount=type=secret,id=a,target=/new/place/a --mount=type=secret,id=a,env=IT "
        "cat /new/place/a; echo $IT; printf %s $IT | cut -c1-9; touch /done\n"
    )
    built = await build(text, secrets=(f"id=a,src={secret}",))
    assert built.end.outcome == "succeeded", built.end
    assert set(built.layer()) == {"done"}, "no mount point stays either"
    assert "****\n****\n" in built.log
    assert SECRET not in repr(built.events) and SECRET not in repr(built.config)
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in str([*(tmp_path / "store").rglob("*")])
    secret.write_text("another")
    assert (await build(text, secrets=(f"id=a,src={secret}",))).cached[-1], "the secret is not part of the key"


@sandboxed
async def test_a_secret_that_is_required_and_not_given(build: Builder) -> None:
    built = await build("FROM busybox\nRUN --mount=type=secret,id=a,required true\n")
    assert (built.end.outcome, built.end.line) == ("failed", 2)
    assert "secret a: not found" in built.end.error and "--secret id=a" in built.end.hint


async def test_a_secret_that_cannot_be_read_keeps_the_build_from_starting(scratch_build: Builder) -> None:
    with pytest.raises(UsageError, match="no-such-file: No such file"):
        await scratch_build("FROM scratch\nLABEL a=b\n", secrets=("id=a,src=no-such-file",))


def test_output_that_comes_in_pieces_shows_no_secret() -> None:
    shown: list[str] = []
    log = Redacted(
        lambda text, stream: shown.append(text), [b"hunter2hunter3\n", b"line-one-of-key\nline-two-of-key\n"]
    )
    for piece in ("a hunter2", "hunt", "er3 b hunter2h", "ungry line-one-of-", "key\n", "hunter2"):
        log(piece, "stdout")
    log.flush()
    assert "".join(shown) == "a **** b hunter2hungry ****\nhunter2"


# -- ssh ---------------------------------------------------------------------------------------------------------


class Agent:
    """Answers every message with its own type, and remembers what it was asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[int] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                while len(message := client.recv(5)) == 5:  # all that is asked here has no body
                    self.asked.append(message[4])
                    client.sendall(struct.pack(">IB", 1, 12))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    it = Agent(tmp_path / "agent.sock")
    yield it
    it.close()


def ask(path: Path, kind: int) -> int:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(struct.pack(">IB", 1, kind))
        return client.recv(5)[4]


def test_the_proxy_hands_on_what_lists_and_signs_and_nothing_else(agent: Agent) -> None:
    proxy = AgentProxy(agent.path, mode=0o640, uid=0, gid=0)
    assert proxy.path.stat().st_mode & 0o777 == 0o640
    assert [ask(proxy.path, kind) for kind in (11, 13)] == [12, 12]
    assert [ask(proxy.path, kind) for kind in (17, 18, 19, 22, 25, 27)] == [5] * 6, "nothing is added or removed"
    folder = proxy.path.parent
    proxy.close()
    assert agent.asked == [11, 13] and not folder.exists()


@sandboxed
async def test_an_agent_is_a_socket_in_the_sandbox(build: Builder, agent: Agent) -> None:
    log = await run(
        build,
        'RUN --mount=type=ssh echo $SSH_AUTH_SOCK; test -S $SSH_AUTH_SOCK; stat -c "%a %u" $SSH_AUTH_SOCK',
        "RUN --mount=type=ssh,id=other,target=/x/sock,mode=0666 test -S /x/sock; stat -c %a /x/sock",
        'RUN --mount=type=ssh,id=none test -z "$SSH_AUTH_SOCK"; ls -d /x /run/buildkit 2>/dev/null || echo nothing',
        ssh=(f"default={agent.path}", f"other={agent.path}"),
    )
    assert log.split() == ["/run/buildkit/ssh_agent.0", "600", "0", "666", "nothing"]


@sandboxed
async def test_an_agent_that_is_required_and_not_given(build: Builder) -> None:
    built = await build("FROM busybox\nRUN --mount=type=ssh,required true\n")
    assert built.end.outcome == "failed" and "ssh agent default: not found" in built.end.error
    assert "--ssh default" in built.end.hint


async def test_agents_that_are_not_there_keep_the_build_from_starting(
    scratch_build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "FROM scratch\nLABEL a=b\n"
    (tmp_path / "key").write_text("no key")
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(UsageError, match=r"--ssh default: .*/key cannot be used"):
        await scratch_build(text, ssh=(f"default={tmp_path}/key",))
    with pytest.raises(UsageError, match="No such file"):
        await scratch_build(text, ssh=("default=/no/such/socket",))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(UsageError, match="SSH_AUTH_SOCK is empty"):
        await scratch_build(text, ssh=("default",))


def test_a_key_file_gets_an_agent_that_ends_with_the_build(tmp_path: Path) -> None:
    if shutil.which("ssh-agent") is None:
        missing("no ssh-agent: install openssh-client")
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with open_agents((f"default={key}",)) as agents:
        proxy = AgentProxy(Path(agents["default"]), mode=0o600, uid=0, gid=0)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(proxy.path))
            client.sendall(struct.pack(">IB", 1, 11))
            assert struct.unpack(">IBI", client.recv(9))[1:] == (12, 1), "one key"
        proxy.close()
    assert not Path(agents["default"]).exists()


def test_an_agent_that_has_gone_is_named(tmp_path: Path) -> None:
    gone = Agent(tmp_path / "gone.sock")
    gone.close()
    with pytest.raises(InputError, match=r"the ssh agent at .*gone\.sock does not answer"):
        AgentProxy(gone.path, mode=0o600, uid=0, gid=0)


# -- bind, cache, tmpfs ------------------------------------------------------------------------------------------


@sandboxed
async def test_binds_of_the_context_of_stages_and_of_images(build: Builder) -> None:
    built = await build(
        "FROM scratch AS one\nCOPY f /in/f\nFROM busybox\nWORKDIR /w\n"
        "RUN --mount=type=bind,target=ctx cat ctx/f; (echo x > ctx/f) 2>/dev/null || echo read-only\n"
        "RUN --mount=type=bind,source=f,target=/f,rw cat /f; echo new > /f; cat /f\n"
        "RUN --mount=type=bind,from=one,source=in,target=/in cat /in/f\n"
        "RUN --mount=type=bind,from=busybox,source=/bin,target=/b /b/echo from-an-image\n"
        "RUN cat /f /in/f /w/ctx/f 2>/dev/null || ls /w\n",
        {"f": "file\n"},
    )
    assert built.end.outcome == "succeeded", built.end
    assert built.log.split() == ["file", "read-only", "file", "new", "file", "from-an-image"]
    assert not any(name.endswith("/f") for number in range(1, 3) for name in built.layer(-number))


@sandboxed
async def test_a_cache_outlives_a_build_and_is_filled_from_a_stage(build: Builder) -> None:
    text = (
        "FROM busybox AS seed\nRUN mkdir -p /d/s; echo seeded > /d/s/f\n"
        "FROM busybox\n"
        "RUN --mount=type=cache,target=/c,from=seed,source=/d cat /c/s/f; echo more >> /c/s/f\n"
        "RUN --mount=type=cache,target=/c,id=other ls /c | wc -l\n"
        "RUN --mount=type=cache,target=/r,id=other,ro touch /r/x 2>/dev/null || echo read-only\n"
    )
    logs = [(await build(text, no_cache=True)).log.split() for _ in range(2)]
    assert logs == [["seeded", "0", "read-only"], ["seeded", "more", "0", "read-only"]]


@sandboxed
async def test_a_cache_has_the_mode_and_owner_that_it_is_made_with(build: Builder) -> None:
    log = await run(
        build,
        "RUN --mount=type=cache,target=/c stat -c '%a %u' /c",
        "RUN --mount=type=cache,target=/c,mode=0700 stat -c %a /c",
        "RUN --mount=type=cache,target=/c,uid=5,gid=6 stat -c %a /c",
    )
    assert log.splitlines() == ["755 0", "700", "755"]


@sandboxed
async def test_tmpfs_has_a_size(build: Builder) -> None:
    log = await run(build, "RUN --mount=type=tmpfs,target=/t,size=1m df -k /t | tail -1 | awk '{print $2}'; touch /t/x")
    assert log.split() == ["1024"]


@sandboxed
@pytest.mark.parametrize("mount", ["type=bind,target=/", "type=cache,target=/x/.."])
async def test_the_root_is_no_place_for_a_mount(build: Builder, mount: str) -> None:
    built = await build(f"FROM busybox\nRUN --mount={mount} true\n")
    assert built.end.outcome == "failed" and "invalid mount target" in built.end.error


@sandboxed
@pytest.mark.parametrize(("sharing", "together"), [("shared", True), ("private", False), ("locked", False)])
async def test_how_two_builds_share_a_cache(build: Builder, tmp_path: Path, sharing: str, together: bool) -> None:
    """Two builds meet in the cache where it is shared; each has its own where it is private; one waits for the other
    where it is locked."""
    other, opener = beside(tmp_path, "second"), beside(tmp_path, "third")
    gate = "while [ ! -e /go/f ]; do usleep 2000; done"
    first = (
        f"FROM busybox\nRUN --mount=type=cache,target=/c,sharing={sharing} --mount=type=cache,target=/go "
        f"echo one >> /c/who; echo ready; {gate}; cat /c/who\n"
    )
    second = f"FROM busybox\nRUN --mount=type=cache,target=/c,sharing={sharing} echo two >> /c/who; cat /c/who\n"
    build.put({"Dockerfile": first})
    events = build.engine.build(BuildRequest(context=build.context, no_cache=True))
    log = ""
    async for event in events:
        if isinstance(event, StepLog):
            log += event.text
            if "ready" in log:
                break
    waiting = asyncio.ensure_future(other(second, no_cache=True))
    if sharing != "locked":
        done = await waiting
        assert done.log.split() == (["one", "two"] if together else ["two"])
    else:
        await asyncio.wait([waiting], timeout=0.3)
        assert not waiting.done()
    await opener("FROM busybox\nRUN --mount=type=cache,target=/go touch /go/f\n", no_cache=True)
    async for event in events:
        if isinstance(event, StepLog):
            log += event.text
    assert log.split() == ["ready", "one"] + (["two"] if together else [])
    if sharing == "locked":
        assert (await waiting).log.split() == ["one", "two"]
    await other.engine.close()
    await opener.engine.close()


def beside(tmp_path: Path, name: str) -> Builder:
    """Another engine on the same store."""
    context = tmp_path / name
    context.mkdir()
    return Builder(tmp_path / "store", context)
