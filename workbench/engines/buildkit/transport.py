"""HTTP/2 with gRPC over a connection to BuildKit, in both directions.

A Docker Engine hands its connection over (`POST /grpc`, `POST /session` with an upgrade): after the answer 101 the
socket speaks bare HTTP/2, without stream 1 of RFC 7540's upgrade. A buildkitd speaks HTTP/2 from the first byte.
grpclib connects by itself only, and sends each message by itself; some of its private parts are used to give it our
connection and many messages at once, and a contract test holds them in place.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from grpclib.client import Channel
from grpclib.config import Configuration
from grpclib.const import Handler
from grpclib.exceptions import StreamTerminatedError
from grpclib.protocol import H2Protocol
from grpclib.server import Server
from grpclib.server import Stream as ServerStream
from h2.config import H2Configuration

from workbench.engines.address import Address
from workbench.engines.buildkit.offered import NotOffered
from workbench.engines.dial import Dialer, tls_context, unavailable, went_away
from workbench.engines.threads import in_thread
from workbench.errors import EngineLost, EngineUnavailable

WINDOW = 4 << 20
"""Bytes under way in each direction: the protocol's own 64 kB make a context wait for acknowledgements."""
_CONFIG = Configuration(http2_connection_window_size=WINDOW, http2_stream_window_size=WINDOW)
_HEAD_BOUND = 64 * 1024
DIAL_TIMEOUT = 5.0
_SERVER = re.compile(rb"\r\nserver: *docker/(\S+)", re.IGNORECASE)

logging.getLogger("grpclib").addHandler(logging.NullHandler())  # it would write tracebacks on the screen

_PREFIX = struct.Struct(">?I")
"""What gRPC has before each message: whether it is compressed, and its length."""

LOSSES = (StreamTerminatedError, ConnectionError, EOFError)
"""What grpclib raises in a call whose connection breaks."""

Connected = tuple[asyncio.BaseTransport, H2Protocol]
Factory = Callable[[], H2Protocol]


class Connector:
    """Dials one BuildKit, any number of times; `close` ends the ssh processes there may be."""

    def __init__(self, address: Address, *, timeout: float = DIAL_TIMEOUT) -> None:
        self.address = address
        self.timeout = timeout
        self.dialer = Dialer(address)

    def close(self) -> None:
        self.dialer.close()

    async def open(self, factory: Factory) -> Connected:
        """A connection that speaks HTTP/2 from the first byte. Raises EngineUnavailable."""
        return cast(Connected, await self._connect(factory))

    async def upgrade(self, target: str, headers: Sequence[tuple[str, str]], factory: Factory) -> Connected:
        """A connection that speaks HTTP/2 after the engine agreed to. Raises EngineUnavailable; NotOffered where the
        engine has no such thing."""
        lines = [f"POST {target} HTTP/1.1", "Host: docker", "Connection: Upgrade", "Upgrade: h2c"]
        lines += [f"{name}: {value}" for name, value in headers]
        request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        transport, protocol = await self._connect(lambda: _Upgrade(request, factory))
        upgrade = cast(_Upgrade, protocol)
        try:
            async with asyncio.timeout(self.timeout):
                return transport, await upgrade.done
        except NotOffered as error:
            transport.close()
            raise NotOffered(
                f"the engine at {self.address.host} has no BuildKit: {target} answers {error.message}",
                hint="Use --engine docker: the classic builder of the same engine.",
            ) from error
        except TimeoutError as error:
            transport.close()
            raise unavailable(self.address, error) from error
        except (OSError, EOFError) as error:
            transport.close()
            why = await in_thread(self.dialer.reason) or str(error) or type(error).__name__
            raise EngineUnavailable(
                f"the {self.address.kind} at {self.address.host} does not let BuildKit speak: {why}",
                hint="Check that ssh logs in without asking, and that the engine runs there (ssh HOST docker info)."
                if self.address.scheme == "ssh"
                else "See whether it runs (docker info), or use --engine docker.",
            ) from error
        except BaseException:
            transport.close()
            raise

    async def _connect(self, factory: Callable[[], asyncio.Protocol]) -> tuple[asyncio.BaseTransport, asyncio.Protocol]:
        sock = await in_thread(self.dialer.dial_bare, self.timeout)
        loop = asyncio.get_running_loop()
        try:
            sock.setblocking(False)
            if sock.family == socket.AF_UNIX:
                return await loop.create_unix_connection(factory, sock=sock)
            if self.address.tls is None:
                return await loop.create_connection(factory, sock=sock)
            context = await in_thread(tls_context, self.address)
            if self.address.standalone:
                context.set_alpn_protocols(["h2"])
            return await loop.create_connection(
                factory, sock=sock, ssl=context, server_hostname=self.dialer.server_name,
                ssl_handshake_timeout=self.timeout,
            )  # fmt: skip
        except OSError as error:
            sock.close()
            raise unavailable(self.address, error) from error
        except BaseException:
            sock.close()
            raise

    async def engine_version(self) -> str:
        """The Docker Engine's version, from its answer to `/_ping`; empty where it does not tell."""
        return await in_thread(self._engine_version)

    def _engine_version(self) -> str:
        with self.dialer.dial(self.timeout) as sock:
            sock.settimeout(self.timeout)
            sock.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
            head = b""
            while b"\r\n\r\n" not in head and len(head) < _HEAD_BOUND and (piece := sock.recv(4096)):
                head += piece
        found = _SERVER.search(head.partition(b"\r\n\r\n")[0])
        return found[1].decode("latin-1") if found else ""

    def lost(self, error: BaseException) -> EngineLost:
        """What to tell a person about a connection that broke."""
        return went_away(self.address, self.dialer.reason())


