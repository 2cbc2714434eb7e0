"""The engine's JSON stream, cut into objects however it arrives: pieces, several in one, none at all."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any

from workbench.errors import EngineLost

_DECODER = json.JSONDecoder()
_BLANK = " \t\r\n"
_PATIENCE = 64 * 1024 * 1024
"""Characters of one unfinished object, after which it is none."""


class Objects:
    """Feed it bytes; it gives the objects that are whole. Raises EngineLost for what is not a stream of objects."""

    def __init__(self) -> None:
        self._text = ""
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        self._text += self._utf8.decode(data)
        at = 0
        text = self._text
        try:
            while True:
                while at < len(text) and text[at] in _BLANK:
                    at += 1
                if at == len(text):
                    return
                if text[at] != "{":
                    raise _garbage(text[at:])
                try:
                    value, at = _DECODER.raw_decode(text, at)
                except ValueError as error:
                    if not _unfinished(error, text) or len(text) - at > _PATIENCE:
                        raise _garbage(text[at:]) from error
                    return
                yield value
        finally:
            self._text = text[at:]

    def end(self) -> None:
        """Says that no more comes. Raises EngineLost where an object is unfinished."""
        if self._text.strip(_BLANK):
            raise EngineLost(
                "the Docker Engine went away in the middle of a message",
                hint="See whether it still runs (docker info).",
            )


def _unfinished(error: ValueError, text: str) -> bool:
    """Whether more text may make it whole: the decoder gave up at the end, or in a string or word that reaches it."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    rest = text[error.pos :]
    return len(rest) < 16 or (rest.startswith('"') and "\n" not in rest)


def _garbage(text: str) -> EngineLost:
    line = text.strip().splitlines()[0][:80]
    return EngineLost(
        f"what answers is not a Docker Engine: it said {line!r}",
        hint="A proxy or another service may stand at this address.",
    )


def read_objects(response: Any) -> Iterator[dict[str, Any]]:
    """The objects of a response of the SDK, each as soon as it has arrived."""
    objects = Objects()
    for data in response.raw.stream(None, decode_content=True) if response.raw.chunked else _unchunked(response.raw):
        yield from objects.feed(data)
    objects.end()


def _unchunked(raw: Any) -> Iterator[bytes]:
    while data := raw.read1(65536, decode_content=True):
        yield data
