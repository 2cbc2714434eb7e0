"""What an engine says of an image, asked in bare HTTP over a local socket: the docker SDK, whose import takes longer
than most builds' share of this program, is not needed for it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from workbench.engines.address import Address
from workbench.engines.dial import Dialer
from workbench.errors import EngineLost, ImageNotFound

_CONNECT_TIMEOUT = 10.0
_PIECE = 1 << 16


class Odd(Exception):
    """The answer is neither the facts nor that there is no such image: whoever knows more of the API should ask."""


class BareClient:
    """The two questions that `docker.client.Client` answers too. Each call is a connection of its own."""

    def __init__(self, address: Address, patience: float) -> None:
        self._address = address
        self._patience = patience

    def facts(self, reference: str) -> dict[str, Any]:
        """`docker image inspect`. Raises ImageNotFound, EngineUnavailable, EngineLost, Odd."""
        found = self._get(reference, "json")
        if not isinstance(found, dict):
            raise Odd
        return found

    def rows(self, reference: str) -> list[dict[str, Any]]:
        """`docker history`, newest first. Raises as `facts` does."""
        found = self._get(reference, "history")
        if not isinstance(found, list):
            raise Odd
        return found

    def _get(self, reference: str, what: str) -> Any:
        if not reference.strip("/"):
            raise ImageNotFound(f"no such image: {reference!r}")
        status, body = self._ask(f"/images/{quote(reference, safe='/:@')}/{what}")
        if status == b"404":
            raise ImageNotFound(f"no such image: {reference}")
        if status != b"200":
            raise Odd
        try:
            return json.loads(body)
        except ValueError as error:
            raise Odd from error

    def _ask(self, target: str) -> tuple[bytes, bytes]:
        """Status and body. HTTP/1.0 has the end of the connection as the end of the body, and no chunks."""
        answer = bytearray()
        try:
            with Dialer(self._address).dial(_CONNECT_TIMEOUT) as sock:
                sock.settimeout(self._patience)
                sock.sendall(f"GET {target} HTTP/1.0\r\nHost: docker\r\n\r\n".encode("ascii"))
                while piece := sock.recv(_PIECE):
                    answer += piece
        except OSError as error:
            raise EngineLost(
                f"the Docker Engine at {self._address.host} went away",
                hint="See whether it still runs (docker info) and what its log says.",
            ) from error
        head, _, body = bytes(answer).partition(b"\r\n\r\n")
        return head[9:12], body
