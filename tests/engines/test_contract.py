"""The laws of the event stream, on every engine: docker, buildkit, embedded, and replay as far as it has recordings."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections import Counter
from typing import Any, get_args

import pytest

from tests.engines.bench import BUILDERS, Bench, end_processes_with, finished, processes_with, replay
from workbench.build.events import (
    BuildEvent,
    BuildStarted,
    BuildWarning,
    ContainerAction,
    ContainerEvent,
    ContextSent,
    StepFinished,
    StepLog,
    StepStarted,
    from_json,
    to_json,
)
from workbench.build.progress import BuildProgress
from workbench.build.request import BuildRequest
from workbench.errors import DockerfileError, ImageNotFound, InputError, Unsupported, UsageError

ORDER = list(get_args(ContainerAction))
SECRET: dict[str, Any] = {"secrets": ("id=key",)}

GENESIS = 'FROM scratch\nMAINTAINER somebody <somebody@example.com>\nADD hello /\nCMD ["/hello"]\n'

MULTISTAGE = """\
ARG BASE=nosuch
FROM ${BASE} AS build
ARG VERSION=0
RUN echo "version $VERSION" \\
    > /version
FROM build AS unwanted
RUN false
FROM busybox AS last
COPY --from=build /version /version
RUN cat /version
"""


def check_laws(events: list[BuildEvent]) -> None:
    """What holds for every stream of every engine."""
    end = finished(events)
    assert isinstance(events[0], BuildStarted)
    assert sum(isinstance(event, BuildStarted) for event in events) == 1
    started = [event.step for event in events if isinstance(event, StepStarted)]
    ended = [event.step for event in events if isinstance(event, StepFinished)]
    assert max(Counter(started).values(), default=1) == 1, "a step starts once"
    assert max(Counter(ended).values(), default=1) == 1, "a step ends once"
    assert set(ended) <= set(started)
    if end.outcome == "succeeded":
        assert set(ended) == set(started)
        assert end.image.startswith("sha256:")
        assert len(end.image) == len("sha256:") + 64
    for event in events:
        assert from_json(json.loads(json.dumps(to_json(event)))) == event
        with pytest.raises(dataclasses.FrozenInstanceError):
            event.at = 0.0  # type: ignore[misc]
    check_containers(events)


def check_containers(events: list[BuildEvent]) -> None:
    """Each container's events come in the order of its life, within one step, `exited` with its code."""
    lives: dict[str, list[ContainerEvent]] = {}
    for event in events:
        if isinstance(event, ContainerEvent):
            lives.setdefault(event.container, []).append(event)
    for life in lives.values():
        ranks = [ORDER.index(event.action) for event in life]
        assert ranks == sorted(set(ranks)), [event.action for event in life]
        assert life[0].action == "created"
        assert len({event.step for event in life}) == 1
        for event in life:
            assert (event.exit_code is not None) == (event.action == "exited")


def log_of(events: list[BuildEvent], step: int) -> str:
    return str(BuildProgress().apply_all(events).logs.get(step, ""))


def actions(events: list[BuildEvent], step: int) -> list[str]:
    return [event.action for event in events if isinstance(event, ContainerEvent) and event.step == step]


@pytest.mark.parametrize("scenario", ["genesis", "failing", "multistage", "cached", "cancelled", "noisy"])
async def test_laws_of_recordings(scenario: str) -> None:
    engine = replay(scenario)
    events = [event async for event in engine.build(BuildRequest(context=None))]
    check_laws(events)


async def test_success(bench: Bench) -> None:
    tag = bench.tag("genesis")
    events = await bench.build(GENESIS, {"hello": "hello"}, tags=(tag,))
    check_laws(events)
    end = finished(events)
    assert (end.outcome, end.tags) == ("succeeded", (tag,))
    steps = [event for event in events if isinstance(event, StepStarted)]
    assert [(it.step, it.total, it.line, it.end_line) for it in steps] == [(n, 4, n, n) for n in (1, 2, 3, 4)]
    assert [it.text for it in steps] == GENESIS.splitlines()
    plan = next(event for event in events if isinstance(event, BuildStarted)).steps
    assert [(it.step, it.text, it.line) for it in plan] == [(it.step, it.text, it.line) for it in steps]
    sent = [event for event in events if isinstance(event, ContextSent)]
    assert len(sent) == 1
    assert sent[0].files >= 2
    assert sent[0].bytes > 0
    config = (await bench.engine.images.inspect(tag))["Config"]
    assert config["Cmd"] == ["/hello"]


