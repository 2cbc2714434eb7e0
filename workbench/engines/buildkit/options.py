"""A build request in the words of a Solve: attributes of the frontend `dockerfile.v0`, of the exporter, of the cache.

Names of the attributes: moby/buildkit, frontend/dockerui and frontend/dockerfile/builder; docker/buildx, build/opt.go.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.build.engine import OPTIONS
from workbench.build.request import BuildRequest
from workbench.dataclass import dataclass
from workbench.engines.buildkit.cache import Caches, read_caches
from workbench.engines.buildkit.exporters import Exports
from workbench.engines.buildkit.messages import messages
from workbench.errors import InputError, Unsupported, UsageError

if TYPE_CHECKING:
    from workbench.engines.buildkit.content import Layout
    from workbench.engines.buildkit.control import Control

_GATEWAY = "host-gateway"
_NEWER = {
    "--shm-size": "shm_size",
    "--ulimit": "ulimits",
    "--cgroup-parent": "cgroup_parent",
    "--build-context": "build_contexts",
}
"""What a BuildKit before 0.11 does not know, and passes over in silence."""


@dataclass(frozen=True, slots=True)
class Solve:
    """What the request says, beside its files."""

    attributes: Mapping[str, str]
    entitlements: tuple[str, ...]
    caches: Caches
    layouts: Mapping[str, Layout] = field(default_factory=dict)
    """Images of this machine that are contexts, by the ID that the engine asks with."""

    def message(self, exports: Exports, *, ref: str, session: str) -> Any:
        """The SolveRequest. A single exporter goes into the old fields, which every engine from 20.10 to 28 reads."""
        pb = messages()
        message = pb.SolveRequest(
            Ref=ref, Session=session, Frontend="dockerfile.v0", FrontendAttrs=self.attributes,
            Entitlements=self.entitlements,
        )  # fmt: skip
        if exports.exporters:
            message.ExporterDeprecated, attributes = exports.exporters[0]
            message.ExporterAttrsDeprecated.update(attributes)
        if len(exports.exporters) > 1:
            for kind, attributes in exports.exporters:
                message.Exporters.add(Type=kind, Attrs=attributes)
        for kind, attributes in self.caches.imports:
            message.Cache.Imports.add(Type=kind, Attrs=attributes)
        for kind, attributes in self.caches.exports:
            message.Cache.Exports.add(Type=kind, Attrs=attributes)
        return message


def newer_options(request: BuildRequest) -> bool:
    """Whether it matters how old the engine's BuildKit is."""
    return any(getattr(request, name) for name in _NEWER.values())


def refuse_for(request: BuildRequest, version: str) -> None:
    """Raises Unsupported for an option that this engine's BuildKit (its version, empty before 0.11) does not know."""
    for flag, name in _NEWER.items():
        if getattr(request, name) and not version:
            others = [engine for engine in OPTIONS if engine != "buildkit" and flag in OPTIONS[engine]]
            raise Unsupported(
                flag, engine="buildkit", engines=others,
                hint="This engine's BuildKit is older than 0.11; Docker 24 and later have it.",
            )  # fmt: skip


def read_solve(request: BuildRequest, *, filename: str, target: str, proxies: Mapping[str, str]) -> Solve:
    """Raises UsageError for a value that is malformed, Unsupported for one that this engine cannot honour."""
    attributes = {"filename": filename}
    arguments: dict[str, str | None] = {**proxies, **request.build_args}
    for name, value in arguments.items():
        given = os.environ.get(name) if value is None else value
        if given is not None:
            attributes[f"build-arg:{name}"] = given
    attributes |= {f"label:{name}": value for name, value in request.labels.items()}
    single = {
        "target": target,
        "platform": request.platform,
        "add-hosts": ",".join(map(_host, request.add_hosts)),
        "ulimit": ",".join(request.ulimits),
        "shm-size": str(request.shm_size) if request.shm_size else "",
        "cgroup-parent": request.cgroup_parent,
        "image-resolve-mode": "pull" if request.pull else "",
    }
    attributes |= {name: value for name, value in single.items() if value}
    if request.no_cache or request.no_cache_filter:
        attributes["no-cache"] = "" if request.no_cache else ",".join(request.no_cache_filter)
    layouts: dict[str, Layout] = {}
    for name, place in request.build_contexts.items():
        attributes[f"context:{name}"] = _context(name, place, layouts)
    caches = read_caches(request.cache_from, request.cache_to)
    attributes |= caches.attributes
    attributes |= {f"attest:{kind}": value for kind, value in map(_attest, request.attests)}
    entitlements = (*_network(request.network, attributes), *request.allow)
    return Solve(attributes, tuple(dict.fromkeys(entitlements)), caches, layouts)


