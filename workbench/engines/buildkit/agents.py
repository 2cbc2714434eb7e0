"""The ssh agents of a build (`engines.ssh_agents`), behind the session that BuildKit speaks to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError

from workbench.engines.buildkit.filesync import plain_ascii
from workbench.engines.buildkit.messages import messages
from workbench.errors import WorkbenchError

_SSH = "/moby.sshforward.v1.SSH/"
_DEFAULT = "default"
_PIECE = 32 * 1024


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
