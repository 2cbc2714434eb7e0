"""Builds by the BuildKit of a real Docker Engine."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest

from tests.engines.bench import Bench, finished
from tests.engines.conftest import buildkit_engine
from tests.engines.docker.proxy import Canned, Proxy
from workbench.build.events import BuildEvent, BuildFinished, ContextSent, StepFinished, StepLog, StepStarted
from workbench.build.request import BuildRequest
from workbench.engines.buildkit.engine import BuildKitEngine
from workbench.errors import EngineUnavailable, Unsupported

pytestmark = pytest.mark.slow  # the contract on a real engine is in the quick tests


def sent(events: list[BuildEvent]) -> ContextSent:
    (found,) = [event for event in events if isinstance(event, ContextSent)]
    return found


def log(events: list[BuildEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, StepLog))


def succeeded(events: list[BuildEvent]) -> None:
    end = finished(events)
    assert end.outcome == "succeeded", end.error


async def test_of_500_files_one_that_changed_is_sent(buildkit: Bench) -> None:
    files = {f"src/{n % 10}/file-{n}": f"{buildkit.prefix} {n}\n" * 20 for n in range(500)}
    text = "FROM busybox\nCOPY src /src\nRUN cat /src/7/file-77 | tail -n 1; ls -R /src | grep -c file-\n"
    first = await buildkit.build(text, files)
    succeeded(first)
    assert sent(first).files == 501
    assert sent(first).bytes == sum(map(len, files.values())) + len(text)
    again = await _again(buildkit)
    # Newer engines ask for the Dockerfile every time.
    extra = (1, len(text)) if sent(again).files else (0, 0)
    assert (sent(again).files, sent(again).bytes) == extra
    assert sent(again).total_bytes == sent(first).bytes
    (buildkit.context / "src/7/file-77").write_text("changed\n")
    third = await _again(buildkit)
    succeeded(third)
    assert (sent(third).files - extra[0], sent(third).bytes - extra[1]) == (1, len("changed\n"))
    assert log(third).split() == ["changed", "500"]


async def _again(bench: Bench) -> list[BuildEvent]:
    return [event async for event in bench.engine.build(BuildRequest(context=bench.context))]


async def test_ignore_rules_are_honoured(buildkit: Bench) -> None:
    files = {".dockerignore": "logs\n!logs/keep\n*.md\n", "logs/a": "", "logs/keep": "", "README.md": "", "é è": ""}
    events = await buildkit.build("FROM busybox\nCOPY . /c\nRUN cd /c && find . -type f | sort\n", files, no_cache=True)
    succeeded(events)
    assert log(events).splitlines() == ["./.dockerignore", "./Dockerfile", "./logs/keep", "./é è"]


async def test_rules_beside_the_dockerfile(buildkit: Bench) -> None:
    files = {".dockerignore": "a\n", "build/Other": "FROM busybox\nCOPY a* /c/\nRUN ls /c\n",
             "build/Other.dockerignore": "ab\n", "a": "", "ab": ""}  # fmt: skip
    succeeded(events := await buildkit.build("FROM nosuch\n", files, dockerfile="build/Other", no_cache=True))
    assert log(events) == "a\n"


async def test_links_modes_and_owners(buildkit: Bench) -> None:
    (buildkit.context / "real").mkdir()
    (buildkit.context / "real/file").write_text("content")
    (buildkit.context / "real/file").chmod(0o750)
    (buildkit.context / "real/again").hardlink_to(buildkit.context / "real/file")
    (buildkit.context / "link").symlink_to("real/file")
    text = "FROM busybox\nCOPY real link /c/\nRUN cd /c && stat -c '%n %a %u:%g' * && cat link\n"
    succeeded(events := await buildkit.build(text, no_cache=True))
    assert log(events) == "again 750 0:0\nfile 750 0:0\nlink 750 0:0\ncontent"


async def test_a_text_without_a_context(buildkit: Bench) -> None:
    request = BuildRequest(context=None, dockerfile_text="FROM busybox\nRUN echo alone\n", no_cache=True)
    events = [event async for event in buildkit.engine.build(request)]
    succeeded(events)
    assert log(events) == "alone\n"
    assert sent(events).files == 1


async def test_the_text_of_the_editor_is_what_is_built(buildkit: Bench) -> None:
    request = buildkit.request("FROM busybox\nRUN echo on-disk\n", no_cache=True)
    request = dataclasses.replace(request, dockerfile_text="FROM busybox\nRUN echo in-editor\n")
    assert log([event async for event in buildkit.engine.build(request)]) == "in-editor\n"


async def test_options_take_effect(buildkit: Bench) -> None:
    tag = buildkit.tag("options")
    run = "RUN echo $A; grep somewhere /etc/hosts; ls /sys/class/net"
    text = f"FROM busybox AS one\nARG A\n{run}\nFROM busybox\nRUN false\n"
    events = await buildkit.build(
        text, tags=(tag,), target="one", build_args={"A": "given"}, labels={"l": "v w"}, no_cache=True,
        add_hosts=("somewhere:10.1.2.3",), network="none",
    )  # fmt: skip
    succeeded(events)
    assert log(events).split() == ["given", "10.1.2.3", "somewhere", "lo"]
    config = (await buildkit.engine.images.inspect(tag))["Config"]
    assert config["Labels"] == {"l": "v w"}


async def test_a_secret_is_there_and_nowhere_else(buildkit: Bench, tmp_path: Path) -> None:
    tag = buildkit.tag("secret")
    (tmp_path / "key").write_text("very secret")
    text = "FROM busybox\nRUN --mount=type=secret,id=key wc -c < /run/secrets/key\nRUN ls /run/secrets | wc -l\n"
    events = await buildkit.build(text, tags=(tag,), secrets=(f"id=key,src={tmp_path}/key",), no_cache=True)
    succeeded(events)
    assert log(events).split()[0] == "11"
    assert not any("very secret" in repr(event) for event in events)
    assert "very secret" not in repr(await buildkit.engine.images.history(tag))


async def test_a_secret_that_was_not_given(buildkit: Bench) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,id=key,required=true true\n"
    end = finished(await buildkit.build(text))
    assert (end.outcome, end.step, end.line) == ("failed", 2, 2)
    assert "key" in (end.error or "")


async def test_triggers_of_the_base(buildkit: Bench) -> None:
    base = buildkit.tag("base")
    succeeded(await buildkit.build("FROM busybox\nONBUILD RUN echo triggered\nONBUILD COPY file /\n", tags=(base,)))
    events = await buildkit.build(f"FROM {base}\nRUN echo own\n", {"file": ""}, no_cache=True)
    succeeded(events)
    assert {event.step: event.text for event in events if isinstance(event, StepLog)} == {1: "triggered\n", 2: "own\n"}
    assert [event.step for event in events if isinstance(event, StepStarted)] == [1, 2]


async def test_a_base_that_is_not_there(buildkit: Bench) -> None:
    end = finished(await buildkit.build("FROM busybox\nFROM localhost:1/nosuch:1\nRUN true\n"))
    assert (end.outcome, end.step, end.line, end.lost) == ("failed", 1, 2, False)
    assert "nosuch" in (end.error or "")
    assert "base image" in end.hint


async def test_stages_side_by_side(buildkit: Bench) -> None:
    text = (
        "FROM busybox AS one\nRUN sleep 0.6; echo one > /one\nFROM busybox AS two\nRUN sleep 0.6; echo two > /two\n"
        "FROM scratch\nCOPY --from=one /one /\nCOPY --from=two /two /\n"
    )
    events = await buildkit.build(text, no_cache=True)
    succeeded(events)
    steps = [(type(event), event.step) for event in events if isinstance(event, StepStarted | StepFinished)]
    ends = [steps.index((StepFinished, step)) for step in (2, 4)]
    assert max(steps.index((StepStarted, step)) for step in (2, 4)) < min(ends)


async def test_a_context_elsewhere_is_refused_by_name(buildkit: Bench) -> None:
    build = buildkit.engine.build(BuildRequest(context=None, remote="https://example.com/x.git"))
    with pytest.raises(Unsupported, match="fetches itself"):
        await build.__anext__()
    await build.aclose()


async def test_what_the_engine_says_of_itself(buildkit: Bench) -> None:
    info = await buildkit.engine.check()
    assert info.name == "buildkit" and info.version[0].isdecimal()
    assert info.details[0].startswith("BuildKit ")


async def test_killed_in_the_middle_of_a_step(buildkit: Bench, tmp_path: Path) -> None:
    assert isinstance(buildkit.engine, BuildKitEngine)
    proxy = Proxy(tmp_path / "engine.sock", buildkit.engine.address.rest)
    events: list[BuildEvent] = []
    cut_at = 0.0
    request = buildkit.request("FROM busybox\nRUN echo ready; sleep 60\n", no_cache=True)
    async for event in buildkit_engine(proxy.host).build(request):
        events.append(event)
        if isinstance(event, StepLog):
            cut_at = time.monotonic()
            proxy.cut()
    assert time.monotonic() - cut_at < 1
    end = finished(events)
    assert (end.outcome, end.lost, end.step, end.line) == ("failed", True, 2, 2)
    assert "went away" in (end.error or "")


async def test_an_engine_that_never_answers(tmp_path: Path) -> None:
    mute = Canned(tmp_path / "engine.sock", None)
    began = time.monotonic()
    with pytest.raises(EngineUnavailable):
        await buildkit_engine(mute.host).check()
    assert time.monotonic() - began < 3
    build = buildkit_engine(mute.host).build(BuildRequest(context=None, dockerfile_text="FROM busybox\n"))
    dialled = len(mute._kept)
    first = asyncio.ensure_future(build.__anext__())
    while len(mute._kept) == dialled:
        await asyncio.sleep(0.01)
    began = time.monotonic()
    build.cancel()
    event = await first
    assert isinstance(event, BuildFinished) and event.outcome == "cancelled"
    assert time.monotonic() - began < 1
    mute.close()


@pytest.mark.parametrize("option", [{"shm_size": 1 << 25}, {"ulimits": ("nofile=123:456",)}])
async def test_newer_options_take_effect_or_are_refused(buildkit: Bench, option: dict[str, Any]) -> None:
    text = "FROM busybox\nRUN ulimit -n; df -k /dev/shm | tail -n 1\n"
    try:
        events = await buildkit.build(text, no_cache=True, **option)
    except Unsupported as error:
        info = await buildkit.engine.check()
        assert "BuildKit before 0.11" in info.details and error.what in ("--shm-size", "--ulimit")
        return
    succeeded(events)
    limit, _, shm, *_ = log(events).split()
    assert shm == "32768" if "shm_size" in option else limit == "123"
