"""Files that come from the engine (`--output type=local`), written below one folder and nowhere else.

The receiving side of fsutil: facts of every file arrive, contents are asked for by number. What the engine says is a
stranger's: a path that leaves the folder, or leads through a symbolic link out of it, is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import Any

from workbench.engines.buildkit.files import (
    GO_DEVICE,
    GO_DIRECTORY,
    GO_FIFO,
    GO_SETGID,
    GO_SETUID,
    GO_STICKY,
    GO_SYMLINK,
)
from workbench.engines.buildkit.messages import DATA, FAILED, FINISHED, REQUEST, STAT, messages
from workbench.errors import InputError

_BATCH = 256 * 1024
"""Bytes of a file that are gathered before a thread writes them."""


class Folder:
    """Writes below `root`, through descriptors that follow no link. Every method blocks, and may raise InputError."""

    def __init__(self, root: Path) -> None:
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(f"--output {root}: {error.strerror}") from error
        self._shown = root
        self._folders: list[tuple[bytes, int, int]] = []
        """Path, mode and time of each folder: set when nothing is written below it any more."""

    def close(self) -> None:
        os.close(self._root)

    def place(self, path: bytes) -> tuple[int, bytes]:
        """A descriptor of the parent, to be closed, and the last part."""
        parts = path.split(b"/")
        if any(part in (b"", b".", b"..") for part in parts) or b"\0" in path:
            raise self._refused(path, "the path leads out of the folder")
        parent = os.dup(self._root)
        try:
            for part in parts[:-1]:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
                os.close(parent)
                parent = below
        except OSError as error:
            os.close(parent)
            raise self._refused(path, error.strerror) from error
        return parent, parts[-1]

    def make(self, facts: Any) -> bool:
        """Makes what has no content; whether the content is to be asked for."""
        parent, name = self.place(facts.path)
        try:
            if facts.mode & GO_DIRECTORY:
                self._make_folder(parent, name, facts)
            elif facts.mode & GO_SYMLINK:
                self._clear(parent, name)
                os.symlink(facts.linkname, name, dir_fd=parent)
            elif facts.mode & (GO_DEVICE | GO_FIFO):
                self._clear(parent, name)
                self._make_node(parent, name, facts)
            elif facts.linkname:
                source, first = self.place(facts.linkname)
                try:
                    self._clear(parent, name)
                    os.link(first, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
                finally:
                    os.close(source)
            else:
                return True
        except OSError as error:
            raise self._refused(facts.path, error.strerror) from error
        finally:
            os.close(parent)
        return False

    def _make_folder(self, parent: int, name: bytes, facts: Any) -> None:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=parent)
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        self._folders.append((facts.path, facts.mode, facts.modTime))

    def _make_node(self, parent: int, name: bytes, facts: Any) -> None:
        if facts.mode & GO_DEVICE:
            raise PermissionError(1, "a device is not made here")
        os.mkfifo(name, permissions(facts.mode), dir_fd=parent)

    def _clear(self, parent: int, name: bytes) -> None:
        """Makes room for what is no folder. A folder that is there is not removed."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)

    def finish(self) -> None:
        """Modes and times of the folders, innermost first."""
        for path, mode, time_ns in reversed(self._folders):
            parent, name = self.place(path)
            try:
                os.utime(name, ns=(time_ns, time_ns), dir_fd=parent, follow_symlinks=False)
                folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
                try:
                    os.fchmod(folder, permissions(mode))
                finally:
                    os.close(folder)
            except OSError as error:
                raise self._refused(path, error.strerror) from error
            finally:
                os.close(parent)

    def _refused(self, path: bytes, why: str | None) -> InputError:
        return InputError(f"--output {self._shown}: {path.decode('utf-8', 'replace')}: {why}")

    def error(self, path: bytes, error: OSError) -> InputError:
        """What to tell a person about a file that could not be written."""
        return self._refused(path, error.strerror)