async def test_stages_with_target_and_arguments(bench: Bench) -> None:
    tag = bench.tag("stages")
    events = await bench.build(
        MULTISTAGE, tags=(tag,), target="build", build_args={"BASE": "busybox", "VERSION": "7.1"}, no_cache=True
    )
    check_laws(events)
    assert finished(events).outcome == "succeeded"
    run = next(event for event in events if isinstance(event, StepStarted) and event.text.startswith("RUN echo"))
    assert (run.line, run.end_line, run.stage) == (4, 5, "build")
    assert not any(isinstance(event, StepStarted) and event.text == "RUN false" for event in events)
    assert finished(events).image == (await bench.engine.images.inspect(tag))["Id"]


async def test_copy_from_a_stage(bench: Bench) -> None:
    text = MULTISTAGE.replace("FROM build AS unwanted\nRUN false\n", "")
    events = await bench.build(text, build_args={"BASE": "busybox", "VERSION": "7.2"}, no_cache=True)
    check_laws(events)
    assert finished(events).outcome == "succeeded"
    last = max(event.step for event in events if isinstance(event, StepStarted))
    assert log_of(events, last) == "version 7.2\n"


async def test_a_failing_step_is_data(bench: Bench) -> None:
    tag = bench.tag("failing")
    text = "FROM busybox\nWORKDIR /srv\nRUN echo out; \\\n    echo err >&2; \\\n    exit 7\nCMD sh\n"
    events = await bench.build(text, tags=(tag,), force_rm=True)
    check_laws(events)
    end = finished(events)
    assert (end.outcome, end.step, end.line, end.lost) == ("failed", 3, 3, False)
    assert end.error is not None
    assert "7" in end.error
    failed = [event for event in events if isinstance(event, StepFinished) and event.error is not None]
    assert [event.step for event in failed] == [3]
    assert sorted(log_of(events, 3).split()) == ["err", "out"]
    codes = [event.exit_code for event in events if isinstance(event, ContainerEvent) and event.action == "exited"]
    assert codes[-1:] == ([7] if bench.has_containers else [])
    assert "committed" not in actions(events, 3)
    with pytest.raises(ImageNotFound):
        await bench.engine.images.inspect(tag)


async def test_copy_of_nothing(bench: Bench) -> None:
    events = await bench.build("FROM busybox\nCOPY nothing /there\n")
    check_laws(events)
    end = finished(events)
    assert (end.outcome, end.step, end.line) == ("failed", 2, 2)
    assert "nothing" in (end.error or "")


async def test_a_dockerfile_that_does_not_parse_raises(bench: Bench) -> None:
    build = bench.engine.build(bench.request("FROM busybox\n  RUNN true\n"))
    with pytest.raises(DockerfileError) as caught:
        await build.__anext__()
    assert (caught.value.line, caught.value.column) == (2, 3)
    await build.aclose()


async def test_what_is_not_there_raises(bench: Bench) -> None:
    request = bench.request("FROM busybox\n")
    for wrong, error in (
        ({"dockerfile": "Other"}, InputError),
        ({"target": "nosuch"}, UsageError),
        ({"context": bench.context / "nosuch"}, InputError),
    ):
        build = bench.engine.build(dataclasses.replace(request, **wrong))  # type: ignore[arg-type]
        with pytest.raises(error):
            await build.__anext__()
        await build.aclose()


async def test_an_option_it_cannot_honour_is_refused_by_name(bench: Bench) -> None:
    cases: dict[str, tuple[str, dict[str, Any]]] = {
        "buildkit": ("--memory", {"memory": 1 << 26}),
        "embedded": ("--isolation", {"isolation": "hyperv"}),
    }
    flag, options = cases.get(bench.name, ("--secret", SECRET))
    build = bench.engine.build(bench.request("FROM busybox\n", **options))
    with pytest.raises(Unsupported) as caught:
        await build.__anext__()
    assert caught.value.what == flag
    assert caught.value.engine == bench.name
    assert flag not in bench.engine.capabilities().options
    await build.aclose()


