"""Messages on the wire, the upgrade of a connection, and the private parts of grpclib that are used."""

from __future__ import annotations

import asyncio
import inspect
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import grpclib.stream
import pytest
from google.protobuf import descriptor_pb2
from grpclib.client import Channel
from grpclib.protocol import H2Protocol
from grpclib.server import Server, Stream
from h2.config import H2Configuration

from workbench.engines.address import Address
from workbench.engines.buildkit import messages as makes_messages
from workbench.engines.buildkit.control import Control
from workbench.engines.buildkit.messages import STAT, messages
from workbench.engines.buildkit.transport import Connector, ControlChannel, _Upgrade
from workbench.errors import EngineUnavailable


def test_messages_on_the_wire() -> None:
    """Bytes worked out by hand from BuildKit's .proto files."""
    pb = messages()
    request = pb.SolveRequest(Ref="r", Frontend="f", FrontendAttrs={"k": "v"})
    assert request.SerializeToString() == b"\x0a\x01r\x32\x01f\x3a\x06\x0a\x01k\x12\x01v"
    packet = pb.Packet(type=STAT, stat=pb.Stat(path=b"a", mode=0o644, size=3))
    assert packet.SerializeToString() == b"\x12\x08\x0a\x01a\x10\xa4\x03\x28\x03"
    log = pb.StatusResponse.FromString(b"\x1a\x08\x0a\x01d\x18\x02\x22\x01x")
    assert (log.logs[0].vertex, log.logs[0].stream, log.logs[0].msg) == ("d", 2, b"x")


def test_messages_are_of_the_same_classes_whichever_thread_asks_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(makes_messages, "_made", cache(makes_messages._made.__wrapped__))
    at_once = threading.Barrier(8)

    def ask(_: int) -> object:
        at_once.wait()
        return messages()

    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(ask, range(8)))
    assert all(it is made[0] for it in made)


def test_without_the_library_in_c_the_messages_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    in_c = makes_messages._made.__wrapped__()
    monkeypatch.setitem(sys.modules, "google._upb._message", None)
    other = makes_messages._made.__wrapped__()
    assert type(in_c.Stat().DESCRIPTOR.file.pool) is type(other.Stat().DESCRIPTOR.file.pool)
    assert vars(in_c).keys() == vars(other).keys()
    for name, made in vars(in_c).items():
        one, two = descriptor_pb2.DescriptorProto(), descriptor_pb2.DescriptorProto()
        made.DESCRIPTOR.CopyToProto(one)
        vars(other)[name].DESCRIPTOR.CopyToProto(two)
        assert one == two and len(one.field) == len(made.DESCRIPTOR.fields), name


def test_unknown_fields_are_passed_over() -> None:
    vertex = messages().Vertex.FromString(b"\x1a\x01n\x42\x03\x0a\x01g")
    assert vertex.name == "n" and not vertex.HasField("started")


def test_a_name_that_is_not_utf8_travels() -> None:
    stat = messages().Stat(path=b"caf\xe9")
    assert messages().Stat.FromString(stat.SerializeToString()).path == b"caf\xe9"


async def test_what_is_private_in_grpclib_is_as_we_use_it() -> None:
    """`_create_connection` makes the connection, `_protocol_factory` what speaks on it, `_h2_config` how it reads;
    `_stream` takes encoded messages once the call's metadata are sent."""
    channel = Channel("docker", 80)
    assert inspect.iscoroutinefunction(channel._create_connection)
    assert "await self._create_connection()" in inspect.getsource(Channel.__connect__)
    assert isinstance(channel._protocol_factory(), H2Protocol)
    channel.close()
    source = inspect.getsource(Stream.send_message)
    assert "if not self._send_initial_metadata_done" in source and "send_message(self._stream, " in source
    assert "await stream.send_data(reply_data" in inspect.getsource(grpclib.stream.send_message)
    server = Server([])
    assert isinstance(server._h2_config, H2Configuration)
    server._h2_config = H2Configuration(client_side=False, header_encoding="utf-8")
    protocol = server._protocol_factory()
    assert isinstance(protocol, H2Protocol)
    assert protocol.h2_config.header_encoding == "utf-8"


async def test_our_channel_dials_through_the_upgrade(tmp_path: Path) -> None:
    connector = Connector(Address(f"unix://{tmp_path}/none", "--host"))
    channel = ControlChannel(connector)
    with pytest.raises(EngineUnavailable, match="none"):
        await channel.__connect__()
    channel.close()


async def test_what_follows_the_head_at_once_is_not_lost() -> None:
    """The other side's first frames may be in the same packet as its answer."""
    got: list[bytes] = []

    class Frames(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            got.append(data)

    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    transport, upgrade = await loop.create_unix_connection(lambda: _Upgrade(b"POST /\r\n\r\n", Frames), sock=ours)
    with theirs:
        theirs.sendall(b"HTTP/1.1 101 UPGR")
        await asyncio.sleep(0)
        assert not upgrade.done.done()
        theirs.sendall(b"ADED\r\nUpgrade: h2c\r\n\r\nPRI")
        assert isinstance(await upgrade.done, Frames)
        assert theirs.recv(100) == b"POST /\r\n\r\n"
    transport.close()
    assert got == [b"PRI"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "has no BuildKit: /grpc answers 404 Not Found"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>", "has no BuildKit: /grpc answers 200 OK"),
        (b"", "does not let BuildKit speak: it closed the connection"),
    ],
)
async def test_an_engine_without_buildkit(tmp_path: Path, answer: bytes, said: str) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while b"\r\n\r\n" not in connection.recv(4096):
                    pass
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        control = Control(Connector(Address(f"unix://{path}", "--host")))
        with pytest.raises(EngineUnavailable) as caught:
            await control.version()
        control.close()
        await asyncio.to_thread(thread.join)
    assert said in str(caught.value)
    assert "--engine docker" in caught.value.hint


async def test_which_buildkit_it_is(docker_host: str) -> None:
    connector = Connector(Address(docker_host, "--host"))
    control = Control(connector)
    version = await control.version()
    control.close()
    assert version == "" or version.startswith(("v", "0"))
