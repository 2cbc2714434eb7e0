"""What an engine says of an image, asked in bare HTTP over a local socket: the docker SDK, whose import takes longer
than most builds' share of this program, is not needed for it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from workbench.engines.address import Address
from workbench.engines.dial import ask, went_away
from workbench.engines.hanging import silent
from workbench.errors import ImageNotFound

_CONNECT_TIMEOUT = 10.0


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
        target = f"/images/{quote(reference, safe='/:@')}/{what}"
        try:
            status, body = ask(self._address, target, _CONNECT_TIMEOUT, self._patience)
        except TimeoutError as error:
            raise silent(self._address, self._patience) from error
        except OSError as error:
            raise went_away(self._address) from error
        if status == b"404":
            raise ImageNotFound(f"no such image: {reference}")
        if status != b"200":
            raise Odd
        try:
            return json.loads(body)
        except ValueError as error:
            raise Odd from error
