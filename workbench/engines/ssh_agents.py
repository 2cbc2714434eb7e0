"""The ssh agents that `--ssh` lends to a build: the person's own, or one of the build's with its keys.

As `docker build --ssh` has it: `default` or an ID, `=SOCKET` another agent, `=KEY,KEY` private key files. A key never
leaves this machine: the build talks to the agent, and the agent signs.
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from workbench.errors import UsageError

_DEFAULT = "default"
_START = 5.0
"""Seconds in which an agent of our own must stand."""
_KEEP = 'ssh-agent -D -a "$0" & cat; kill $!; wait $!'
"""The agent ends when our end of the shell's input closes, also where nobody is left to close it."""


@contextlib.contextmanager
def open_agents(texts: Sequence[str]) -> Iterator[dict[str, str]]:
    """Sockets by ID, each checked; agents of our own for key files end with the block. Blocks. Raises UsageError."""
    with contextlib.ExitStack() as stack:
        sockets: dict[str, str] = {}
        for text in texts:
            name, _, given = text.partition("=")
            if (name or _DEFAULT) in sockets:
                raise UsageError(f"--ssh {name or _DEFAULT} is given twice")
            paths = [it for it in given.split(",") if it]
            sockets[name or _DEFAULT] = _find(name or _DEFAULT, paths, stack)
        yield sockets


def _find(name: str, paths: list[str], stack: contextlib.ExitStack) -> str:
    if not paths:
        if not (agent := os.environ.get("SSH_AUTH_SOCK")):
            raise UsageError(
                f"--ssh {name}: no ssh agent runs here (SSH_AUTH_SOCK is empty)",
                hint="Start one (eval $(ssh-agent); ssh-add), or name a key file: --ssh default=~/.ssh/id_ed25519.",
            )
        paths = [agent]
    files = [Path(it).expanduser() for it in paths]
    try:
        kinds = [stat.S_ISSOCK(file.stat().st_mode) for file in files]
    except OSError as error:
        raise UsageError(f"--ssh {name}: {error.filename}: {error.strerror}") from error
    if any(kinds):
        if len(files) > 1:
            raise UsageError(f"--ssh {name}: a socket stands alone, or key files together")
        return os.fspath(files[0])
    return stack.enter_context(_own_agent(name, files))


@contextlib.contextmanager
def _own_agent(name: str, keys: list[Path]) -> Iterator[str]:
    import shutil
    import tempfile

    for command in ("ssh-agent", "ssh-add"):
        if shutil.which(command) is None:
            raise UsageError(f"--ssh {name}: key files need {command}", hint="Install openssh-client.")
    with tempfile.TemporaryDirectory(prefix="workbench-ssh-") as folder:
        socket = os.path.join(folder, "agent")  # noqa: PTH118 - what ssh-agent wants is a text
        null = subprocess.DEVNULL
        shell = subprocess.Popen(
            ["sh", "-c", _KEEP, socket], stdin=subprocess.PIPE, stdout=null, stderr=null, start_new_session=True
        )
        assert shell.stdin is not None, "it is a pipe"
        try:
            end = time.monotonic() + _START
            while not _listens(socket) and shell.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
            environment = {**os.environ, "SSH_AUTH_SOCK": socket, "SSH_ASKPASS_REQUIRE": "never"}
            for key in keys:
                added = subprocess.run(
                    ["ssh-add", "-q", "--", os.fspath(key)], env=environment, stdin=null, stdout=null,
                    stderr=subprocess.PIPE, start_new_session=True, check=False,
                )  # fmt: skip
                if added.returncode:
                    said = added.stderr.decode("utf-8", "replace").strip().splitlines()
                    raise UsageError(
                        f"--ssh {name}: {key} cannot be used: {said[0] if said else 'ssh-add refused it'}",
                        hint="A key with a passphrase goes into an agent first: ssh-add, then --ssh default.",
                    )
            yield socket
        finally:
            shell.stdin.close()
            shell.wait()


def _listens(path: str) -> bool:
    """Whether somebody does: an agent's socket has its name a moment before."""
    import socket

    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0
