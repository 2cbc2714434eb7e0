"""HTTP/2 within a gRPC stream: how a session reaches a buildkitd, whose Control service has a call for it.

The other direction of `POST /session`: bytes of one connection are the messages of another's stream (moby/buildkit,
session/grpchijack).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from workbench.engines.buildkit.messages import messages
from workbench.engines.buildkit.transport import LOSSES, Served

_HIGH = 4 << 20
"""Bytes that wait to be sent before whoever writes is asked to pause."""
_PIECE = 1 << 20


async def tunnel(served: Served, call: Callable[[Sequence[tuple[str, str]]], Any], headers: Any) -> None:
    """Serves on a stream of its own until `served` is closed. Raises what opening the stream raises."""
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    transport = _Tunnel()
    task = asyncio.create_task(_run(served, transport, call(headers), ready))
    transport.task = task
    await ready


async def _run(served: Served, transport: _Tunnel, opened: Any, ready: asyncio.Future[None]) -> None:
    try:
        async with opened as stream:
            await stream.send_request()
            protocol = served.take(transport)
            transport.protocol = protocol
            ready.set_result(None)
            sending = asyncio.create_task(transport.send(stream))
            try:
                async for message in stream:
                    protocol.data_received(message.data)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
                protocol.connection_lost(None)
    except LOSSES:
        transport.close()  # whoever reads the build's status learns of it
    except BaseException as error:
        if not ready.done():
            ready.set_exception(error)
            return
        raise


class _Tunnel(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.task: asyncio.Task[None] | None = None
        self.protocol: Any = None
        self._waiting = bytearray()
        self._filled = asyncio.Event()
        self._paused = False
        self._closing = False

    def write(self, data: Any) -> None:
        self._waiting += data
        self._filled.set()
        if len(self._waiting) > _HIGH and not self._paused and self.protocol is not None:
            self._paused = True
            self.protocol.pause_writing()

    async def send(self, stream: Any) -> None:
        """Takes what is written to the stream, until it is cancelled."""
        with contextlib.suppress(*LOSSES):
            while True:
                await self._filled.wait()
                piece = bytes(self._waiting[:_PIECE])
                del self._waiting[:_PIECE]
                if not self._waiting:
                    self._filled.clear()
                await stream.send_message(messages().BytesMessage(data=piece))
                if self._paused and len(self._waiting) < _HIGH // 2:
                    self._paused = False
                    self.protocol.resume_writing()

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True
        if self.task is not None:
            self.task.cancel()