async def test_cancelling_leaves_nothing(bench: Bench) -> None:
    tag = bench.tag("cancelled")
    marker = f"3{bench.prefix.encode().hex()[-6:]}"  # seconds to sleep that no other process has
    request = bench.request(f"FROM busybox\nRUN echo ready; sleep {marker}\n", tags=(tag,), no_cache=True)
    build = bench.engine.build(request)
    events: list[BuildEvent] = []
    asked = 0.0
    async for event in build:
        events.append(event)
        if isinstance(event, StepLog) and "ready" in event.text:
            assert processes_with(marker)
            asked = time.monotonic()
            build.cancel()
            build.cancel()
    took = time.monotonic() - asked
    assert asked
    check_laws(events)
    assert finished(events).outcome == "cancelled"
    assert took < 1.0
    if bench.podman:
        # Podman lets the command run to its end (its issue 14523), which is said.
        assert [event.code for event in events if isinstance(event, BuildWarning)] == ["left-running"]
        end_processes_with(marker)
    assert not processes_with(marker)
    assert "committed" not in actions(events, 2)
    assert actions(events, 2)[-1:] == (["removed"] if bench.has_containers else [])
    with pytest.raises(ImageNotFound):
        await bench.engine.images.inspect(tag)
    assert finished(await bench.build("FROM busybox\nRUN true\n", no_cache=True)).outcome == "succeeded"


async def test_leaving_a_build_cancels_it(bench: Bench) -> None:
    marker = f"4{bench.prefix.encode().hex()[-6:]}"
    build = bench.engine.build(bench.request(f"FROM busybox\nRUN echo ready; sleep {marker}\n", no_cache=True))
    async for event in build:
        if isinstance(event, StepLog) and "ready" in event.text:
            break
    await build.aclose()
    if bench.podman:
        end_processes_with(marker)
    assert not processes_with(marker)


async def test_cancelling_before_the_start(bench: Bench) -> None:
    build = bench.engine.build(bench.request("FROM busybox\n"))
    build.cancel()
    events = [event async for event in build]
    assert finished(events).outcome == "cancelled"


async def test_containers_of_a_run(bench: Bench) -> None:
    events = await bench.build("FROM busybox\nRUN true\nRUN true # again\n", no_cache=True)
    check_laws(events)
    if not bench.has_containers:
        assert not [event for event in events if isinstance(event, ContainerEvent)]
        return
    for step in (2, 3):
        assert actions(events, step) == ORDER
    exits = [event for event in events if isinstance(event, ContainerEvent) and event.action == "exited"]
    assert [event.exit_code for event in exits] == [0, 0]
    first_end = next(i for i, it in enumerate(events) if isinstance(it, StepFinished) and it.step == 2)
    last_life = max(i for i, it in enumerate(events) if isinstance(it, ContainerEvent) and it.step == 2)
    assert last_life < first_end, "a step ends after its container"


async def test_no_line_of_a_log_is_lost_to_a_slow_reader(bench: Bench) -> None:
    lines = 20_000
    text = f"FROM busybox\nRUN i=0; while [ $i -lt {lines} ]; do echo line $i; i=$((i+1)); done\n"
    request = bench.request(text, no_cache=True)
    parts: list[str] = []
    warnings: list[BuildWarning] = []
    end: Any = None
    async for event in bench.engine.build(request):
        if isinstance(event, StepLog):
            parts.append(event.text)
            if len(parts) < 40:
                await asyncio.sleep(0.005)  # the reader is slow on purpose
        elif isinstance(event, BuildWarning):
            warnings.append(event)
        end = event
    assert end.outcome == "succeeded"
    told, wanted = "".join(parts), "".join(f"line {number}\n" for number in range(lines))
    if bench.name == "buildkit" and told != wanted:
        # BuildKit itself keeps only so much of a log a second: that much is whole, and the loss is said.
        assert [event.code for event in warnings] == ["log-clipped"]
        told = told.partition("\n[output clipped")[0]
        assert len(told) > 20_000
        wanted = wanted[: len(told)]
    assert told == wanted


async def test_text_is_raw(bench: Bench) -> None:
    noise = "[bold]not bold[/bold] \x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J & <b> ✔ end"
    printed = noise.replace("\x1b", "\\033").replace("\x07", "\\007")
    events = await bench.build(f"FROM busybox\nRUN printf '%b\\n' '{printed}'\n", no_cache=True)
    check_laws(events)
    assert log_of(events, 2) == f"{noise}\n"


