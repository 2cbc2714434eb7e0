from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.build.request import BuildRequest
from workbench.engines.docker.options import build_params, refuse_here
from workbench.errors import Unsupported, UsageError


def params(proxies: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    request = BuildRequest(context=Path("/"), **options)
    return build_params(request, dockerfile="Dockerfile", target=request.target or "", proxies=proxies or {})


def test_a_bare_request() -> None:
    assert params() == {
        "version": "1", "dockerfile": "Dockerfile", "rm": "1", "forcerm": "0", "nocache": "0", "pull": "0",
        "squash": "0",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value", "parameter", "sent"),
    [
        ("tags", ("a", "b:2"), "t", ["a:latest", "b:2"]),
        ("labels", {"a": "b"}, "labels", '{"a": "b"}'),
        ("target", "build", "target", "build"),
        ("platform", "linux/arm64", "platform", "linux/arm64"),
        ("no_cache", True, "nocache", "1"),
        ("pull", True, "pull", "1"),
        ("rm", False, "rm", "0"),
        ("force_rm", True, "forcerm", "1"),
        ("squash", True, "squash", "1"),
        ("cache_from", ("x", "y"), "cachefrom", '["x", "y"]'),
        ("network", "none", "networkmode", "none"),
        ("add_hosts", ("a:1.2.3.4", "b=::1"), "extrahosts", ["a:1.2.3.4", "b:::1"]),
        ("cgroup_parent", "/x", "cgroupparent", "/x"),
        ("cpu_period", 1000, "cpuperiod", 1000),
        ("cpu_quota", 2000, "cpuquota", 2000),
        ("cpu_shares", 3, "cpushares", 3),
        ("cpuset_cpus", "0-1", "cpusetcpus", "0-1"),
        ("cpuset_mems", "0", "cpusetmems", "0"),
        ("memory", 1 << 30, "memory", 1 << 30),
        ("memory_swap", -1, "memswap", -1),
        ("shm_size", 1 << 20, "shmsize", 1 << 20),
        ("ulimits", ("nofile=1024:2048",), "ulimits", '[{"Name": "nofile", "Soft": 1024, "Hard": 2048}]'),
        ("ulimits", ("core=-1",), "ulimits", '[{"Name": "core", "Soft": -1, "Hard": -1}]'),
        ("security_opt", ("a=b",), "securityopt", '["a=b"]'),
        ("isolation", "default", "isolation", "default"),
    ],
)
def test_every_option_has_its_parameter(option: str, value: Any, parameter: str, sent: Any) -> None:
    assert params(**{option: value})[parameter] == sent


@pytest.mark.parametrize("text", ["nofile", "nofile=", "=1", "nofile=2:1", "nofile=many"])
def test_a_malformed_ulimit(text: str) -> None:
    with pytest.raises(UsageError, match="not a ulimit"):
        params(ulimits=(text,))


def test_arguments_without_a_value_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_HERE", "here")
    monkeypatch.delenv("NOWHERE", raising=False)
    sent = params(
        {"HTTP_PROXY": "http://proxy", "A": "proxy"}, build_args={"A": "1", "FROM_HERE": None, "NOWHERE": None}
    )
    assert json.loads(sent["buildargs"]) == {
        "HTTP_PROXY": "http://proxy", "A": "1", "FROM_HERE": "here", "NOWHERE": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "podman", "said"),
    [
        ({"cache_from": ("busybox", "type=local,src=x")}, False, "--cache-from type=local,src=x"),
        ({"add_hosts": ("there:host-gateway",)}, True, "--add-host host-gateway"),
        ({"security_opt": ("seccomp=unconfined",)}, False, "--security-opt"),
        ({"network": "none"}, True, "--network"),
    ],
)
def test_what_the_engine_behind_the_socket_has_not(options: dict[str, Any], podman: bool, said: str) -> None:
    with pytest.raises(Unsupported) as caught:
        refuse_here(BuildRequest(context=Path("/"), **options), podman=podman, system="linux")
    assert caught.value.what == said


def test_what_the_engine_behind_the_socket_has() -> None:
    options: dict[str, Any] = {"cache_from": ("busybox", "r:5000/x@sha256:0"), "add_hosts": ("there:host-gateway",)}
    refuse_here(BuildRequest(context=Path("/"), network="none", **options), podman=False, system="linux")
    refuse_here(BuildRequest(context=Path("/"), security_opt=("label=disable",)), podman=True, system="linux")
