"""A build request in the words of `POST /build` (Docker Engine API 1.41, the classic builder: `version=1`)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from workbench.build.request import BuildRequest
from workbench.errors import Unsupported, UsageError

_PLAIN = {
    "network": "networkmode",
    "cgroup_parent": "cgroupparent",
    "cpu_period": "cpuperiod",
    "cpu_quota": "cpuquota",
    "cpu_shares": "cpushares",
    "cpuset_cpus": "cpusetcpus",
    "cpuset_mems": "cpusetmems",
    "memory": "memory",
    "memory_swap": "memswap",
    "shm_size": "shmsize",
    "isolation": "isolation",
    "platform": "platform",
    "remote": "remote",
}


def build_params(
    request: BuildRequest, *, dockerfile: str, target: str, proxies: Mapping[str, str], podman: bool = False
) -> dict[str, Any]:
    """The query, in Podman's words where that answers.

    `proxies` are build arguments from the docker CLI's configuration, which the request's own replace.

    A build argument without a value takes it from the environment. Raises UsageError for a malformed ulimit.
    """
    params: dict[str, Any] = {
        "version": "1",
        "dockerfile": dockerfile,
        "t": list(request.tags),
        "rm": _flag(request.rm),
        "forcerm": _flag(request.force_rm),
        "nocache": _flag(request.no_cache),
        "pull": _flag(request.pull),
        "squash": _flag(request.squash),
        "target": target,
        "extrahosts": _hosts(request, podman=podman),
    }
    for name, parameter in _PLAIN.items():
        if (value := getattr(request, name)) is not None:
            params[parameter] = value
    arguments: dict[str, str | None] = {**proxies, **request.build_args}
    arguments = {name: os.environ.get(name) if value is None else value for name, value in arguments.items()}
    structured: dict[str, Any] = {
        "buildargs": arguments,
        "labels": dict(request.labels),
        "cachefrom": list(request.cache_from),
        "ulimits": [_ulimit(text, podman=podman) for text in request.ulimits],
        "securityopt": list(request.security_opt),
    }
    params.update({name: json.dumps(value) for name, value in structured.items() if value})
    return {name: value for name, value in params.items() if value not in ("", [], None)}


def _flag(value: bool) -> str:
    return "1" if value else "0"


def _host(entry: str) -> str:
    """`name=address`, today's form, as the `name:address` that every engine reads."""
    name, separator, address = entry.partition("=")
    return f"{name}:{address}" if separator and ":" not in name else entry


def _hosts(request: BuildRequest, *, podman: bool) -> list[str] | str:
    """Docker repeats the parameter, Podman wants one list of them in JSON."""
    hosts = [_host(entry) for entry in request.add_hosts]
    return json.dumps(hosts) if hosts and podman else hosts


def _ulimit(text: str, *, podman: bool) -> dict[str, Any] | str:
    """`nofile=1024:2048` or `nofile=1024` (github.com/docker/go-units, ParseUlimit). Podman wants that text."""
    name, separator, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    try:
        values = int(soft), int(hard or soft)
    except ValueError:
        values = (1, 0)
    if not name or not separator or (values[1] != -1 and values[0] > values[1]):
        raise UsageError(
            f"{text!r} is not a ulimit", hint="It is NAME=SOFT[:HARD], as in nofile=1024:2048; SOFT is at most HARD."
        )
    return text if podman else {"Name": name, "Soft": values[0], "Hard": values[1]}


def refuse_here(request: BuildRequest, *, podman: bool, system: str) -> None:
    """Raises Unsupported for an option that the engine behind the socket has not, although another has it.

    Docker's classic builder takes security options on Windows alone (moby, daemon/builder: "security options are not
    supported on linux"), and a cache from images alone. Podman's ignores the network's name, and writes the word
    `host-gateway` into /etc/hosts (seen with 4.3).
    """
    for source in request.cache_from:
        if "=" in source:
            raise Unsupported(
                f"--cache-from {source}", engine="docker", engines=["buildkit"], hint="Here it is the name of an image."
            )
    if podman and any(entry.endswith(":host-gateway") for entry in request.add_hosts):
        raise Unsupported("--add-host host-gateway", engine="docker", hint="Podman does not know it: give an address.")
    if request.security_opt and not podman and system != "windows":
        raise Unsupported("--security-opt", engine="docker", hint="Podman has it; Docker has it on Windows alone.")
    if request.network and podman and request.network not in ("default", "host"):
        raise Unsupported("--network", engine="docker", hint="Podman gives every step of a build the same network.")
