"""A build request in the words of a Solve: attributes of the frontend `dockerfile.v0`, of the exporter, of the cache.

Names of the attributes: moby/buildkit, frontend/dockerui and frontend/dockerfile/builder; docker/buildx, build/opt.go.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.build.engine import OPTIONS
from workbench.build.request import BuildRequest
from workbench.build.secrets import read_fields
from workbench.engines.buildkit.messages import messages
from workbench.errors import Unsupported, UsageError

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
    imports: tuple[tuple[str, Mapping[str, str]], ...]
    exports: tuple[tuple[str, Mapping[str, str]], ...]
    name: str

    def message(self, *, ref: str, session: str) -> Any:
        """The SolveRequest. The exporter goes into the old fields, which every engine from 20.10 to 28 reads."""
        pb = messages()
        message = pb.SolveRequest(
            Ref=ref, Session=session, Frontend="dockerfile.v0", FrontendAttrs=self.attributes,
            ExporterDeprecated="moby", Entitlements=self.entitlements,
        )  # fmt: skip
        if self.name:
            message.ExporterAttrsDeprecated["name"] = self.name
        for kind, attributes in self.imports:
            message.Cache.Imports.add(Type=kind, Attrs=attributes)
        for kind, attributes in self.exports:
            message.Cache.Exports.add(Type=kind, Attrs=attributes)
        return message


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
    for name, place in request.build_contexts.items():
        attributes[f"context:{name}"] = f"local:{name}" if is_folder(place) else place
    imports = tuple(_import(text) for text in request.cache_from)
    if imports:
        references = [kind_attributes["ref"] for _, kind_attributes in imports]
        attributes["cache-from"] = ",".join(references)
        attributes["cache-imports"] = json.dumps([{"Type": kind, "Attrs": dict(it)} for kind, it in imports])
    return Solve(
        attributes, tuple(dict.fromkeys((*_network(request.network, attributes), *request.allow))), imports,
        tuple(_export(text) for text in request.cache_to), ",".join(request.tags),
    )  # fmt: skip


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


def _import(text: str) -> tuple[str, Mapping[str, str]]:
    if "=" not in text:
        return "registry", {"ref": text}
    fields = read_fields("--cache-from", text)
    kind = fields.pop("type", "registry")
    if kind != "registry":
        raise Unsupported(f"--cache-from type={kind}", engine="buildkit", hint="It has type=registry.")
    if "ref" not in fields:
        raise UsageError(f"--cache-from {text!r} names no image", hint="It is NAME, or type=registry,ref=NAME.")
    return kind, fields


def _export(text: str) -> tuple[str, Mapping[str, str]]:
    fields = read_fields("--cache-to", text if "=" in text else f"type={text}")
    kind = fields.pop("type", "")
    if kind != "inline":
        raise Unsupported(f"--cache-to type={kind}", engine="buildkit", hint="It has type=inline.")
    return kind, fields


def _host(entry: str) -> str:
    """`name:address` as the `name=address` that the frontend reads."""
    return entry if "=" in entry else entry.replace(":", "=", 1)
