"""The few plain calls of the Docker Engine's API that a build by BuildKit needs beside gRPC."""

from __future__ import annotations

import codecs
import http.client
import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from workbench.engines.dial import Dialer
from workbench.engines.identity import no_engine
from workbench.errors import EngineError, EngineLost


class Refused(EngineError):
    """The engine answered a call with an error; `status` is HTTP's. `json`: in the form of an engine."""

    exit_code = 1

    def __init__(self, message: str, status: int, *, json: bool = True) -> None:
        super().__init__(message)
        self.status = status
        self.json = json


class _Connection(http.client.HTTPConnection):
    def __init__(self, dialer: Dialer, timeout: float) -> None:
        super().__init__("docker")
        self._dialer = dialer
        self._seconds = timeout

    def connect(self) -> None:
        self.sock: socket.socket = self._dialer.dial(self._seconds)
        self.sock.settimeout(None)


@contextmanager
def call(
    dialer: Dialer, method: str, target: str, *, body: Iterable[bytes] | bytes | None = None,
    headers: Mapping[str, str] | None = None, timeout: float = 5.0,
) -> Iterator[http.client.HTTPResponse]:  # fmt: skip
    """The answer, to be read within the block, after which the connection is closed. Blocks.

    Raises Refused for an answer that is none of success, EngineUnavailable, EngineLost.
    """
    connection = _Connection(dialer, timeout)
    try:
        connection.request(method, target, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        if response.status >= 400:
            said = _message(response.read(1 << 20))
            raise Refused(said or response.reason, response.status, json=bool(said))
        yield response
    except (OSError, http.client.HTTPException) as error:
        raise EngineLost(f"the connection to the engine at {dialer.address.host} broke: {error}") from error
    finally:
        connection.close()


def get_json(dialer: Dialer, target: str) -> Any:
    """The decoded answer to a GET. Blocks. Raises as `call` does, and EngineUnavailable for what is no JSON."""
    with call(dialer, "GET", target) as response:
        try:
            return json.loads(response.read())
        except ValueError as error:
            raise no_engine(dialer.address, "its answer is no JSON") from error


def json_lines(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """The objects of a stream, one after another, as they come."""
    decoder, text = json.JSONDecoder(), ""
    letters = codecs.getincrementaldecoder("utf-8")("replace")
    while piece := response.read1(1 << 16):
        text += letters.decode(piece)
        while text := text.lstrip():
            try:
                found, end = decoder.raw_decode(text)
            except ValueError:
                break  # the rest of it is under way
            text = text[end:]
            yield found


def _message(body: bytes) -> str:
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    return str(found.get("message", "")) if isinstance(found, dict) else ""
