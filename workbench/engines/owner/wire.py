"""What goes over the owner's socket: one JSON object a line, values of our own types tagged by name.

Both ends are the same user on the same machine, and of the same version: the first message of each side says which.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.build.loop import LoopState
from workbench.build.request import BuildRequest
from workbench.config import Config
from workbench.errors import WorkbenchError

LINE_BOUND = 16 * 1024 * 1024
"""Bytes of the longest message: a request with the text of its Dockerfile and a large environment has room."""

_TAG = "!"
_VALUES: Mapping[str, type[Any]] = {cls.__name__: cls for cls in (LoopState, BuildRequest, Config)}


class ForeignError(Exception):
    """An error of the owner that no type of ours stands for. Its text is the whole of it."""


def encode(message: Mapping[str, Any]) -> bytes:
    """One line. Raises TypeError for a value that has no form here."""
    return json.dumps({name: pack(value) for name, value in message.items()}).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """What `encode` was given. Raises ValueError for what is no message."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("not a message")
    try:
        return {name: unpack(value) for name, value in message.items()}
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a message: {error}") from error


def pack(value: Any) -> Any:
    """The value in what JSON has."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return {_TAG: "Path", "of": str(value)}
    if isinstance(value, tuple | list):
        return [pack(item) for item in value]
    if isinstance(value, frozenset | set):
        return {_TAG: "frozenset", "of": [pack(item) for item in value]}
    if isinstance(value, Mapping):
        return {_TAG: "Mapping", "of": [[key, pack(item)] for key, item in value.items()]}
    if isinstance(value, BaseException):
        return _pack_error(value)
    if type(value).__name__ in _VALUES:
        fields = {spec.name: pack(getattr(value, spec.name)) for spec in dataclasses.fields(value)}
        return {_TAG: type(value).__name__, "of": fields}
    raise TypeError(f"{type(value).__name__} does not go over the wire")


def unpack(value: Any) -> Any:
    """The inverse of `pack`; a list comes back as a tuple."""
    if isinstance(value, list):
        return tuple(unpack(item) for item in value)
    if not isinstance(value, dict):
        return value
    name, of = value[_TAG], value["of"]
    match name:
        case "Path":
            return Path(of)
        case "frozenset":
            return frozenset(unpack(item) for item in of)
        case "Mapping":
            return {key: unpack(item) for key, item in of}
        case "error":
            return _unpack_error(value)
    return _VALUES[name](**{field: unpack(item) for field, item in of.items()})


def _pack_error(error: BaseException) -> dict[str, Any]:
    if isinstance(error, WorkbenchError):
        return {_TAG: "error", "of": type(error).__name__, "text": error.args, "facts": pack(vars(error))}
    return {_TAG: "error", "of": "", "text": [f"{type(error).__name__}: {error}"], "facts": pack({})}


def _unpack_error(value: dict[str, Any]) -> BaseException:
    text = tuple(value["text"])
    cls = _errors().get(value["of"])
    if cls is None:
        return ForeignError(*text)
    error = cls.__new__(cls, *text)  # its facts come as they are: no constructor composes the message again
    vars(error).update(unpack(value["facts"]))
    return error


def _errors() -> dict[str, type[WorkbenchError]]:
    found: dict[str, type[WorkbenchError]] = {}
    left = [WorkbenchError]
    while left:
        cls = left.pop()
        found[cls.__name__] = cls
        left += cls.__subclasses__()
    return found
