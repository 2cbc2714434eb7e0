"""Without root, with a range of sub-UIDs: users in a RUN and owners in its layer, as root has them."""

from __future__ import annotations

import io
import json
import os
import pwd
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import missing
from workbench.engines.embedded.subids import enter_range, extents, find_range, has_range


def test_ranges_are_read_as_newuidmap_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "subuid"
    file.write_text("other:1:2000\nme:5:10\nme:100000:65536\n1001:300000:65536\nbad\nworse:x:y\n")
    assert find_range(file, "me", 7) == (100000, 65536)
    assert find_range(file, "nobody", 1001) == (300000, 65536)
    assert find_range(file, "nobody", 7) is None
    assert find_range(tmp_path / "missing", "me", 7) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="as root there is nothing to enter")
def test_root_enters_nothing() -> None:
    assert not enter_range()
    assert not has_range() or extents("uid") != [(0, 4294967295)]


def test_a_number_that_is_no_account_enters_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `docker run --user 1234` starts it."""
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    monkeypatch.setattr(os, "listdir", lambda path: ["the only thread"])
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    asked: list[int] = []

    def nobody(uid: int) -> object:
        asked.append(uid)
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert not enter_range() and asked


@pytest.fixture
def ranged() -> None:
    if os.geteuid() == 0:
        pytest.skip("for an ordinary user")
    account = pwd.getpwuid(os.getuid())
    if shutil.which("newuidmap") is None or not find_range(Path("/etc/subuid"), account.pw_name, account.pw_uid):
        missing("no range of sub-UIDs: install uidmap, and give this user one in /etc/subuid and /etc/subgid")


Command = Callable[..., str]


@pytest.fixture
def workbench(ranged: None, tmp_path: Path, conformance: Path) -> Command:
    """Runs the command as this user, on a store that has busybox, and returns its output."""

    def run(*words: object, **env: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "workbench", *map(str, words), "--engine", "embedded", "--root", tmp_path / "store"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, env={**os.environ, **env},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("load", "-q", "-i", conformance / "bases" / "busybox.tar")
    return run


def test_users_and_owners(workbench: Command, tmp_path: Path) -> None:
    """Built, saved, removed: nothing is left that the user could not remove."""
    store, context = tmp_path / "store", tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        "FROM busybox\nRUN mkdir /d && touch /d/f && chown 65:66 /d/f && chown 1000:1000 /d && chmod 700 /d\n"
        "VOLUME /v\nRUN ! rmdir /v 2>/dev/null && cp /bin/busybox /d/program && chmod 4755 /d/program\n"
        "USER 1000:1000\nRUN touch /d/mine && id -u && ! touch /root/x 2>/dev/null\n"
        "RUN grep NoNewPrivs /proc/self/status\n"
    )

    assert "sub-UIDs" in workbench("engines")
    said = workbench("build", "-t", "x", context)
    assert "\n1000\n" in said and "NoNewPrivs:\t0\n" in said  # a program may gain rights there
    archive = tmp_path / "x.tar"
    workbench("save", "-o", archive, "x")
    owners: dict[str, tuple[int, int]] = {}
    with tarfile.open(archive) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        for layer in manifest[0]["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(tar.extractfile(layer).read())) as inner:  # type: ignore[union-attr]
                owners |= {info.name: (info.uid, info.gid) for info in inner}
    assert (owners["d"], owners["d/f"], owners["d/mine"]) == ((1000, 1000), (65, 66), (1000, 1000))
    assert {path.stat().st_uid for path in (store / "workbench" / "layers-subids").glob("*/root/d")} != {os.getuid()}
    workbench("rmi", "-f", "x")
    workbench("prune", "-af")
    assert not list((store / "workbench" / "layers-subids").glob("*/root/d"))


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The socket of a real agent of this user, and the fingerprint of the key that it holds."""
    if shutil.which("ssh-agent") is None:
        missing("no ssh-agent on this machine: install Debian's openssh-client")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with tempfile.TemporaryDirectory() as folder:  # the name of a socket must be short
        socket = Path(folder) / "agent"
        process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
        env = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        while not socket.exists():
            assert process.poll() is None, "ssh-agent ended"
            time.sleep(0.01)
        subprocess.run(["ssh-add", "-q", key], check=True, env=env, stderr=subprocess.DEVNULL)
        listed = subprocess.run(["ssh-add", "-l"], check=True, env=env, capture_output=True, text=True).stdout
        yield socket, listed.split()[1]
        process.terminate()
        process.wait()


def test_an_agent_of_the_user(workbench: Command, agent: tuple[Path, str], tmp_path: Path) -> None:
    """The agent answers who is root in the namespace, whom a RUN is there, and nobody whom the mount leaves out."""
    socket, fingerprint = agent
    context = tmp_path / "context"
    linked = subprocess.run(["ldd", shutil.which("ssh-add") or ""], capture_output=True, text=True, check=True).stdout
    for path in {word for word in linked.split() if word.startswith("/")} | {str(shutil.which("ssh-add"))}:
        target = context / "root" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        target.chmod(0o755)
    (context / "root/etc").mkdir()
    (context / "root/etc/passwd").write_text("root:x:0:0::/root:/bin/sh\njoe:x:1000:1000::/:/bin/sh\n")
    add = shutil.which("ssh-add")
    (context / "Dockerfile").write_text(
        f"FROM busybox\nCOPY root /\nRUN --mount=type=ssh {add} -l && ! {add} -D\nUSER joe\n"
        f"RUN --mount=type=ssh,uid=1000,gid=1000 {add} -l && stat -c %u:%g $SSH_AUTH_SOCK\n"
        f"RUN --mount=type=ssh ! {add} -l\nRUN test -z $SSH_AUTH_SOCK\n"
    )
    said = workbench("build", "--ssh", "default", context, SSH_AUTH_SOCK=str(socket))
    assert said.count(f" {fingerprint} ") == 2
    assert "\n1000:1000\n" in said
    held = subprocess.run(["ssh-add", "-l"], env={"SSH_AUTH_SOCK": str(socket)}, capture_output=True, text=True)
    assert fingerprint in held.stdout, "a build cannot take a key away"
    said = workbench("build", "--no-cache", "--ssh", f"default={tmp_path / 'key'}", context, SSH_AUTH_SOCK="")
    assert said.count(f" {fingerprint} ") == 2
