"""Where the Docker Engine is: a flag, DOCKER_HOST, a context of `~/.docker`, or a local socket.

Decided as the docker CLI does, but for the last: where Docker's own socket is missing, that of a rootless Docker or of
Podman is taken. Nothing is connected to and the docker SDK is not imported.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.dataclass import dataclass
from workbench.errors import UsageError

DEFAULT_HOST = "unix:///var/run/docker.sock"
PODMAN_SOCKET = "/run/podman/podman.sock"
DEFAULT_CONTEXT = "default"
_PORTS = {False: 2375, True: 2376}
_BUILDKITD_PORT = 1234
BUILDKITD = ("buildkit", "buildkit+unix")
"""Schemes of a buildkitd that stands alone: no Docker Engine is around it."""


@dataclass(frozen=True, slots=True)
class TLS:
    """Files for a TLS connection, each a path or None. Without `ca` the system's authorities count."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Address:
    """An engine's address. `origin` says where it came from: `--host`, `DOCKER_HOST`, `context lab`, `default`."""

    host: str
    origin: str
    tls: TLS | None = None

    @property
    def scheme(self) -> str:
        return self.host.partition("://")[0]

    @property
    def local(self) -> bool:
        """Whether it is a socket of this machine's file system."""
        return self.scheme.endswith("unix")

    @property
    def standalone(self) -> bool:
        """Whether a buildkitd is meant, and no Docker Engine."""
        return self.scheme in BUILDKITD

    @property
    def kind(self) -> str:
        """What is there, in a sentence."""
        return "buildkitd" if self.standalone else "Docker Engine"

    @property
    def rest(self) -> str:
        """What follows the scheme: a path, `host:port`, or `user@host:port`."""
        return self.host.partition("://")[2]


@dataclass(frozen=True, slots=True)
class DockerContext:
    """A context as `docker context ls` shows it."""

    name: str
    host: str
    description: str = ""
    current: bool = False


def resolve(
    host: str | None = None, context: str | None = None, environment: Mapping[str, str] | None = None
) -> Address:
    """The docker CLI's order: host, then a context by name, then DOCKER_HOST, DOCKER_CONTEXT, `currentContext`.

    Raises UsageError for a context that does not exist and for an address that is none.
    """
    env = os.environ if environment is None else environment
    if host:
        return _plain(host, "DOCKER_HOST" if host == env.get("DOCKER_HOST") else "--host", env)
    if context:
        return _from_context(context, env)
    if given := env.get("DOCKER_HOST"):
        return _plain(given, "DOCKER_HOST", env)
    if name := env.get("DOCKER_CONTEXT") or str(_cli_config(env).get("currentContext", "")):
        return _from_context(name, env)
    return _local(env)


def _local(env: Mapping[str, str]) -> Address:
    """The system's socket; where there is none, the user's (rootless Docker), then Podman's, the user's first."""
    if not Path(DEFAULT_HOST.removeprefix("unix://")).exists():
        runtime = env.get("XDG_RUNTIME_DIR")
        own = {"rootless Docker": "docker.sock", "rootless Podman": "podman/podman.sock"} if runtime else {}
        found = {origin: f"{runtime}/{path}" for origin, path in own.items()} | {"Podman": PODMAN_SOCKET}
        for origin, path in found.items():
            if Path(path).exists():
                return Address(f"unix://{path}", origin)
    return Address(DEFAULT_HOST, "default")


def list_contexts(environment: Mapping[str, str] | None = None) -> list[DockerContext]:
    """Every context of `~/.docker`, `default` first. A metadata file that cannot be read is left out."""
    env = os.environ if environment is None else environment
    current = env.get("DOCKER_CONTEXT") or str(_cli_config(env).get("currentContext", "")) or DEFAULT_CONTEXT
    if env.get("DOCKER_HOST"):
        current = DEFAULT_CONTEXT
    found = [DockerContext(DEFAULT_CONTEXT, env.get("DOCKER_HOST") or DEFAULT_HOST, "", current == DEFAULT_CONTEXT)]
    for file in sorted(_folder(env).glob("contexts/meta/*/meta.json")):
        meta = _read_json(file)
        name = meta.get("Name")
        if not isinstance(name, str):
            continue
        description = meta.get("Metadata", {}).get("Description", "")
        found.append(DockerContext(name, _endpoint(meta).get("Host", ""), description, name == current))
    return [found[0], *sorted(found[1:], key=lambda it: it.name)]


def _plain(host: str, origin: str, env: Mapping[str, str]) -> Address:
    tls = None
    if host.startswith(("tcp://", "https://", "buildkit://")) and env.get("DOCKER_TLS_VERIFY"):
        folder = Path(env.get("DOCKER_CERT_PATH") or _folder(env))
        tls = TLS(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    return Address(_normalise(host, origin, secure=tls is not None), origin, tls)


def _from_context(name: str, env: Mapping[str, str]) -> Address:
    if name == DEFAULT_CONTEXT:
        return _plain(env.get("DOCKER_HOST") or DEFAULT_HOST, "context default", env)
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = _read_json(_folder(env) / "contexts" / "meta" / digest / "meta.json")
    endpoint = _endpoint(meta)
    if not endpoint.get("Host"):
        known = ", ".join(it.name for it in list_contexts(env))
        raise UsageError(f"there is no Docker context called {name!r}", hint=f"Contexts here: {known}.")
    origin = f"context {name}"
    files = _folder(env) / "contexts" / "tls" / digest / "docker"
    verify = not endpoint.get("SkipTLSVerify", False)
    tls = None
    if files.is_dir() or not verify:
        ca, cert, key = (
            path if path.exists() else None for path in map(files.joinpath, ("ca.pem", "cert.pem", "key.pem"))
        )
        tls = TLS(ca, cert, key, verify)
    return Address(_normalise(endpoint["Host"], origin, secure=tls is not None), origin, tls)


def _normalise(host: str, origin: str, *, secure: bool) -> str:
    scheme, separator, rest = host.partition("://")
    if not separator:
        scheme, rest = ("unix", host) if host.startswith("/") else ("tcp", host)
    if scheme in ("http", "https"):
        scheme = "tcp"
    if scheme not in ("unix", "tcp", "ssh", *BUILDKITD) or not rest:
        raise UsageError(
            f"{host!r} ({origin}) is not the address of a Docker Engine",
            hint="Addresses are unix:///path, tcp://host:port or ssh://user@host, and of a buildkitd "
            "buildkit://host:port or buildkit+unix:///path.",
        )
    if scheme.endswith("unix") and not rest.startswith("/"):
        rest = f"/{rest}"
    if scheme in ("tcp", "buildkit"):
        rest = rest.partition("/")[0]
        if ":" not in rest.rpartition("]")[2]:
            rest = f"{rest}:{_BUILDKITD_PORT if scheme == 'buildkit' else _PORTS[secure]}"
    return f"{scheme}://{rest}"


def _folder(env: Mapping[str, str]) -> Path:
    if given := env.get("DOCKER_CONFIG"):
        return Path(given)
    return Path(env.get("HOME") or Path.home()) / ".docker"


def _cli_config(env: Mapping[str, str]) -> dict[str, Any]:
    return _read_json(_folder(env) / "config.json")


def _read_json(path: Path) -> dict[str, Any]:
    """An object, or {} where there is none to be read."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _endpoint(meta: dict[str, Any]) -> dict[str, Any]:
    endpoints = meta.get("Endpoints")
    found = endpoints.get("docker") if isinstance(endpoints, dict) else None
    return found if isinstance(found, dict) else {}
