"""Where the owner of a context is met: a folder of this user alone, by the digest of the context's real path.

It lies in the state folder and not in the runtime folder, which logind takes away with the last session: then, when
the line dropped, the owner is needed. The machine's name is part of the digest, as homes may be shared.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.build.turns import identity
from workbench.config import state_dir
from workbench.dataclass import dataclass

LOG_BOUND = 1024 * 1024
"""Bytes of the owner's log, beyond which it begins anew."""


_SOCKET = "socket"


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one context's owner. Nothing is made before `make`."""

    folder: Path

    @property
    def log(self) -> Path:
        """What the owner says on stderr: nothing, while all goes well."""
        return self.folder / "log"

    def make(self) -> None:
        """Raises OSError, also where somebody else owns the folder."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self.folder.stat()
        if status.st_uid != os.geteuid():
            raise PermissionError(f"{self.folder} belongs to user {status.st_uid}")
        if status.st_mode & 0o077:
            self.folder.chmod(0o700)

    def connect(self) -> socket.socket:
        """A socket to the owner, blocking. Raises OSError where there is none, PermissionError where it is not
        this user's."""
        with self._short() as address:
            line = socket.socket(socket.AF_UNIX)
            try:
                line.connect(address)
                if peer_of(line) != os.geteuid():
                    raise PermissionError(f"the owner in {self.folder} is another user's")
            except BaseException:
                line.close()
                raise
        return line

    def listen(self) -> socket.socket:
        """The owner's socket, mode 0600, in the place of a stale one. Only who holds the owner's turn may call it."""
        with self._short() as address:
            (self.folder / _SOCKET).unlink(missing_ok=True)
            line = socket.socket(socket.AF_UNIX)
            before = os.umask(0o177)
            try:
                line.bind(address)
            finally:
                os.umask(before)
            line.listen(16)
        return line

    def leave(self) -> None:
        """Takes the socket away, and the folder where nothing else is in it."""
        (self.folder / _SOCKET).unlink(missing_ok=True)
        if self.log.exists() and self.log.stat().st_size == 0:
            self.log.unlink()
        try:
            self.folder.rmdir()
        except OSError:
            return  # a journal that nobody has seen, or a log

    @contextmanager
    def _short(self) -> Iterator[str]:
        """An address below the 108 bytes of `sun_path`, however deep the folder lies."""
        handle = os.open(self.folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{handle}/{_SOCKET}"
        finally:
            os.close(handle)


def place_of(context: Path) -> Place:
    """By whatever links the context is reached."""
    return Place(state_dir() / "owners" / identity(context).hex()[:24])


def peer_of(line: socket.socket) -> int:
    """The user on the other end (SO_PEERCRED of unix(7))."""
    _, user, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(user)
