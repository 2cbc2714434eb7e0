"""`RUN --mount=type=ssh`: a socket of our own in front of the person's ssh agent.

It has the mode and owner that the mount asks for, and hands on what lists keys and what signs; a build cannot add,
remove or lock keys (as in moby/buildkit, sshforward). Source: draft-ietf-sshm-ssh-agent, messages.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from workbench.errors import InputError

_FAILURE = struct.pack(">IB", 1, 5)
_ALLOWED = (11, 13)  # SSH_AGENTC_REQUEST_IDENTITIES, SSH_AGENTC_SIGN_REQUEST
_LARGEST = 256 << 10


class AgentProxy:
    """`path` is the socket. Raises InputError where the agent does not answer. `close` it."""

    def __init__(self, agent: Path, *, mode: int, uid: int, gid: int) -> None:
        self._agent = agent
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._connect().close()
        self._folder = TemporaryDirectory(prefix="workbench-ssh-")  # the name of a socket must be short
        self.path = Path(self._folder.name) / "agent"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self.path.chmod(mode)
        if os.geteuid() == 0:
            os.chown(self.path, uid, gid)
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept, name="ssh agent", daemon=True)
        self._thread.start()

    def _connect(self) -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(self._agent))
        except OSError as error:
            server.close()
            raise InputError(
                f"the ssh agent at {self._agent} does not answer: {error.strerror}", hint="`ssh-add -l` says the same."
            ) from error
        return server

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(client,), name="ssh agent", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self._open.add(client)
        try:
            with client, self._connect() as server:
                while (request := _read(client)) is not None:
                    if request[4:5] and request[4] in _ALLOWED:
                        server.sendall(request)
                        answer = _read(server)
                        if answer is None:
                            return
                        client.sendall(answer)
                    else:
                        client.sendall(_FAILURE)
        except (OSError, InputError):
            return  # the command or the agent has hung up, which the command is told by its end of the socket
        finally:
            with self._lock:
                self._open.discard(client)

    def close(self) -> None:
        """Nothing of it is left afterwards; whoever still speaks is cut off."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for client in self._open:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._folder.cleanup()


def _read(source: socket.socket) -> bytes | None:
    """One message with its length in front; None at the end, or where it is too long to be one."""
    head = _exactly(source, 4)
    if head is None:
        return None
    (size,) = struct.unpack(">I", head)
    body = _exactly(source, size) if size <= _LARGEST else None
    return None if body is None else head + body


def _exactly(source: socket.socket, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        piece = source.recv(size - len(data))
        if not piece:
            return None
        data += piece
    return data
