"""The ssh agent for `RUN --mount=type=ssh`: the user's own, lent to the build, or one of the build's with its keys.

As `docker build --ssh` has it: `default` or an ID, `=SOCKET` another agent, `=KEY,KEY` private key files. A key never
leaves this machine: the build talks to the agent, and the agent signs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError

from workbench.engines.buildkit.filesync import plain_ascii
from workbench.engines.buildkit.messages import messages
from workbench.errors import UsageError, WorkbenchError

_SSH = "/moby.sshforward.v1.SSH/"
_DEFAULT = "default"
_PIECE = 32 * 1024
_START = 5.0
"""Seconds in which an agent of our own must stand."""


class Agents:
    """The service: sockets of agents by the IDs that the Dockerfile names."""

    def __init__(self, sockets: Mapping[str, str]) -> None:
        self.problem: WorkbenchError | None = None
        self._sockets = sockets

    def handlers(self) -> dict[str, Handler]:
        pb = messages()
        both, one = Cardinality.STREAM_STREAM, Cardinality.UNARY_UNARY
        return {
            f"{_SSH}CheckAgent": Handler(self._check, one, pb.CheckAgentRequest, pb.CheckAgentResponse),
            f"{_SSH}ForwardAgent": Handler(self._forward, both, pb.BytesMessage, pb.BytesMessage),
        }

    async def _check(self, stream: Any) -> None:
        request = await stream.recv_message()
        self._socket(request.ID)
        await stream.send_message(messages().CheckAgentResponse())

    def _socket(self, name: str) -> str:
        found = self._sockets.get(name or _DEFAULT)
        if found is None:
            raise GRPCError(Status.NOT_FOUND, f"unset ssh forward key {plain_ascii(name or _DEFAULT)}")
        return found

    async def _forward(self, stream: Any) -> None:
        path = self._socket(str(stream.metadata.get("buildkit.ssh.id", "")))
        try:
            reader, writer = await asyncio.open_unix_connection(path)
        except OSError as error:
            raise GRPCError(Status.UNAVAILABLE, f"the ssh agent does not answer: {error.strerror}") from error
        sending = asyncio.create_task(_answer(reader, stream))
        try:
            async for message in stream:
                writer.write(message.data)
                await writer.drain()
            writer.write_eof()
            await sending
        except OSError as error:
            raise GRPCError(Status.UNAVAILABLE, "the ssh agent went away") from error
        finally:
            sending.cancel()
            writer.close()


async def _answer(reader: asyncio.StreamReader, stream: Any) -> None:
    while data := await reader.read(_PIECE):
        await stream.send_message(messages().BytesMessage(data=data))


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
    for command in ("ssh-agent", "ssh-add"):
        if shutil.which(command) is None:
            raise UsageError(f"--ssh {name}: key files need {command}", hint="Install openssh-client.")
    with tempfile.TemporaryDirectory(prefix="workbench-ssh-") as folder:
        socket = os.path.join(folder, "agent")  # noqa: PTH118 - what ssh-agent wants is a text
        null = subprocess.DEVNULL
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdin=null, stdout=null, stderr=null)
        try:
            end = time.monotonic() + _START
            while not os.path.exists(socket) and agent.poll() is None and time.monotonic() < end:  # noqa: PTH110
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
            agent.terminate()
            agent.wait()
