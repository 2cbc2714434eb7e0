"""The context on its way to the engine: scanned, packed into a tar, handed over as a stream of blocks."""

from __future__ import annotations

import contextlib
import gzip
import queue
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from workbench.build.request import BuildRequest
from workbench.context.archive import ArchiveStats, write_context
from workbench.context.ignore import IgnoreRules, load_rules
from workbench.context.scan import Scan, scan
from workbench.engines.docker.hints import refuse_pipes
from workbench.engines.source import Source
from workbench.engines.worker import Cancelled

_BLOCK = 256 * 1024
_WAITING = 8
"""Blocks between the thread that reads files and the one that sends."""


class Upload:
    """The context's tar, made on a thread of its own and handed over block by block: iterate it once.

    What keeps the tar from being made (InputError) is raised by `begin`, or by the iteration.
    """

    def __init__(self, request: BuildRequest, source: Source, asked: Callable[[], bool]) -> None:
        self._request = request
        self._source = source
        self._asked = asked
        self._blocks: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._left = threading.Event()
        self._error: BaseException | None = None
        self._first: bytes | None = None
        self._thread = threading.Thread(target=self._run, name="docker context", daemon=True)
        self.stats: ArchiveStats | None = None
        """Set when the last block has been taken."""
        self.scan: Scan | None = None
        """Set once the context has been read."""
        self.bytes = 0
        """Handed over so far, compressed where the request compresses."""

    def begin(self) -> None:
        """Scans and opens the first files. Raises InputError for what cannot be read."""
        self._thread.start()
        self._first = self._next()

    def __iter__(self) -> Iterator[bytes]:
        block = self._first
        while block is not None:
            self.bytes += len(block)
            yield block
            block = self._next()

    def leave(self) -> None:
        """Nobody takes blocks any more: ends the thread."""
        self._left.set()
        if self._thread.ident is None:
            return
        with contextlib.suppress(queue.Empty):
            while True:
                self._blocks.get_nowait()
        self._thread.join()

    def _next(self) -> bytes | None:
        block = self._blocks.get()
        if block is None and self._error is not None:
            raise self._error
        return block

    def _stop(self) -> bool:
        return self._left.is_set() or self._asked()

    def _put(self, block: bytes | None) -> None:
        while True:
            try:
                return self._blocks.put(block, timeout=0.2)
            except queue.Full:
                if self._stop():
                    raise Cancelled from None

    def _run(self) -> None:
        try:
            out = _Blocks(self._put)
            if self._request.compress:
                with gzip.GzipFile(fileobj=cast(Any, out), mode="wb", compresslevel=6, mtime=0, filename="") as packed:
                    self.stats = self._write(cast(BinaryIO, packed))
            else:
                self.stats = self._write(cast(BinaryIO, out))
            out.flush()
        except BaseException as error:  # raised again by whoever takes the blocks
            self._error = error
        with contextlib.suppress(Cancelled):
            self._put(None)

    def _write(self, out: BinaryIO) -> ArchiveStats:
        with contextlib.ExitStack() as stack:
            context = self._request.context
            if context is None:  # the Dockerfile comes alone
                context = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="workbench-")))
                rules = IgnoreRules()
            else:
                rules = load_rules(context, self._request.dockerfile).as_classic()
            found = scan(context, rules, cancel=self._stop, list_ignored=False)
            refuse_pipes(self._source.dockerfile, found, self._source.shown)
            self.scan = found
            extra = (self._source.name, self._source.text) if self._source.replaces else None
            return write_context(found, out, cancel=self._stop, dockerfile=extra)


class _Blocks:
    """Gathers small writes into blocks."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put
        self._waiting: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> int:
        self._waiting.append(bytes(data))
        self._size += len(data)
        if self._size >= _BLOCK:
            self.flush()
        return len(data)

    def flush(self) -> None:
        if self._size:
            self._put(b"".join(self._waiting))
        self._waiting.clear()
        self._size = 0
