"""git and RUN over ssh, to a real sshd on loopback: the key is in an agent, the host in the person's known hosts."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from builds import Builder

from tests.conftest import missing
from workbench.engines.embedded import git_ssh
from workbench.engines.embedded.git_ssh import git_environment

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A folder with the keys `host` and `user` and a repository, and the port of an sshd that knows them."""
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    if not os.path.exists(program) or shutil.which("ssh-agent") is None:
        missing("no sshd or ssh-agent on this machine: install Debian's openssh-server and openssh-client")
    home = tmp_path / "far"
    home.mkdir()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    (home / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {home}/host\nAuthorizedKeysFile {home}/user.pub\nStrictModes no\n"
        "PidFile none\nPasswordAuthentication no\nUsePAM no\nPermitRootLogin prohibit-password\n"
    )
    git = ["git", "-C", home / "repository", "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q", "-b", "main", home / "repository"], check=True)
    (home / "repository/file").write_text("over ssh\n")
    subprocess.run([*git, "add", "file"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    process = subprocess.Popen([program, "-D", "-e", "-f", home / "config"], stderr=subprocess.DEVNULL)
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        assert process.poll() is None, "sshd ended"
    yield home, port
    process.terminate()
    process.wait()


@pytest.fixture
def at_home(server: tuple[Path, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder whose known hosts have the server, as ssh finds it in a namespace of sub-UIDs: only by HOME."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    key = (server[0] / "host.pub").read_text()
    (home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{server[1]} {key}")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(git_ssh, "has_range", lambda: True)
    for name in ("GIT_SSH_COMMAND", "GIT_SSH", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    return home


async def test_add_of_a_repository(build: Builder, server: tuple[Path, int], at_home: Path) -> None:
    """With the agent that `--ssh default` lends; without it, or from a host that is not known, it says what to do."""
    home, port = server
    text = f"FROM scratch\nADD ssh://{getpass.getuser()}@127.0.0.1:{port}{home}/repository /code/\n"
    built = await build(text, ssh=(f"default={home / 'user'}",))
    assert built.end.outcome == "succeeded", built.end
    assert {"code", "code/file"} <= set(built.layer())
    for arrange in (lambda: None, (at_home / ".ssh/known_hosts").unlink):
        arrange()
        keys = () if (at_home / ".ssh/known_hosts").exists() else (f"default={home / 'user'}",)
        failed = (await build(text, ssh=keys, no_cache=True)).end
        assert failed.outcome == "failed"
        expected = "Host key verification failed" if keys else "Permission denied"
        assert expected in (failed.error or "") and "known_hosts" in failed.hint and "--ssh default" in failed.hint


async def test_a_key_in_the_home_folder(build: Builder, server: tuple[Path, int], at_home: Path) -> None:
    home, port = server
    shutil.copy(home / "user", at_home / ".ssh/id_ed25519")
    (at_home / ".ssh/config").write_text(f"Host far\n  HostName 127.0.0.1\n  Port {port}\n")
    built = await build(f"FROM scratch\nADD {getpass.getuser()}@far:{home}/repository /code/\n")
    assert built.end.outcome == "succeeded", built.end


@pytest.mark.usefixtures("sandbox")
async def test_run_signs_with_the_agent(build: Builder, server: tuple[Path, int], at_home: Path) -> None:
    """The client of this machine with its libraries, in a RUN that has the agent's socket and no key."""
    home, port = server
    linked = subprocess.run(["ldd", shutil.which("ssh") or ""], capture_output=True, text=True, check=True).stdout
    needs = {word for word in linked.split() if word.startswith("/")} | {str(shutil.which("ssh"))}
    for path in needs:
        build.put({f"root{path}": Path(path).read_bytes()})
        (build.context / f"root{path}").chmod(0o755)
    build.put({"root/etc/passwd": "root:x:0:0::/root:/bin/sh\n", "known": (at_home / ".ssh/known_hosts").read_text()})
    ssh = f"{shutil.which('ssh')} -o UserKnownHostsFile=/known -o BatchMode=yes -p {port} {getpass.getuser()}@127.0.0.1"
    built = await build(
        f"FROM busybox\nCOPY root /\nCOPY known /known\nRUN --mount=type=ssh {ssh} cat {home}/repository/file\n"
        f"RUN {ssh} true || echo refused\n", ssh=(f"default={home / 'user'}",),
    )  # fmt: skip
    assert built.end.outcome == "succeeded", built.end.error
    assert "over ssh\n" in built.log and built.log.endswith("refused\n")


def test_git_of_a_person_who_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -p 3")
    assert git_environment({"default": "/agent", "other": "/no"}) == {"SSH_AUTH_SOCK": "/agent"}
