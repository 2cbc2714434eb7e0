"""Registry credentials of the docker CLI: its config file, and the credential helpers that it names."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
from pathlib import Path
from typing import Any

_HUB = "https://index.docker.io/v1/"
_HELPER_TIMEOUT = 20.0

Pair = tuple[str, str]
_NONE: Pair = ("", "")


class Credentials:
    """Read when the engine asks, not before. Never logged, never part of an error."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or _folder()
        self._file = self.folder / "config.json"

    def config(self) -> dict[str, Any]:
        """The config file, {} where there is none to be read. Blocks."""
        try:
            data = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    async def get(self, host: str) -> Pair:
        """User and secret for a registry; an empty user means that the secret is an identity token."""
        config = await asyncio.to_thread(self.config)
        for name in _names(host):
            helper = _section(config, "credHelpers").get(name) or config.get("credsStore")
            if isinstance(helper, str) and helper and (found := await _ask(helper, name)) != _NONE:
                return found
            entry = _section(config, "auths").get(name)
            if isinstance(entry, dict) and (found := read_entry(entry)) != _NONE:
                return found
        return _NONE

    async def registry_token(self, host: str) -> str:
        """A bearer token that the file has for a registry as it is; empty where it has none."""
        auths = _section(await asyncio.to_thread(self.config), "auths")
        entries = (auths.get(name) for name in _names(host))
        return next(
            (str(it["registrytoken"]) for it in entries if isinstance(it, dict) and it.get("registrytoken")), ""
        )


def _names(host: str) -> tuple[str, ...]:
    """What a registry may be called in the file."""
    if host in ("registry-1.docker.io", "docker.io", "index.docker.io"):
        return (_HUB,)
    return host, f"https://{host}"


def read_entry(entry: dict[str, Any]) -> Pair:
    """One entry of `auths`: an identity token, or user and password in base64 (`auth`)."""
    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return "", token
    encoded = entry.get("auth")
    if not isinstance(encoded, str) or not encoded:
        return str(entry.get("username") or ""), str(entry.get("password") or "")
    try:
        user, _, password = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return _NONE
    return user, password.rstrip("\0")


async def _ask(helper: str, server: str) -> Pair:
    """`docker-credential-HELPER get`. One that is not there, fails or knows nothing has nothing to give."""
    if os.sep in helper:
        return _NONE
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            f"docker-credential-{helper}", "get", stdin=pipe, stdout=pipe, stderr=null
        )
    except OSError:
        return _NONE
    try:
        out, _ = await asyncio.wait_for(process.communicate(server.encode()), _HELPER_TIMEOUT)
    except TimeoutError:
        return _NONE
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        said = json.loads(out) if process.returncode == 0 else {}
    except ValueError:
        return _NONE
    user, secret = str(said.get("Username", "")), str(said.get("Secret", ""))
    return ("", secret) if user == "<token>" else (user, secret)


def _section(config: dict[str, Any], name: str) -> dict[str, Any]:
    section = config.get(name)
    return section if isinstance(section, dict) else {}


def _folder() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path(os.environ.get("HOME") or Path.home()) / ".docker")
