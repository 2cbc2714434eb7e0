"""Protobuf classes of the schema, made when they are first needed.

Nothing is generated beforehand: code from protoc asks for a protobuf at least as new as protoc, is not for reading,
and needs protoc to be changed. protobuf makes the same classes from descriptors, and these are made from a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from threading import Lock
from types import SimpleNamespace
from typing import Any

from workbench.engines.buildkit.schema import CONTENT, CONTROL, SESSION

_MESSAGE = re.compile(r"message (\w+) \{([^}]*)\}")
_FIELD = re.compile(r"(repeated )?(map<string,\w+>|\w+) (\w+) = (\d+);")
_PACKAGE = "workbench.buildkit"

STAT, REQUEST, DATA, FINISHED, FAILED = range(5)
"""`Packet.type` (fsutil: PACKET_STAT, PACKET_REQ, PACKET_DATA, PACKET_FIN, PACKET_ERR)."""


_making = Lock()


def messages() -> Any:
    """A namespace with one class per message of the schema: `messages().SolveRequest(Ref="x")`. Whichever thread asks
    first, all get the same classes: a message of others is none."""
    with _making:
        return _made()


@cache
def _made() -> SimpleNamespace:
    bodies = _MESSAGE.findall(CONTROL + SESSION + CONTENT)
    pool, make = _library()
    pool.AddSerializedFile(
        _bytes(1, "workbench/buildkit.proto")
        + _bytes(2, _PACKAGE)
        + _bytes(12, "proto3")
        + b"".join(_bytes(4, _message(name, body)) for name, body in bodies)
    )
    return SimpleNamespace(**{name: make(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name, _ in bodies})


def _library() -> tuple[Any, Callable[[Any], Any]]:
    """An empty DescriptorPool, and what makes a class of a descriptor: as `message_factory.GetMessageClass` does it.

    Of protobuf's two libraries the one in C needs nothing of the one in Python, but protobuf's own modules import both,
    which takes as long as to connect to an engine and to hear its first answer."""
    try:
        from google._upb._message import DescriptorPool, MessageMeta
        from google.protobuf.message import Message
    except ImportError:
        from google.protobuf import descriptor_pool, message_factory

        return descriptor_pool.DescriptorPool(), message_factory.GetMessageClass
    return DescriptorPool(), lambda of: MessageMeta(of.name, (Message,), {"DESCRIPTOR": of, "__module__": None})


# The wire format of google/protobuf/descriptor.proto; the numbers are those of its fields.

_TYPES = {"int64": 3, "int32": 5, "bool": 8, "string": 9, "bytes": 12, "uint32": 13}
_TYPE_MESSAGE, _OPTIONAL, _REPEATED = 11, 1, 3


def _message(name: str, body: str) -> bytes:
    """A DescriptorProto."""
    found = [_bytes(1, name)]
    for repeated, kind, field, number in _FIELD.findall(body):
        if kind.startswith("map<"):  # a map is a repeated message of its own, as protoc writes it
            entry = f"{field[0].upper()}{field[1:]}Entry"
            pair = _field("key", 1, "string") + _field("value", 2, kind[len("map<string,") : -1])
            found.append(_bytes(3, _bytes(1, entry) + pair + _bytes(7, _number(7, 1))))
            found.append(_field(field, int(number), f"{name}.{entry}", _REPEATED))
        else:
            found.append(_field(field, int(number), kind, _REPEATED if repeated else _OPTIONAL))
    return b"".join(found)


def _field(name: str, number: int, kind: str, label: int = _OPTIONAL) -> bytes:
    """A FieldDescriptorProto within its message."""
    of_type = (
        _number(5, _TYPES[kind]) if kind in _TYPES else _number(5, _TYPE_MESSAGE) + _bytes(6, f".{_PACKAGE}.{kind}")
    )
    return _bytes(2, _bytes(1, name) + _number(3, number) + _number(4, label) + of_type)


def _bytes(field: int, value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes((*found, number))
