"""The laws that `ThreadBuild` keeps for every engine whose work blocks."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.engines.bench import finished
from workbench.build.events import BuildEvent, BuildFinished, BuildStarted, StepLog
from workbench.engines.worker import QUEUE_BOUND, Cancel, Cancelled, Emit, ThreadBuild
from workbench.errors import DockerfileError, EngineLost, InputError, StoreError

STARTED = BuildStarted(build="1", engine="test")
DONE = BuildFinished(outcome="succeeded", image="sha256:1")


async def events_of(build: ThreadBuild) -> list[BuildEvent]:
    return [event async for event in build]


async def test_events_come_in_order_and_end() -> None:
    def work(emit: Emit, cancel: Cancel) -> None:
        emit(STARTED)
        for number in range(100):
            emit(StepLog(step=1, text=str(number)))
        emit(DONE)

    events = await events_of(ThreadBuild(work))
    assert [event.text for event in events if isinstance(event, StepLog)] == [str(number) for number in range(100)]
    assert finished(events) == DONE


async def test_a_failure_to_start_raises_once() -> None:
    def work(emit: Emit, cancel: Cancel) -> None:
        raise DockerfileError(3, 1, "no such instruction")

    build = ThreadBuild(work)
    with pytest.raises(DockerfileError):
        await build.__anext__()
    with pytest.raises(StopAsyncIteration):
        await build.__anext__()


@pytest.mark.parametrize(
    ("error", "said", "hint", "lost", "unfit"),
    [
        (StoreError("the disk is full", hint="Make room."), "the disk is full", "Make room.", False, False),
        (EngineLost("gone", hint="Look."), "gone", "Look.", True, False),
        (InputError("cannot read a", hint="Look."), "cannot read a", "Look.", False, True),
        (ZeroDivisionError("oh"), "internal error: ZeroDivisionError: oh", "", False, False),
    ],
)
async def test_a_later_failure_is_data(error: Exception, said: str, hint: str, lost: bool, unfit: bool) -> None:
    def work(emit: Emit, cancel: Cancel) -> None:
        emit(STARTED)
        raise error

    end = finished(await events_of(ThreadBuild(work)))
    assert (end.outcome, end.error, end.hint, end.lost, end.unfit) == ("failed", said, hint, lost, unfit)


async def test_work_that_forgets_its_end_is_a_failure() -> None:
    end = finished(await events_of(ThreadBuild(lambda emit, cancel: emit(STARTED))))
    assert end.outcome == "failed"


async def test_nothing_comes_after_the_end() -> None:
    raised: list[BaseException] = []

    def work(emit: Emit, cancel: Cancel) -> None:
        emit(DONE)
        try:
            emit(STARTED)
        except RuntimeError as error:
            raised.append(error)

    assert await events_of(ThreadBuild(work)) == [DONE]
    assert len(raised) == 1


async def test_cancelling_wakes_what_blocks() -> None:
    def work(emit: Emit, cancel: Cancel) -> None:
        blocked = threading.Event()
        cancel.on_ask(blocked.set)
        emit(STARTED)
        blocked.wait(60)
        cancel.check()

    build = ThreadBuild(work)
    assert await build.__anext__() == STARTED
    began = time.monotonic()
    build.cancel()
    build.cancel()
    assert finished(await events_of(build)).outcome == "cancelled"
    assert time.monotonic() - began < 1


async def test_an_error_after_cancelling_is_the_cancelling() -> None:
    def work(emit: Emit, cancel: Cancel) -> None:
        emit(STARTED)
        while not cancel.asked:
            time.sleep(0.001)
        raise OSError("the socket was closed")

    build = ThreadBuild(work)
    await build.__anext__()
    build.cancel()
    assert finished(await events_of(build)).outcome == "cancelled"


async def test_cancelling_before_the_start_never_works() -> None:
    ran: list[bool] = []
    build = ThreadBuild(lambda emit, cancel: ran.append(True))
    build.cancel()
    assert finished(await events_of(build)).outcome == "cancelled"
    assert not ran


async def test_a_slow_reader_holds_the_work_and_loses_nothing() -> None:
    count = QUEUE_BOUND * 2
    sent: list[int] = []

    def work(emit: Emit, cancel: Cancel) -> None:
        for number in range(count):
            emit(StepLog(step=1, text=f"{number}\n"))
            sent.append(number)
        emit(DONE)

    build = ThreadBuild(work)
    first = await build.__anext__()
    while len(sent) < QUEUE_BOUND:
        await asyncio.sleep(0.001)
    for _ in range(20):
        await asyncio.sleep(0.001)
        assert len(sent) <= QUEUE_BOUND + 1
    rest = [event.text for event in await events_of(build) if isinstance(event, StepLog)]
    assert isinstance(first, StepLog)
    assert [first.text, *rest] == [f"{number}\n" for number in range(count)]


async def test_cancelling_frees_work_that_is_held_by_the_bound() -> None:
    def work(emit: Emit, cancel: Cancel) -> None:
        while True:
            emit(StepLog(step=1, text="x"))
            cancel.check()

    build = ThreadBuild(work)
    await build.__anext__()
    while len(build._events) < QUEUE_BOUND:
        await asyncio.sleep(0.001)
    began = time.monotonic()
    build.cancel()
    assert finished(await events_of(build)).outcome == "cancelled"
    assert time.monotonic() - began < 1


async def test_closing_waits_until_the_work_has_ended() -> None:
    ended = threading.Event()

    def work(emit: Emit, cancel: Cancel) -> None:
        try:
            while True:
                emit(StepLog(step=1, text="x"))
                cancel.check()
        finally:
            ended.set()

    build = ThreadBuild(work)
    await build.__anext__()
    await build.aclose()
    assert ended.is_set()
    await build.aclose()


async def test_closing_a_build_that_never_ran() -> None:
    await ThreadBuild(lambda emit, cancel: None).aclose()


def test_cancel_calls_each_callback_once() -> None:
    cancel = Cancel()
    called: list[str] = []
    cancel.on_ask(lambda: called.append("first"))
    forget = cancel.on_ask(lambda: called.append("second"))
    forget()
    forget()
    cancel.ask()
    cancel.ask()
    cancel.on_ask(lambda: called.append("late"))
    assert called == ["first", "late"]
    with pytest.raises(Cancelled):
        cancel.check()


def test_a_closed_loop_cancels_the_work() -> None:
    asked = threading.Event()

    def work(emit: Emit, cancel: Cancel) -> None:
        cancel.on_ask(asked.set)
        emit(STARTED)
        asked.wait(10)

    async def leave() -> None:
        build = ThreadBuild(work)
        await build.__anext__()
        kept.append(build)

    kept: list[ThreadBuild] = []
    asyncio.run(leave())
    kept[0].cancel()
    assert asked.wait(5)