class Incoming:
    """One file on its way: written beside its place, and there when it is whole."""

    def __init__(self, folder: Folder, facts: Any) -> None:
        self.facts = facts
        self._folder = folder
        self._parent, self._name = folder.place(facts.path)
        self._temporary = b".workbench-" + secrets.token_hex(8).encode()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._file = os.open(self._temporary, flags, 0o600, dir_fd=self._parent)
        except OSError as error:
            os.close(self._parent)
            raise folder.error(facts.path, error) from error

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            raise self._folder.error(self.facts.path, error) from error

    def commit(self) -> None:
        try:
            os.fchmod(self._file, permissions(self.facts.mode))
            os.utime(self._file, ns=(self.facts.modTime, self.facts.modTime))
            os.rename(self._temporary, self._name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
        except OSError as error:
            raise self._folder.error(self.facts.path, error) from error
        finally:
            self._close()

    def drop(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._temporary, dir_fd=self._parent)
        self._close()

    def _close(self) -> None:
        os.close(self._file)
        os.close(self._parent)


def permissions(mode: int) -> int:
    """Go's os.FileMode as the twelve bits of chmod."""
    bits = mode & 0o777
    for go, bit in ((GO_SETUID, stat.S_ISUID), (GO_SETGID, stat.S_ISGID), (GO_STICKY, stat.S_ISVTX)):
        bits |= bit if mode & go else 0
    return bits


class Receiving:
    """One call by which the engine sends a tree. `send` and `receive` speak in Packets."""

    def __init__(self, stream: Any, root: Path) -> None:
        self._stream = stream
        self._folder_path = root
        self._number = 0
        self._wanted: dict[int, Any] = {}
        self._open: dict[int, tuple[Incoming, bytearray]] = {}
        self._late: list[Any] = []
        """Hard links: made when what they lead to is whole."""
        self._listed = False

    async def run(self) -> None:
        """Raises InputError for what cannot, or must not, be written."""
        folder = await asyncio.to_thread(Folder, self._folder_path)
        try:
            while (packet := await self._receive()) is not None:
                if packet.type == STAT:
                    await self._facts(folder, packet)
                elif packet.type == DATA:
                    await self._data(folder, packet)
                elif packet.type == FINISHED:
                    return
                elif packet.type == FAILED:
                    raise InputError(f"the engine broke off the output: {packet.data.decode('utf-8', 'replace')}")
                if self._listed and not self._wanted and not self._open:
                    self._listed = False
                    await asyncio.to_thread(self._end, folder)
                    await self._send(FINISHED)
        finally:
            for incoming, _ in self._open.values():
                incoming.drop()
            folder.close()

    def _end(self, folder: Folder) -> None:
        for facts in self._late:
            folder.make(facts)
        folder.finish()

    async def _facts(self, folder: Folder, packet: Any) -> None:
        if not packet.HasField("stat"):
            self._listed = True
            return
        number, self._number = self._number, self._number + 1
        facts = packet.stat
        is_link = facts.linkname and not facts.mode & (GO_SYMLINK | GO_DIRECTORY)
        if is_link:
            self._late.append(facts)
        elif await asyncio.to_thread(folder.make, facts):
            self._wanted[number] = facts
            await self._send(REQUEST, number)

    async def _data(self, folder: Folder, packet: Any) -> None:
        number = packet.ID
        if number in self._wanted:
            incoming = await asyncio.to_thread(Incoming, folder, self._wanted.pop(number))
            self._open[number] = incoming, bytearray()
        if number not in self._open:
            raise InputError(f"the engine sent a file that nobody asked for: number {number}")
        incoming, waiting = self._open[number]
        waiting += packet.data
        if len(waiting) >= _BATCH or not packet.data:
            await asyncio.to_thread(incoming.write, bytes(waiting))
            waiting.clear()
        if not packet.data:
            del self._open[number]
            await asyncio.to_thread(incoming.commit)

    async def _receive(self) -> Any:
        message = await self._stream.recv_message()
        return None if message is None else messages().Packet.FromString(message.data)

    async def _send(self, kind: int, number: int = 0) -> None:
        from workbench.engines.buildkit.filesend import Raw

        await self._stream.send_message(Raw(messages().Packet(type=kind, ID=number).SerializeToString()))
