"""What only a real engine can say: that each option arrives, and what is sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.engines.bench import Bench, finished
from workbench.build.events import (
    BuildEvent,
    BuildStarted,
    BuildWarning,
    ContainerEvent,
    ContextSent,
    StepFinished,
    StepLog,
    StepStarted,
)
from workbench.build.request import BuildRequest

pytestmark = pytest.mark.slow  # the contract on a real engine is in the quick tests


def output(events: list[BuildEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, StepLog))


async def test_limits_hosts_and_network_arrive(docker: Bench) -> None:
    script = "ulimit -n; df -k /dev/shm | tail -1 | awk '{print $2}'; grep lab /etc/hosts; ls /sys/class/net"
    events = await docker.build(
        f"FROM busybox\nRUN {script}\n", no_cache=True, ulimits=("nofile=321:654",), shm_size=8 << 20,
        add_hosts=("lab:10.9.8.7",), network="none", memory=512 << 20, memory_swap=-1, cpu_shares=512,
    )  # fmt: skip
    assert finished(events).outcome == "succeeded", finished(events).error
    lines = output(events).split()
    assert lines[:2] == ["321", "8192"]
    assert lines[2:4] == ["10.9.8.7", "lab"]
    assert "eth0" not in lines


async def test_what_a_step_added_is_told(docker: Bench) -> None:
    events = await docker.build("FROM busybox\nRUN head -c 70000 /dev/zero > /a\nENV a=b\n", no_cache=True)
    assert finished(events).outcome == "succeeded", finished(events).error
    assert [it.bytes for it in events if isinstance(it, StepFinished)] == [None, 70_000, None]


async def test_several_tags_labels_and_arguments(docker: Bench) -> None:
    tags = (docker.tag("one"), docker.tag("two"))
    events = await docker.build(
        "FROM busybox\nARG A\nENV A=$A\n",
        tags=tags,
        labels={"b": "2 x", "a": "1"},
        build_args={"A": "given", "B": "unused"},
    )
    assert finished(events).tags == tags
    config = (await docker.engine.images.inspect(tags[1]))["Config"]
    assert (config["Labels"]["a"], config["Labels"]["b"]) == ("1", "2 x")
    assert "A=given" in config["Env"]
    warnings = [event.message for event in events if isinstance(event, BuildWarning)]
    assert len(warnings) == 1
    assert "B" in warnings[0]
    plan = next(event for event in events if isinstance(event, BuildStarted)).steps
    started = [event for event in events if isinstance(event, StepStarted)]
    assert [event.text for event in started] == [step.text for step in plan]
    assert {event.total for event in started} == {len(plan)}


async def test_without_rm_containers_stay(docker: Bench) -> None:
    from workbench.engines.docker.builder import remove_container

    events = await docker.build("FROM busybox\nRUN echo hi\nCMD sh\nRUN echo ho\n", no_cache=True, rm=False)
    assert finished(events).outcome == "succeeded"
    assert output(events) == "hi\nho\n"
    lives: dict[str, list[str]] = {}
    for event in events:
        if isinstance(event, ContainerEvent):
            lives.setdefault(event.container, []).append(event.action)
    ran = ["created", "started", "exited", "committed"]
    assert list(lives.values()) == [ran, ["created", "committed"], ran]
    for container in lives:
        remove_container(docker.engine.address, container)  # type: ignore[attr-defined]


async def test_triggers_of_the_base(docker: Bench) -> None:
    base = docker.tag("triggers")
    await docker.build("FROM busybox\nONBUILD RUN echo triggered\nONBUILD ENV A=b\n", tags=(base,))
    events = await docker.build(f"FROM {base}\nRUN echo after\n", no_cache=True)
    assert finished(events).outcome == "succeeded"
    assert output(events) == "# Executing 2 build triggers\ntriggered\nafter\n"
    first = [event.action for event in events if isinstance(event, ContainerEvent) and event.step == 1]
    assert first == ["created", "started", "exited", "committed", "removed", "created", "committed", "removed"]


async def test_what_is_ignored_is_not_sent(docker: Bench) -> None:
    files = {"keep/a": "a", "drop/b": "b" * 100_000, ".dockerignore": "drop\nDockerfile\n"}
    events = await docker.build("FROM busybox\nCOPY . /all\nRUN find /all -type f | sort\n", files, no_cache=True)
    assert output(events) == "/all/.dockerignore\n/all/keep/a\n"
    sent = next(event for event in events if isinstance(event, ContextSent))
    assert sent.files == 3
    assert sent.bytes < 10_000


async def test_a_compressed_context(docker: Bench) -> None:
    events = await docker.build(
        "FROM busybox\nCOPY big /big\nRUN wc -c /big\n", {"big": "x" * 2_000_000}, compress=True
    )
    assert finished(events).outcome == "succeeded"
    sent = next(event for event in events if isinstance(event, ContextSent))
    assert sent.total_bytes is not None
    assert sent.bytes < sent.total_bytes / 50


async def test_a_dockerfile_outside_the_context(docker: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere.Dockerfile"
    outside.write_text("FROM busybox\nCOPY . /all\nRUN ls -A /all\n")
    request = docker.request("FROM nosuch\n", {"file": "x"}, dockerfile=str(outside), no_cache=True)
    events = [event async for event in docker.engine.build(request)]
    assert output(events).split() == ["Dockerfile", "file"]


async def test_a_revision_that_is_only_in_the_editor(docker: Bench) -> None:
    request = docker.request("FROM nosuch\n", dockerfile_text="FROM busybox\nRUN echo edited\n", no_cache=True)
    events = [event async for event in docker.engine.build(request)]
    assert output(events) == "edited\n"


async def test_a_dockerfile_in_a_folder_with_a_strange_name(docker: Bench) -> None:
    name = "sub dir/Docker[file] é.txt"
    request = docker.request("FROM nosuch\n", {name: "FROM busybox\nRUN echo found\n"}, dockerfile=name, no_cache=True)
    events = [event async for event in docker.engine.build(request)]
    assert output(events) == "found\n"


async def test_a_dockerfile_alone(docker: Bench) -> None:
    request = BuildRequest(context=None, dockerfile_text="FROM busybox\nRUN echo alone\n", no_cache=True)
    events = [event async for event in docker.engine.build(request)]
    assert output(events) == "alone\n"


async def test_a_malformed_ignore_file_ends_the_build_before_anything_is_sent(docker: Bench) -> None:
    events = await docker.build("FROM busybox\n", {".dockerignore": "[\n"})
    end = finished(events)
    assert (end.outcome, end.unfit) == ("failed", True)
    assert ".dockerignore:1" in (end.error or "")
    assert [type(event).__name__ for event in events] == ["BuildStarted", "BuildFinished"]


async def test_refusals_before_the_first_step_are_data(docker: Bench) -> None:
    events = await docker.build("FROM busybox\n", squash=True)
    end = finished(events)
    assert (end.outcome, end.lost) == ("failed", False)
    assert "squash" in (end.error or "")


async def test_a_base_that_is_nowhere(docker: Bench) -> None:
    end = finished(await docker.build("FROM localhost:1/nosuch:1\n"))
    assert (end.outcome, end.step, end.line) == ("failed", 1, 1)
    assert "base image" in end.hint


async def test_credentials_go_to_the_engine(docker: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nowhere else: they are in no event."""
    from workbench.engines.docker.client import Client

    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auths": {"localhost:1": {"auth": "bWU6c2VjcmV0LXdvcmQ="}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    headers: dict[str, str] = {}
    send = Client.request

    def spy(self: Client, *args: object, **kwargs: object) -> object:
        headers.update(kwargs.get("headers") or {})  # type: ignore[call-overload]
        return send(self, *args, **kwargs)

    monkeypatch.setattr(Client, "request", spy)
    events = await docker.build("FROM localhost:1/nosuch:1\n")
    assert "X-Registry-Config" in headers
    assert "secret-word" not in repr(events)


async def test_a_missing_credential_store_is_a_warning(
    docker: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "nosuch"}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    events = await docker.build("FROM busybox\n")
    assert finished(events).outcome == "succeeded"
    assert [event.code for event in events if isinstance(event, BuildWarning)] == ["credentials"]


async def test_an_exception_with_a_wildcard_brings_nothing_back(docker: Bench) -> None:
    """As the docker CLI has it, which goes into an excluded folder only where an exception begins with its path."""
    files = {"drop/keep/a": "a", "drop/b": "b", "other/c": "c", ".dockerignore": "drop\n!**/a\nother\n!other/c\n"}
    events = await docker.build("FROM busybox\nCOPY . /all\nRUN cd /all; find . -type f | sort\n", files, no_cache=True)
    assert output(events) == "./.dockerignore\n./Dockerfile\n./other/c\n"
