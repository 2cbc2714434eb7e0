"""Whether a Docker Engine answers behind a local socket, asked in bare HTTP: the docker SDK is not imported."""

from __future__ import annotations

import socket

from workbench.errors import EngineUnavailable

_WHAT_TO_DO = "Start Docker, name another one with -H/--host, or build without it: --engine embedded."


def ping(address: str, *, timeout: float = 2.0) -> bool:
    """Asks an engine behind a local socket for its `/_ping`: whether it names BuildKit as its builder.

    Docker does so from version 23 on, and its CLI then builds with it; 20.10 has a BuildKit and names none. Raises
    EngineUnavailable, saying why and what to do.
    """
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
    return b"\r\nbuilder-version: 2\r\n" in answer.lower()


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
