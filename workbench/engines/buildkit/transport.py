"""HTTP/2 with gRPC over a connection that a Docker Engine hands over: `POST /grpc` and `POST /session` with an upgrade.

After the answer 101 the socket speaks bare HTTP/2 (no stream 1 of RFC 7540's upgrade). grpclib connects by itself
only; three of its private parts are used to give it our socket, and a contract test holds them in place.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence

from grpclib.client import Channel
from grpclib.config import Configuration
from grpclib.const import Handler
from grpclib.exceptions import StreamTerminatedError
from grpclib.protocol import H2Protocol
from grpclib.server import Server
from h2.config import H2Configuration

from workbench.engines.address import Address
from workbench.engines.dial import Dialer
from workbench.engines.threads import in_thread
from workbench.errors import EngineLost, EngineUnavailable, Unsupported

WINDOW = 4 << 20
"""Bytes under way in each direction: the protocol's own 64 kB make a context wait for acknowledgements."""
_CONFIG = Configuration(http2_connection_window_size=WINDOW, http2_stream_window_size=WINDOW)
_HEAD_BOUND = 64 * 1024
_DIAL_TIMEOUT = 5.0
_SERVER = re.compile(rb"\r\nserver: *docker/(\S+)", re.IGNORECASE)

logging.getLogger("grpclib").addHandler(logging.NullHandler())  # it would write tracebacks on the screen

LOSSES = (StreamTerminatedError, ConnectionError, EOFError)
"""What grpclib raises in a call whose connection breaks."""


class Connector:
    """Dials one Docker Engine, any number of times; `close` ends the ssh processes there may be."""

    def __init__(self, address: Address, *, timeout: float = _DIAL_TIMEOUT) -> None:
        if address.tls is not None:
            raise Unsupported(
                "an address with TLS", engine="buildkit", engines=["docker"],
                hint="It speaks to unix://, ssh:// and tcp:// without TLS.",
            )  # fmt: skip
        self.address = address
        self._timeout = timeout
        self._dialer = Dialer(address)

    def close(self) -> None:
        self._dialer.close()

    async def upgrade(self, target: str, headers: Sequence[tuple[str, str]] = ()) -> socket.socket:
        """A socket that speaks HTTP/2. Raises EngineUnavailable, also where the engine has no such thing."""
        return await in_thread(self._upgrade, target, headers)

    def _upgrade(self, target: str, headers: Sequence[tuple[str, str]]) -> socket.socket:
        sock = self._dialer.dial(self._timeout)
        try:
            sock.settimeout(self._timeout)
            lines = [f"POST {target} HTTP/1.1", "Host: docker", "Connection: Upgrade", "Upgrade: h2c"]
            lines += [f"{name}: {value}" for name, value in headers]
            sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            status = _read_head(sock).partition(b"\r\n")[0].decode("latin-1")
        except (OSError, EOFError) as error:
            sock.close()
            why = self._dialer.reason() or str(error) or type(error).__name__
            raise EngineUnavailable(
                f"the Docker Engine at {self.address.host} does not let BuildKit speak: {why}",
                hint="See whether it runs (docker info), or use --engine docker.",
            ) from error
        if " 101 " not in f"{status} ":
            sock.close()
            raise EngineUnavailable(
                f"the engine at {self.address.host} has no BuildKit: {target} answers {status[9:] or 'nothing'}",
                hint="Use --engine docker: the classic builder of the same engine.",
            )
        sock.settimeout(None)
        sock.setblocking(False)
        return sock

    async def engine_version(self) -> str:
        """The Docker Engine's version, from its answer to `/_ping`; empty where it does not tell."""
        return await in_thread(self._engine_version)

    def _engine_version(self) -> str:
        with self._dialer.dial(self._timeout) as sock:
            sock.settimeout(self._timeout)
            sock.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
            found = _SERVER.search(_read_head(sock))
        return found[1].decode("latin-1") if found else ""

    def lost(self, error: BaseException) -> EngineLost:
        """What to tell a person about a connection that broke."""
        why = self._dialer.reason()
        return EngineLost(
            f"the Docker Engine at {self.address.host} went away" + (f": {why}" if why else ""),
            hint="See whether it still runs (docker info) and what its log says.",
        )


def _read_head(sock: socket.socket | ssl.SSLSocket) -> bytes:
    """The head of the answer and not a byte more: the other side's first frames may follow in the same packet."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte or len(head) > _HEAD_BOUND:
            raise EOFError("it closed the connection")
        head += byte
    return bytes(head)


class UpgradedChannel(Channel):
    """A grpclib channel to the engine's Control service."""

    def __init__(self, connector: Connector) -> None:
        super().__init__("docker", 80, config=_CONFIG)
        self._connector = connector

    async def _create_connection(self) -> H2Protocol:
        sock = await self._connector.upgrade("/grpc")
        _, protocol = await _hand_over(sock, self._protocol_factory)
        return protocol


class Served:
    """A connection that we dialled and on which the engine is the client."""

    def __init__(self, server: Server, transport: asyncio.BaseTransport) -> None:
        self._server = server  # grpclib keeps its servers weakly
        self._transport = transport

    def close(self) -> None:
        """Ends the connection, and with it the calls that are under way."""
        self._transport.close()


class _Servable:
    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers

    def __mapping__(self) -> Mapping[str, Handler]:
        return self._handlers


async def serve(
    connector: Connector, target: str, handlers: Mapping[str, Handler], headers: Sequence[tuple[str, str]]
) -> Served:
    """Dials `target`, and answers gRPC calls there until the result is closed."""
    sock = await connector.upgrade(target, headers)
    server = Server([_Servable(handlers)], config=_CONFIG)  # never started: it listens nowhere
    server._h2_config = H2Configuration(
        client_side=False,
        header_encoding="utf-8",  # Docker 20.10 sends the names of files as they are, where a header should be ASCII
        validate_inbound_headers=False,
        validate_outbound_headers=False,
        normalize_inbound_headers=False,
        normalize_outbound_headers=False,
    )
    transport, _ = await _hand_over(sock, server._protocol_factory)
    return Served(server, transport)


async def _hand_over(
    sock: socket.socket, factory: Callable[[], H2Protocol]
) -> tuple[asyncio.BaseTransport, H2Protocol]:
    loop = asyncio.get_running_loop()
    connect = loop.create_unix_connection if sock.family == socket.AF_UNIX else loop.create_connection
    try:
        return await connect(factory, sock=sock)
    except BaseException:
        sock.close()
        raise