async def test_stderr_is_told_apart(bench: Bench) -> None:
    events = await bench.build("FROM busybox\nRUN echo to-out; echo to-err >&2\n", no_cache=True)
    streams = {event.text.strip(): event.stream for event in events if isinstance(event, StepLog)}
    assert streams == {"to-out": "stdout", "to-err": "stdout" if bench.podman else "stderr"}


async def test_a_command_cannot_speak_for_the_engine(bench: Bench) -> None:
    forged = [
        "Step 9/9 : FROM evil",
        " ---> Running in 0123456789ab",
        "Removing intermediate container $HOSTNAME",
        " ---> 0123456789ab",
        "Successfully built 0123456789ab",
        "Successfully tagged evil:latest",
    ]
    script = "; sleep 0.02; ".join(f'echo "{line}"' for line in forged)
    events = await bench.build(f"FROM busybox\nRUN {script}\nRUN echo after\n", no_cache=True)
    check_laws(events)
    assert finished(events).outcome == "succeeded"
    # Docker gives a container its own ID as host name: with it the words are the builder's to the letter.
    for line, wanted in zip(log_of(events, 2).splitlines(), forged, strict=True):
        assert line.startswith(wanted.partition("$")[0])
    assert log_of(events, 3) == "after\n"


async def test_a_second_build_is_cached(bench: Bench) -> None:
    text = f"FROM busybox\nRUN echo {bench.prefix}\nCOPY file /file\n"
    first = await bench.build(text, {"file": "one"})
    second = await bench.build(text, {"file": "one"})
    check_laws(second)
    assert [event.cached for event in first if isinstance(event, StepFinished)] == [False, False, False]
    assert [event.cached for event in second if isinstance(event, StepFinished)][1:] == [True, True]
    assert not [event for event in second if isinstance(event, ContainerEvent)]
    assert finished(second).image == finished(first).image
    third = await bench.build(text, {"file": "two"})
    assert [event.cached for event in third if isinstance(event, StepFinished)][1:] == [True, False]


async def test_images_after_a_build(bench: Bench) -> None:
    tag = bench.tag("images")
    end = finished(await bench.build(GENESIS, {"hello": bench.prefix}, tags=(tag,)))
    images = bench.engine.images
    listed = [image for image in await images.list() if bench.listed(tag) in image.tags]
    assert [image.id for image in listed] == [end.image]
    # Podman counts a layer as the tar that it is, and what a history's entry added not at all.
    assert listed[0].size == len(bench.prefix) or bench.podman
    assert (await images.inspect(tag))["Id"] == end.image
    history = await images.history(tag)
    assert [entry.size for entry in history] == [0, len(bench.prefix), 0] or bench.podman
    plan = await images.plan_removal([tag])
    assert (plan.untagged[0], plan.blocked) == (bench.listed(tag), "")
    assert len(plan.untagged) == 1 or bench.podman, "Podman has a digest for each image"
    assert end.image in plan.deleted
    removed = await images.remove([tag])
    assert end.image in removed.deleted
    with pytest.raises(ImageNotFound):
        await images.inspect(tag)


async def test_save_and_load(bench: Bench) -> None:
    tag = bench.tag("saved")
    end = finished(await bench.build(GENESIS, {"hello": f"saved {bench.prefix}"}, tags=(tag,)))
    archive = bench.context.parent / "saved.tar"
    images = bench.engine.images
    await images.save([tag], archive)
    assert [path.name for path in archive.parent.glob("*saved.tar*")] == ["saved.tar"]
    await images.remove([tag])
    assert list(await images.load(archive)) == [bench.listed(tag)]
    assert (await images.inspect(tag))["Id"] == end.image


async def test_builds_side_by_side(bench: Bench) -> None:
    """Containers of one build never appear in the other."""
    text = "FROM busybox\nRUN echo ready; sleep 0.3; echo {}\n"
    request = bench.request("FROM busybox\n", no_cache=True)

    async def one(name: str) -> list[BuildEvent]:
        build = bench.engine.build(dataclasses.replace(request, dockerfile_text=text.format(name)))
        return [event async for event in build]

    first, second = await asyncio.gather(one("first"), one("second"))
    for events, name in ((first, "first"), (second, "second")):
        check_laws(events)
        assert log_of(events, 2) == f"ready\n{name}\n"
        assert actions(events, 2) == (ORDER if bench.has_containers else [])


def test_the_contract_runs_on_an_engine() -> None:
    assert {"docker", "buildkit"} <= set(BUILDERS)
