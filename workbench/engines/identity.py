"""Who answers at an address, judged by its `GET /version`: a Docker Engine that can be spoken with, or something else.

The Engine API is spoken at a version that both sides know: the engine's own, else the newest one known here, which the
engine must still serve (its MinAPIVersion). So does the docker CLI.
"""

from __future__ import annotations

from typing import Any

from workbench.engines.address import Address
from workbench.errors import EngineUnavailable

OLDEST = (1, 24)
"""Docker 1.12's; the docker SDK speaks no older one."""
NEWEST = (1, 51)
"""Docker 28.5's."""
_ELSE = "or use --engine embedded."


def spoken_version(address: Address, said: Any) -> str:
    """The API version to speak with who says that at `GET /version`. Raises EngineUnavailable for who is too old, too
    new, or no Docker Engine."""
    newest = _parts(said.get("ApiVersion")) if isinstance(said, dict) else ()
    if not newest:
        raise no_engine(address, "its answer has no API version")
    who = f"the {address.kind} {said.get('Version') or '?'} at {address.host}"
    if newest < OLDEST:
        raise EngineUnavailable(
            f"{who} is too old: it speaks API {_text(newest)}, and here none before {_text(OLDEST)} is spoken",
            hint=f"Update it (Docker 1.12 is the oldest that will do), {_ELSE}",
        )
    oldest = _parts(said.get("MinAPIVersion")) or OLDEST
    if oldest > NEWEST:
        raise EngineUnavailable(
            f"{who} is too new: it speaks no API before {_text(oldest)}, and here none after {_text(NEWEST)} is spoken",
            hint=f"Update the workbench, set an older DOCKER_MIN_API_VERSION for the engine, {_ELSE}",
        )
    return _text(min(newest, NEWEST))


def no_engine(address: Address, why: str) -> EngineUnavailable:
    """Something else answers."""
    hint = "A proxy or another service may stand at this address."
    if address.scheme == "tcp" and address.tls is None:
        hint += " If the engine wants TLS: DOCKER_TLS_VERIFY=1, and its certificates in DOCKER_CERT_PATH."
    return EngineUnavailable(
        f"what answers at {address.host} ({address.origin}) is not a Docker Engine: {why}", hint=hint
    )


def refuses(address: Address, status: int, message: str, *, json: bool) -> EngineUnavailable:
    """It answers with an error instead of its version: an engine does so in JSON, whatever else does not."""
    if not json:
        return no_engine(address, f"it says {status} {message}".strip())
    return EngineUnavailable(
        f"the {address.kind} at {address.host} refuses to speak ({status}): {message}", hint=f"See its log, {_ELSE}"
    )


def _parts(version: Any) -> tuple[int, ...]:
    parts = str(version or "").split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
