"""Where a Docker Engine should be, and whether one answers there, without importing the docker SDK.

The order is that of the docker command: a host given, a context given, the current context of `config.json`, the
local socket.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from workbench.errors import EngineUnavailable, UsageError

DEFAULT_HOST = "unix:///var/run/docker.sock"

_WHAT_TO_DO = "Start Docker, name another one with -H/--host, or build without it: --engine embedded."


def docker_folder() -> Path:
    """`DOCKER_CONFIG`, else `~/.docker`."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def docker_address(host: str | None, context: str | None) -> str:
    """The address (`unix://`, `tcp://`, `ssh://`). Raises UsageError for a context that does not exist."""
    if host:
        return host if "://" in host else f"tcp://{host}"
    name = context or _read(docker_folder() / "config.json").get("currentContext") or "default"
    if name == "default":
        return DEFAULT_HOST
    meta = docker_folder() / "contexts" / "meta" / hashlib.sha256(str(name).encode()).hexdigest() / "meta.json"
    address = _read(meta).get("Endpoints", {}).get("docker", {}).get("Host")
    if not address:
        raise UsageError(f"there is no Docker context {name!r}", hint="`docker context ls` lists them.")
    return str(address)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def ping(address: str, *, timeout: float = 2.0) -> None:
    """Asks an engine behind a local socket for its `/_ping`. Raises EngineUnavailable, saying why and what to do."""
    path = address.removeprefix("unix://")
    try:
        answer = _ask(path, timeout)
    except PermissionError as error:
        raise EngineUnavailable(
            f"this user may not use the Docker Engine at {address}",
            hint="Become a member of its group (usually docker), or build without it: --engine embedded.",
        ) from error
    except TimeoutError as error:
        raise EngineUnavailable(f"no answer from {address} within {timeout:g} seconds", hint=_WHAT_TO_DO) from error
    except OSError as error:
        raise EngineUnavailable(
            f"no Docker Engine answers at {address}: {(error.strerror or str(error)).lower()}", hint=_WHAT_TO_DO
        ) from error
    status, _, _ = answer.partition(b"\r\n")
    if b" 200 " not in status + b" " or b"api-version:" not in answer.lower():
        raise EngineUnavailable(f"what answers at {address} is not a Docker Engine", hint=_WHAT_TO_DO)


def _ask(path: str, timeout: float) -> bytes:
    answer = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(path)
        connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
        while b"\r\n\r\n" not in answer and len(answer) < 65536:
            piece = connection.recv(4096)
            if not piece:
                break
            answer += piece
    return answer