class _Upgrade(asyncio.Protocol):
    """Asks for the upgrade and hands the connection over: `done` is the protocol that has it from then on."""

    def __init__(self, request: bytes, factory: Factory) -> None:
        self._request = request
        self._factory = factory
        self._head = b""
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[H2Protocol] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._head += data
        head, found, rest = self._head.partition(b"\r\n\r\n")  # the other side's first frames may follow at once
        if self.done.done() or not (found or len(head) > _HEAD_BOUND):
            return
        status = head.partition(b"\r\n")[0].decode("latin-1")
        if " 101 " not in f"{status} ":
            self.done.set_exception(NotOffered(status[9:] or "nothing"))
            return
        assert self._transport is not None
        protocol = self._factory()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if rest:
            protocol.data_received(rest)
        self.done.set_result(protocol)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or EOFError("it closed the connection"))


class ControlChannel(Channel):
    """A grpclib channel to the Control service."""

    def __init__(self, connector: Connector) -> None:
        super().__init__("docker", 80, config=_CONFIG)
        self._connector = connector

    async def _create_connection(self) -> H2Protocol:
        if self._connector.address.standalone:
            return (await self._connector.open(self._protocol_factory))[1]
        return (await self._connector.upgrade("/grpc", (), self._protocol_factory))[1]


class Served:
    """A connection on which the other side is the client of our services."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        server = Server([_Servable(handlers)], config=_CONFIG)  # never started: it listens nowhere
        server._h2_config = H2Configuration(
            client_side=False,
            header_encoding="utf-8",  # Docker 20.10 sends the names of files as they are, where ASCII should be
            validate_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_inbound_headers=False,
            normalize_outbound_headers=False,
        )
        self._server = server  # grpclib keeps its servers weakly
        self._transport: asyncio.BaseTransport | None = None

    async def upgrade(self, connector: Connector, target: str, headers: Sequence[tuple[str, str]]) -> None:
        """Dials a Docker Engine's `target`, and answers gRPC calls there until closed."""
        self._transport, _ = await connector.upgrade(target, headers, self._server._protocol_factory)

    def take(self, transport: asyncio.BaseTransport) -> H2Protocol:
        """Answers calls on a connection that is made otherwise; the protocol to feed with what it brings."""
        self._transport = transport
        protocol = self._server._protocol_factory()
        protocol.connection_made(transport)
        return protocol

    def close(self) -> None:
        """Ends the connection, and with it the calls that are under way."""
        if self._transport is not None:
            with contextlib.suppress(RuntimeError):  # its loop has ended
                self._transport.close()


async def send_together(stream: Any, together: Sequence[Any]) -> None:
    """Messages of a call that we answer, one after another in as few frames as they fit: a system call each is what
    a list of 100,000 files would cost otherwise."""
    if not isinstance(stream, ServerStream):
        for message in together:
            await stream.send_message(message)
        return
    if not stream._send_initial_metadata_done:
        await stream.send_initial_metadata()
    encoded = [message.SerializeToString() for message in together]
    await stream._stream.send_data(b"".join(b"".join((_PREFIX.pack(False, len(it)), it)) for it in encoded))


class _Servable:
    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers

    def __mapping__(self) -> Mapping[str, Handler]:
        return self._handlers
