"""Every option of `docker build` becomes a field of the request."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.build.engine import OPTIONS
from workbench.build.request import BuildRequest
from workbench.cli.commands import find
from workbench.cli.parser import command_parser
from workbench.cli.request import build_request, request_fields


def request(*words: str) -> BuildRequest:
    command, arguments = find(["build", *words, "."])
    assert command is not None
    args = command_parser(command, command.load()).read(arguments)
    return build_request(request_fields(args), None)


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ("-t a -t b:1", "tags", ("a:latest", "b:1")),
        ("--build-arg A=1 --build-arg B= --build-arg HELD --build-arg NOT_HELD", "build_args",
         {"A": "1", "B": "", "HELD": "yes", "NOT_HELD": None}),
        ("--label a=b --label c", "labels", {"a": "b", "c": ""}),
        ("--cache-from a,b --cache-from type=local,src=x", "cache_from", ("a", "b", "type=local,src=x")),
        ("--cgroup-parent g", "cgroup_parent", "g"),
        ("--compress", "compress", True),
        ("--compress=false", "compress", False),
        ("--cpu-period 5", "cpu_period", 5),
        ("--cpu-quota -1", "cpu_quota", -1),
        ("-c 512", "cpu_shares", 512),
        ("--cpuset-cpus 0-3", "cpuset_cpus", "0-3"),
        ("--cpuset-mems 0,1", "cpuset_mems", "0,1"),
        ("--disable-content-trust=false", "disable_content_trust", False),
        ("--load", "output", ("type=docker",)),
        ("-o out --push", "output", ("out", "type=registry")),
        ("--annotation a=b --annotation index:c=d", "annotations", ("a=b", "index:c=d")),
        ("--force-rm", "force_rm", True),
        ("--isolation default", "isolation", "default"),
        ("-m 512m", "memory", 512 << 20),
        ("--memory 1.5g", "memory", 3 << 29),
        ("--memory-swap -1", "memory_swap", -1),
        ("--network none", "network", "none"),
        ("--no-cache=1", "no_cache", True),
        ("--pull", "pull", True),
        ("--rm=false", "rm", False),
        ("--security-opt seccomp=unconfined", "security_opt", ("seccomp=unconfined",)),
        ("--shm-size 64KiB", "shm_size", 65536),
        ("--ulimit nofile=1024:2048 --ulimit core=-1", "ulimits", ("nofile=1024:2048", "core=-1")),
        ("--target t", "target", "t"),
        ("--platform linux/arm64", "platform", "linux/arm64"),
        ("--secret id=a,src=b", "secrets", ("id=a,src=b",)),
        ("--ssh default", "ssh", ("default",)),
        ("--add-host db:10.0.0.1 --add-host six=[::1]", "add_hosts", ("db:10.0.0.1", "six:::1")),
        ("--add-host here:host-gateway", "add_hosts", ("here:host-gateway",)),
        ("-o type=tar,dest=x", "output", ("type=tar,dest=x",)),
        ("--cache-to type=inline", "cache_to", ("type=inline",)),
        ("--no-cache-filter a,b", "no_cache_filter", ("a", "b")),
        ("--build-context lib=../lib", "build_contexts", {"lib": "../lib"}),
        ("--squash", "squash", True),
    ],
)  # fmt: skip
def test_an_option_and_its_field(words: str, field: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELD", "yes")
    monkeypatch.delenv("NOT_HELD", raising=False)
    assert getattr(request(*words.split()), field) == value


def test_no_option_is_used_when_none_is_given() -> None:
    assert request().options_used() == ()
    assert request("--rm", "--rm=true", "--no-cache=false").options_used() == ()


def test_every_option_is_known_to_some_engine_or_refused() -> None:
    import dataclasses

    flags = {spec.metadata["flag"] for spec in dataclasses.fields(BuildRequest) if "flag" in spec.metadata}
    assert set().union(*OPTIONS.values()) <= flags, "an engine claims an option that no request has"


def test_the_dockerfile_is_relative_to_where_the_person_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.cli.source import dockerfile_path

    context = tmp_path / "context"
    (context / "sub").mkdir(parents=True)
    for path in ("context/sub/other", "outside"):
        (tmp_path / path).touch()
    monkeypatch.chdir(tmp_path)
    assert dockerfile_path(context.resolve(), "context/sub/other") == "sub/other"
    assert dockerfile_path(context.resolve(), "outside") == str((tmp_path / "outside").resolve())
