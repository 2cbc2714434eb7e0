"""Protobuf classes of the schema, made when they are first needed.

Nothing is generated beforehand: code from protoc asks for a protobuf at least as new as protoc, is not for reading,
and needs protoc to be changed. protobuf makes the same classes from descriptors, and these are made from a text.
"""

from __future__ import annotations

import re
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
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="workbench/buildkit.proto", package=_PACKAGE, syntax="proto3")
    for name, body in _MESSAGE.findall(CONTROL + SESSION + CONTENT):
        message = file.message_type.add(name=name)
        for repeated, kind, field, number in _FIELD.findall(body):
            _add_field(message, field, int(number), kind, repeated=bool(repeated))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made = {
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{message.name}"))
        for message in file.message_type
    }
    return SimpleNamespace(**made)


def _add_field(message: Any, name: str, number: int, kind: str, *, repeated: bool) -> None:
    from google.protobuf import descriptor_pb2

    proto = descriptor_pb2.FieldDescriptorProto
    field = message.field.add(name=name, number=number)
    field.label = proto.LABEL_REPEATED if repeated or kind.startswith("map<") else proto.LABEL_OPTIONAL
    if kind.startswith("map<"):  # a map is a repeated message of its own, as protoc writes it
        entry = message.nested_type.add(name=f"{name[0].upper()}{name[1:]}Entry")
        entry.options.map_entry = True
        _add_field(entry, "key", 1, "string", repeated=False)
        _add_field(entry, "value", 2, kind[len("map<string,") : -1], repeated=False)
        field.type, field.type_name = proto.TYPE_MESSAGE, f".{_PACKAGE}.{message.name}.{entry.name}"
    elif f"TYPE_{kind.upper()}" in proto.Type.keys():  # noqa: SIM118 - an enum of protobuf is no mapping
        field.type = proto.Type.Value(f"TYPE_{kind.upper()}")
    else:
        field.type, field.type_name = proto.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
