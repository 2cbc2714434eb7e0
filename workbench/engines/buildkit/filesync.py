"""FileSync: the engine is told the facts of every file, and asks for the content of those that it does not have.

The protocol is fsutil's: one STAT per file and an empty one at the end, REQ with the number of a STAT, DATA in pieces
with an empty one at the end, FIN from both. The engine keeps a copy per shared key, so that a second build of the
same context asks only for what changed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, BinaryIO
from urllib.parse import unquote_plus

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError

from workbench.context.scan import Cancelled
from workbench.dataclass import dataclass
from workbench.engines.buildkit.files import NO_DATA, File, Tree, Wanted
from workbench.engines.buildkit.messages import DATA, FAILED, FINISHED, REQUEST, STAT, messages
from workbench.engines.buildkit.transport import LOSSES, send_together
from workbench.errors import InputError, WorkbenchError

_PIECE = 128 * 1024
_BATCH = 512
"""Files whose facts are gathered in a thread at a time."""
_SMALL = 64 * 1024
"""Bytes of a file that goes together with others."""
_MANY = 64
"""Files that are read together, so that they are a few megabytes at most."""
_WINDOW = 16
"""Pieces of files that are read ahead of the network, per request."""


@dataclass(slots=True)
class Sent:
    """What one transfer sent, of the tree of that name."""

    tree: str
    wanted: Wanted
    files: int = 0
    """Files whose content went over."""
    bytes: int = 0
    """Bytes of their content."""
    listed: int = 0
    total_bytes: int = 0
    """Bytes of all files that were listed."""


class FileSync:
    """The service: trees by the names that the engine asks for. `on_sent` is told each finished transfer."""

    def __init__(self, trees: Mapping[str, Tree], on_sent: Callable[[Sent], None]) -> None:
        self.problem: WorkbenchError | None = None
        self._trees = trees
        self._on_sent = on_sent

    def handlers(self) -> dict[str, Handler]:
        packet = messages().Packet
        both = Cardinality.STREAM_STREAM
        return {"/moby.filesync.v1.FileSync/DiffCopy": Handler(self._copy, both, packet, packet)}

    async def _copy(self, stream: Any) -> None:
        name, wanted = read_wanted(stream.metadata)
        tree = self._trees.get(name)
        if tree is None:
            raise GRPCError(Status.NOT_FOUND, f"no access allowed to dir {name!r}")
        try:
            self._on_sent(await Transfer(stream, name, tree, wanted).run())
        except WorkbenchError as error:
            self.problem = error
            raise GRPCError(Status.ABORTED, plain_ascii(str(error))) from error
        except LOSSES as error:  # the engine wants no more of it; whoever reads the status learns why
            raise GRPCError(Status.UNAVAILABLE, "the connection broke") from error


def read_wanted(metadata: Any) -> tuple[str, Wanted]:
    """The tree's name and what is wanted of it, from the call's metadata (BuildKit, session/filesync)."""

    def values(key: str) -> tuple[str, ...]:
        found = [str(value) for value in metadata.getall(key, [])]
        encoded = metadata.get(f"{key}-encoded") == "1"
        return tuple(unquote_plus(value) if encoded else value for value in found)

    name = next(iter(values("dir-name")), "context")
    return name, Wanted((*values("followpaths"), *values("include-patterns")), values("exclude-patterns"))


def plain_ascii(text: str) -> str:
    """gRPC carries a message percent-encoded, but 20.10 shows it as it comes."""
    return text.encode("ascii", "replace").decode()


class Transfer:
    """One call of FileSync/DiffCopy."""

    def __init__(self, stream: Any, name: str, tree: Tree, wanted: Wanted) -> None:
        self._stream = stream
        self._tree = tree
        self._wanted = wanted
        self._turn = asyncio.Lock()
        self._data: dict[int, bytes] = {}
        self._requests: asyncio.Queue[int] = asyncio.Queue()
        self._left = False
        self.sent = Sent(name, wanted)

    async def run(self) -> Sent:
        """Raises InputError where the tree cannot be read, or the engine refuses it."""
        tasks = [asyncio.create_task(self._list()), asyncio.create_task(self._answer())]
        receiving = asyncio.create_task(self._receive())
        try:
            while not receiving.done():
                done, _ = await asyncio.wait([receiving, *tasks], return_when=asyncio.FIRST_COMPLETED)
                for task in done & set(tasks):
                    task.result()
                    tasks.remove(task)
            receiving.result()
        except (InputError, OSError) as error:
            await self._send(messages().Packet(type=FAILED, data=str(error).encode("utf-8", "surrogateescape")))
            raise
        finally:
            self._left = True
            for task in [receiving, *tasks]:
                task.cancel()
            await asyncio.gather(receiving, *tasks, return_exceptions=True)
        return self.sent

    async def _receive(self) -> None:
        while (packet := await self._stream.recv_message()) is not None:
            if packet.type == REQUEST:
                self._requests.put_nowait(packet.ID)
            elif packet.type == FINISHED:
                await self._send(messages().Packet(type=FINISHED))
                return
            elif packet.type == FAILED:
                raise InputError(f"the engine refused the context: {packet.data.decode('utf-8', 'replace')}")

    async def _list(self) -> None:
        files = await asyncio.to_thread(self._tree.files, self._wanted, lambda: self._left)
        while packets := await asyncio.to_thread(self._facts, files):
            await self._send(*packets)
        await self._send(messages().Packet(type=STAT))

    def _facts(self, files: Iterator[File]) -> list[Any]:
        """A Packet for each of the next files."""
        new = messages().Packet
        packets: list[Any] = []
        try:
            for path, mode, size, mtime_ns, link in islice(files, _BATCH):
                if not mode & NO_DATA:
                    self._data[self.sent.listed] = path
                    self.sent.total_bytes += size
                self.sent.listed += 1
                packet = new(type=STAT)
                facts = packet.stat  # set one by one: named arguments of a message take twice the time
                facts.path, facts.mode, facts.size, facts.modTime, facts.linkname = path, mode, size, mtime_ns, link
                packets.append(packet)
        except Cancelled:
            return []
        return packets

    async def _answer(self) -> None:
        while True:
            numbers = deque([await self._requests.get()])
            while len(numbers) < _MANY and not self._requests.empty():
                numbers.append(self._requests.get_nowait())
            while numbers:
                await self._send(*await asyncio.to_thread(self._small_ones, numbers))
                if numbers:
                    await self._send_large(numbers.popleft())

    def _small_ones(self, numbers: deque[int]) -> list[Any]:
        """The packets of what was asked for up to the first large file, which stays in `numbers`: a hop between threads
        for each of 100,000 small files would cost more than all else."""
        packets: list[Any] = []
        packet = messages().Packet
        while numbers:
            file = self._open(numbers[0])
            if file is not None:
                with file:
                    data = file.read(_SMALL + 1)
                if len(data) > _SMALL:
                    break
                self.sent.files += 1
                self.sent.bytes += len(data)
                packets += [packet(type=DATA, ID=numbers[0], data=data)] if data else []
            packets.append(packet(type=DATA, ID=numbers.popleft()))
        return packets

    def _open(self, number: int) -> BinaryIO | None:
        """None for a file that vanished since it was listed: it is sent empty, as fsutil does."""
        path = self._data.get(number)
        if path is None:
            raise InputError(f"the engine asked for a file that was not listed: number {number}")
        try:
            return self._tree.open(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            shown = path.decode("utf-8", "surrogateescape")
            raise InputError(f"{shown}: {error.strerror}", hint="Make it readable, or leave it out.") from error

    async def _send_large(self, number: int) -> None:
        packet = messages().Packet
        file = await asyncio.to_thread(self._open, number)
        if file is None:
            await self._send(packet(type=DATA, ID=number))
            return
        with file:
            self.sent.files += 1
            pieces = await asyncio.to_thread(_read, file)
            while pieces:
                last = len(pieces) < _WINDOW
                self.sent.bytes += sum(map(len, pieces))
                packets = [packet(type=DATA, ID=number, data=piece) for piece in pieces]
                await self._send(*packets, *([packet(type=DATA, ID=number)] if last else ()))
                if last:
                    return
                pieces = await asyncio.to_thread(_read, file)
        await self._send(packet(type=DATA, ID=number))

    async def _send(self, *packets: Any) -> None:
        async with self._turn:
            await send_together(self._stream, packets)


def _read(file: Any) -> list[bytes]:
    """The next pieces, fewer than _WINDOW at the end."""
    pieces: list[bytes] = []
    while len(pieces) < _WINDOW and (piece := file.read(_PIECE)):
        pieces.append(piece)
    return pieces
