"""Who a person is to a registry: Docker's `config.json`, its credential stores. Nothing is ever written.

Source: https://docs.docker.com/reference/cli/docker/login/#credential-stores (the protocol of its programs).
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import shutil
import subprocess
from dataclasses import field
from pathlib import Path
from typing import Any

from workbench.dataclass import dataclass
from workbench.engines.embedded.registry.reference import HUB
from workbench.errors import UsageError

_HUB_KEY = "https://index.docker.io/v1/"
_SECONDS = 20
_TOKEN_USER = "<token>"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user with a password, or an identity token. It never shows them."""

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be seen in a message, the way it goes over the wire included."""
        plain = (self.password, self.identity_token)
        return tuple(secret for secret in (*plain, self.basic if self.password else "") if secret)

    @property
    def basic(self) -> str:
        """The value behind `Authorization: Basic `."""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def docker_config() -> Path:
    """`$DOCKER_CONFIG/config.json`, else the one in `~/.docker`."""
    folder = os.environ.get("DOCKER_CONFIG")
    return (Path(folder) if folder else Path.home() / ".docker") / "config.json"


def credentials_for(domain: str, path: Path | None = None) -> Credentials | None:
    """What the file or its credential store knows about the registry, or None: then it is anonymous.

    Raises UsageError for a file that cannot be read, or a credential store that is missing or fails. Nothing of a
    secret, and nothing that a store wrote, is in the message.
    """
    path = path or docker_config()
    config = _read(path)
    keys = (_HUB_KEY,) if domain == HUB else (domain, f"https://{domain}", f"http://{domain}")
    store = _mapping(config, "credHelpers", path).get(domain if domain != HUB else _HUB_KEY)
    store = store or config.get("credsStore")
    if store:
        found = _ask(str(store), keys[0], path)
        if found is not None:
            return found
    auths = _mapping(config, "auths", path)
    for key, value in auths.items():
        if key in keys or (domain != HUB and _host(key) == domain):
            return _entry(value, f"{path}: auths: {key}")
    return None


def _host(key: str) -> str:
    """`https://host:5000/v2/` -> `host:5000`: older Dockers wrote whole addresses."""
    return re.sub(r"^https?://", "", key).partition("/")[0]


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes() or b"{}")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except ValueError:
        raise UsageError(f"{path}: not JSON", hint="`docker login` writes it.") from None  # its text has secrets
    if not isinstance(value, dict):
        raise UsageError(f"{path}: not a JSON object")
    return value


def _mapping(config: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    value = config.get(name) or {}
    if not isinstance(value, dict):
        raise UsageError(f"{path}: {name} is not a JSON object")
    return value


def _entry(value: object, where: str) -> Credentials | None:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: not a JSON object")
    token = str(value.get("identitytoken") or "")
    user, password = str(value.get("username") or ""), str(value.get("password") or "")
    if packed := value.get("auth"):
        try:
            user, colon, password = base64.b64decode(str(packed), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise UsageError(f"{where}: `auth` is not base64 of user:password") from None
        if not colon:
            raise UsageError(f"{where}: `auth` is not base64 of user:password")
        password = password.rstrip("\0")
    return Credentials(user, password, token) if user or token else None


def _ask(store: str, server: str, path: Path) -> Credentials | None:
    """`docker-credential-STORE get`. It answers an error both where it has nothing and where it cannot look: as
    Docker does, the first is told by its words, the only thing that the protocol gives."""
    program = shutil.which(f"docker-credential-{store}") if re.fullmatch(r"[\w.-]+", store) else None
    if program is None:
        raise UsageError(
            f"{path} names the credential store {store!r}, but there is no docker-credential-{store} here",
            hint="Install it, or take credsStore and credHelpers out of the file.",
        )
    try:
        done = subprocess.run([program, "get"], input=server.encode(), capture_output=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        raise UsageError(f"docker-credential-{store} does not answer", hint="Is its key ring locked?") from None
    if done.returncode != 0:
        if b"credentials not found" in done.stdout + done.stderr:
            return None
        raise UsageError(
            f"docker-credential-{store} failed with exit code {done.returncode}",
            hint=f"Try it: docker-credential-{store} list",
        )
    try:
        said = json.loads(done.stdout)
        user, secret = str(said["Username"]), str(said["Secret"])
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"docker-credential-{store}: its answer is no credentials") from None
    return Credentials(identity_token=secret) if user == _TOKEN_USER else Credentials(user, secret)