async def with_gateway(solve: Solve, request: BuildRequest, control: Control) -> Solve:
    """`--add-host NAME:host-gateway` with the address that the engine has for it, as buildx does. Raises Unsupported
    where it has none (before Docker 23)."""
    if not any(entry.endswith(f":{_GATEWAY}") for entry in request.add_hosts):
        return solve
    address = await control.gateway()
    if not address:
        raise Unsupported(
            f"--add-host {_GATEWAY}", engine="buildkit", engines=["docker"],
            hint="This engine does not tell its address; Docker 23 and later do.",
        )  # fmt: skip
    hosts = solve.attributes["add-hosts"].replace(f"={_GATEWAY}", f"={address}")
    return replace(solve, attributes={**solve.attributes, "add-hosts": hosts})


def _context(name: str, place: str, layouts: dict[str, Layout]) -> str:
    """`--build-context NAME=place` as the frontend reads it. An OCI layout is read by the engine through us."""
    if is_folder(place):
        return f"local:{name}"
    if not place.startswith("oci-layout:"):
        return place
    path, at, digest = place.removeprefix("oci-layout:").removeprefix("//").partition("@")
    folder, colon, tag = path.rpartition(":")
    if not colon or "/" in tag:
        folder, tag = path, ""
    from workbench.engines.buildkit.content import Layout

    layout = Layout(Path(folder).expanduser().absolute())
    found = digest if at else layout.find(tag)
    if found is None:
        raise InputError(f"--build-context {name}={place}: no such image in an OCI layout there")
    key = hashlib.sha256(os.fsencode(layout.folder)).hexdigest()[:24]
    layouts[f"oci:{key}"] = layout
    return f"oci-layout://{key}@{found}"


def _attest(text: str) -> tuple[str, str]:
    """`type=sbom,generator=x` as the frontend's name and value."""
    kind, _, rest = text.partition(",")
    name, equals, value = kind.partition("=")
    if name != "type" or not equals or value not in ("sbom", "provenance"):
        raise UsageError(f"--attest {text!r} has no type", hint="As in --attest type=provenance,mode=max.")
    return value, rest


def is_folder(place: str) -> bool:
    """Whether `--build-context NAME=place` is a folder of this machine, and no image or URL."""
    return "://" not in place and not place.startswith("git@")


def read_proxies(config: Mapping[str, Any], host: str) -> dict[str, str]:
    """Build arguments that the docker CLI takes from `proxies` of its configuration, for this engine or for all."""
    proxies = config.get("proxies")
    section = proxies.get(host) or proxies.get("default") if isinstance(proxies, dict) else None
    if not isinstance(section, dict):
        return {}
    found: dict[str, str] = {}
    for key in ("httpProxy", "httpsProxy", "ftpProxy", "noProxy", "allProxy"):
        if isinstance(value := section.get(key), str) and value:
            name = f"{key.removesuffix('Proxy')}_proxy"
            found |= {name: value, name.upper(): value}
    return found


def _network(mode: str | None, attributes: dict[str, str]) -> tuple[str, ...]:
    """The entitlements that the mode needs."""
    if mode in (None, "", "default"):
        return ()
    if mode not in ("none", "host"):
        raise Unsupported(
            f"--network {mode}", engine="buildkit", engines=["docker"], hint="BuildKit has default, none and host."
        )
    attributes["force-network-mode"] = mode
    return ("network.host",) if mode == "host" else ()


def _host(entry: str) -> str:
    """`name:address` as the `name=address` that the frontend reads."""
    return entry if "=" in entry else entry.replace(":", "=", 1)
