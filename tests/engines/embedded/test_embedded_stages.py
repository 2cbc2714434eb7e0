"""Stages that need nothing of each other run side by side; what needs another waits; a failure ends all."""

from __future__ import annotations

import threading
import time

import pytest
from builds import Builder

from tests.engines.bench import processes_with
from workbench.build.events import BuildEvent, BuildFinished, StepFinished, StepLog, StepStarted
from workbench.build.request import BuildRequest
from workbench.engines.embedded.bwrap import Ability
from workbench.engines.embedded.side_by_side import MOST, SideBySide
from workbench.engines.worker import Cancelled

_MEET = "touch /c/{id}-{me}; until [ -e /c/{id}-{other} ]; do sleep 0.01; done; echo {me} > /{me}"


def meeting(identifier: str) -> str:
    """Two stages of which each waits for the other."""
    mount = "RUN --mount=type=cache,target=/c"
    one = _MEET.format(id=identifier, me="1", other="2")
    two = _MEET.format(id=identifier, me="2", other="1")
    text = f"FROM busybox AS one\n{mount} {one}\nFROM busybox AS two\n{mount} {two}\n"
    return text + "FROM busybox\nCOPY --from=one /1 /\nCOPY --from=two /2 /\nRUN cat /1 /2\n"


async def test_two_stages_meet(build: Builder, sandbox: Ability) -> None:
    """Each waits for the other: one after the other they would never end."""
    result = await build(meeting("meet"))
    assert result.end.outcome == "succeeded", result.end
    assert result.log == "1\n2\n"
    started = [event.step for event in result.events if isinstance(event, StepStarted)]
    assert sorted(started) == list(range(1, 9))
    assert started.index(6) > started.index(4)
    again = await build(meeting("meet"))
    assert again.image == result.image


async def test_the_image_is_the_same_however_stages_run(build: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"FROM busybox AS s{n}\nWORKDIR /d{n}\nENV N={n}\n" for n in range(6)) + "FROM busybox\n"
    text += "".join(f"COPY --from=s{n} /d{n} /d{n}\n" for n in range(6))
    first = await build(text)
    monkeypatch.setattr("workbench.engines.embedded.side_by_side.MOST", 1)
    assert (await build(text, no_cache=True)).diff_ids() == first.diff_ids()


async def test_a_failure_ends_the_others(build: Builder, sandbox: Ability) -> None:
    marker = "4177.25"
    text = f"FROM busybox AS one\nRUN echo ready; sleep {marker}\nFROM busybox AS two\nRUN sleep 0.3; exit 3\n"
    text += "FROM busybox\nCOPY --from=one /etc /a\nCOPY --from=two /etc /b\n"
    before = time.monotonic()
    result = await build(text)
    assert time.monotonic() - before < 20
    assert (result.end.outcome, result.end.step, result.end.line) == ("failed", 4, 4)
    assert [event.step for event in result.events if isinstance(event, StepFinished) and event.error] == [4]
    assert not processes_with(marker)


async def test_cancelling_ends_all_stages(build: Builder, sandbox: Ability) -> None:
    marker = "4178.25"
    text = "".join(f"FROM busybox AS s{n}\nRUN echo ready; sleep {marker}\n" for n in range(2))
    text += "FROM busybox\nCOPY --from=s0 /etc /a\nCOPY --from=s1 /etc /b\n"
    build.put({"Dockerfile": text})
    running = build.engine.build(BuildRequest(context=build.context))
    ready = 0
    asked = 0.0
    events: list[BuildEvent] = []
    async for event in running:
        events.append(event)
        ready += isinstance(event, StepLog) and "ready" in event.text
        if ready == 2 and not asked:
            asked = time.monotonic()
            running.cancel()
    assert time.monotonic() - asked < 1.0
    assert isinstance(events[-1], BuildFinished)
    assert events[-1].outcome == "cancelled"
    assert not processes_with(marker)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("stage")]


def test_order_and_bound() -> None:
    needs = {0: (), 1: (0,), 2: (), 3: (), 4: (1, 2, 3), 5: ()}
    lock = threading.Lock()
    running: set[int] = set()
    done: list[int] = []
    most = 0

    def work(stage: int) -> None:
        nonlocal most
        with lock:
            assert set(needs[stage]) <= set(done)
            running.add(stage)
            most = max(most, len(running))
        with lock:
            running.discard(stage)
            done.append(stage)

    SideBySide(needs, lambda: None).run(work)
    assert sorted(done) == list(needs)
    assert most <= MOST


def test_the_first_failure_is_raised_and_nothing_more_begins() -> None:
    stopped = threading.Event()
    begun: list[int] = []

    def work(stage: int) -> None:
        begun.append(stage)
        if stage == 1:
            raise ValueError("first")
        assert stopped.wait(10)
        raise Cancelled

    with pytest.raises(ValueError, match="first"):
        SideBySide({0: (), 1: (), 2: (0, 1)}, stopped.set).run(work)
    assert sorted(begun) == [0, 1]


def test_a_stage_that_is_needed_late_gets_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """More stages wait than may run: those that are waited for run in their place."""
    monkeypatch.setattr("workbench.engines.embedded.side_by_side.MOST", 1)
    done: list[int] = []
    turns = SideBySide({3: (), 4: (), 1: (0,), 0: ()}, lambda: None)

    def work(stage: int) -> None:
        if stage in (3, 4):
            turns.wait_for(1)
        done.append(stage)

    turns.run(work)
    assert done.index(1) < min(done.index(3), done.index(4))
