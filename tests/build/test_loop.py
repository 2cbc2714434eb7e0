"""The live loop against a watch and an engine that the test drives: no disk, no clock."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from workbench.build import watching
from workbench.build.events import BuildEvent, BuildFinished, BuildStarted
from workbench.build.loop import LiveLoop, LoopState
from workbench.build.request import BuildRequest
from workbench.context.watch import ContextChanged
from workbench.errors import DockerfileError, EngineLost, EngineUnavailable
from workbench.files import replace_file

CONTEXT = Path("/context")


class Disk:
    """A file whose content is a number, and the watch that reports its saves."""

    def __init__(self) -> None:
        self.content = 0
        self.changes: asyncio.Queue[frozenset[str] | Exception | None] = asyncio.Queue()
        self.calls: list[dict[str, Any]] = []

    def save(self, *paths: str) -> None:
        self.content += 1
        self.changes.put_nowait(frozenset(paths or {"Dockerfile"}))

    async def watch(self, context: Path, **options: Any) -> AsyncIterator[Any]:
        self.calls.append({"context": context, **options})
        yield ContextChanged(frozenset())
        while True:
            change = asyncio.ensure_future(self.changes.get())
            end = asyncio.ensure_future(options["stop"].wait())
            await asyncio.wait({change, end}, return_when=asyncio.FIRST_COMPLETED)
            if end.done() or change.result() is None:
                change.cancel()
                end.cancel()
                return
            end.cancel()
            if isinstance(found := change.result(), Exception):
                raise found
            yield ContextChanged(found)


class FakeBuild:
    """Reads the disk at its first event, then takes `ticks` turns of the loop, or waits until it is let go."""

    def __init__(self, engine: FakeEngine, ticks: int) -> None:
        self.engine = engine
        self.ticks = ticks
        self.asked = asyncio.Event()
        self.stage = 0

    def __aiter__(self) -> FakeBuild:
        return self

    async def __anext__(self) -> BuildEvent:
        self.stage += 1
        if self.stage == 1:
            self.engine.enter()
            await asyncio.sleep(0)
            if self.engine.failure is not None:
                raise self.engine.failure
            self.read = self.engine.disk.content
            return BuildStarted(build="b", engine="fake")
        if self.stage > 2:
            raise StopAsyncIteration
        for _ in range(self.ticks):
            if self.asked.is_set():
                break
            await asyncio.sleep(0)
        if self.engine.hold is not None and not self.asked.is_set():
            await asyncio.wait(
                {asyncio.ensure_future(self.engine.hold.wait()), asyncio.ensure_future(self.asked.wait())},
                return_when=asyncio.FIRST_COMPLETED,
            )
        if self.asked.is_set():
            await asyncio.sleep(0)  # what is left is taken away before the end is told
            return BuildFinished(outcome="cancelled")
        self.engine.images.append(self.read)
        return self.engine.end or BuildFinished(outcome="succeeded", image=f"sha256:{self.read}")

    def cancel(self) -> None:
        self.asked.set()

    async def aclose(self) -> None:
        self.cancel()
        await asyncio.sleep(0)
        self.engine.leave()


@dataclass
class FakeEngine:
    """Counts builds that run side by side; `hold` keeps them open; `failure` is raised instead of a first event."""

    disk: Disk
    ticks: Callable[[], int] = lambda: 3
    hold: asyncio.Event | None = None
    failure: Exception | None = None
    end: BuildFinished | None = None
    name: str = "fake"
    images: list[int] = field(default_factory=list)
    started: int = 0
    running: int = 0
    most: int = 0
    requests: list[BuildRequest] = field(default_factory=list)

    def build(self, request: BuildRequest) -> FakeBuild:
        self.requests.append(request)
        return FakeBuild(self, self.ticks())

    def enter(self) -> None:
        self.started += 1
        self.running += 1
        self.most = max(self.most, self.running)

    def leave(self) -> None:
        self.running -= 1


class Bench:
    """A loop that runs, with everything that it told."""

    def __init__(self, **options: Any) -> None:
        self.disk = Disk()
        self.engine = FakeEngine(self.disk)
        self.states: list[LoopState] = []
        self.events: list[tuple[int, BuildEvent]] = []
        self.rules_read = 0
        self.moved = asyncio.Event()
        self.make: Callable[[], BuildRequest] = lambda: BuildRequest(context=CONTEXT)
        self.loop = LiveLoop(
            self.engine,  # type: ignore[arg-type]
            lambda: self.make(),
            watch=self.disk.watch,  # type: ignore[arg-type]
            load_rules=self._rules,
            on_event=lambda revision, event: self.events.append((revision, event)),
            on_state=self._state,
            **options,
        )

    def _rules(self, context: Path, dockerfile: str) -> Any:
        self.rules_read += 1
        return f"rules {self.rules_read}"

    def _state(self, state: LoopState) -> None:
        self.states.append(state)
        self.moved.set()

    async def __aenter__(self) -> Bench:
        self.task = asyncio.create_task(self.loop.run())
        await self.until(lambda state: bool(self.disk.calls))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.loop.stop()
        await self.task
        assert self.engine.running == 0

    async def until(self, wanted: Callable[[LoopState], bool]) -> LoopState:
        async with asyncio.timeout(10):
            while not wanted(self.loop.state):
                await asyncio.sleep(0)
        return self.loop.state

    async def settled(self) -> LoopState:
        """Nothing is building and nothing waits: the loop has had its turns."""
        quiet = 0
        async with asyncio.timeout(10):
            while quiet < 50:
                await asyncio.sleep(0)
                quiet = quiet + 1 if self.loop.state.building is None and self.disk.changes.empty() else 0
        return self.loop.state


async def test_a_save_becomes_the_next_revision_and_is_built() -> None:
    async with Bench() as bench:
        assert bench.loop.state == LoopState()
        bench.loop.build_now()
        await bench.until(lambda state: state.built == 1)
        bench.disk.save("src/app.py")
        state = await bench.until(lambda state: state.built == 2)
        assert (state.saved, state.building, state.outcome, state.problem) == (2, None, "succeeded", "")
        assert state.changed == {"src/app.py"}
        assert bench.engine.images == [0, 1]
        assert [revision for revision, event in bench.events if isinstance(event, BuildFinished)] == [1, 2]


async def test_what_the_workbench_writes_itself_starts_nothing() -> None:
    async with Bench(own=(CONTEXT / "store",)) as bench:
        bench.disk.save("store/index.json", "store/blobs/sha256/x")
        assert (await bench.settled()).saved == 1 and bench.engine.started == 0
        bench.disk.save("store/index.json", "storeroom/app.py")
        state = await bench.until(lambda state: state.built == 2)
        assert state.changed == {"storeroom/app.py"}


async def test_where_a_build_has_its_results_written_starts_nothing() -> None:
    """Each would start the next one."""
    bench = Bench()
    out, cache = f"{CONTEXT}/out", f"type=local,mode=max,dest={CONTEXT}/cache"
    bench.make = lambda: BuildRequest(context=CONTEXT, output=(out, "type=image", "-"), cache_to=(cache, "inline"))
    async with bench:
        bench.disk.save("out", "out/bin/tool", "cache/index.json")
        assert (await bench.settled()).saved == 1 and bench.engine.started == 0
        bench.disk.save("out/bin/tool", "output/app.py")
        assert (await bench.until(lambda state: state.built == 2)).changed == {"output/app.py"}
        bench.make = lambda: BuildRequest(context=CONTEXT, output=(str(CONTEXT),))
        bench.loop.build_now()
        await bench.until(lambda state: state.building is None and bench.engine.started == 2)
        bench.disk.save("src/app.py")
        await bench.until(lambda state: state.built == 3)


async def test_a_save_from_here_is_told_by_the_name_of_the_file_alone(tmp_path: Path) -> None:
    target, seen = tmp_path / ".dockerignore", list[str]()
    replace_file(target, b"", unless=lambda: bool(seen.extend(it.name for it in tmp_path.iterdir())))
    (unfinished,) = seen
    async with Bench() as bench:
        bench.disk.save(unfinished)
        assert (await bench.settled()).saved == 1
        bench.disk.save(f"src/{unfinished}", ".dockerignore", "a.new")
        assert (await bench.until(lambda state: state.saved == 2)).changed == {".dockerignore", "a.new"}


async def test_build_first_builds_what_is_there() -> None:
    bench = Bench()
    task = asyncio.create_task(bench.loop.run(build_first=True))
    await bench.until(lambda state: state.built == 1)
    await bench.loop.stop()
    await task
    assert bench.engine.images == [0]


async def test_a_change_in_mid_build_cancels_it_waits_for_its_end_and_starts_anew() -> None:
    async with Bench() as bench:
        bench.engine.hold = asyncio.Event()
        bench.loop.build_now()
        await bench.until(lambda state: state.building == 1 and len(bench.events) == 1)
        bench.disk.save("a")
        await bench.until(lambda state: state.building == 2)
        bench.disk.save("b")
        await bench.until(lambda state: state.building == 3)
        bench.engine.hold.set()
        state = await bench.until(lambda state: state.built == 3)
        ends = [(revision, event.outcome) for revision, event in bench.events if isinstance(event, BuildFinished)]
        assert ends == [(1, "cancelled"), (2, "cancelled"), (3, "succeeded")]
        assert bench.engine.most == 1
        assert state.changed == {"a", "b"}


async def test_a_change_that_comes_as_the_build_ends_is_built() -> None:
    async with Bench() as bench:

        def save_at_the_end(revision: int, event: BuildEvent) -> None:
            if isinstance(event, BuildFinished) and revision == 1:
                bench.disk.save()

        bench.loop.on_event = save_at_the_end
        bench.loop.build_now()
        await bench.until(lambda state: state.built == 2)
        assert bench.engine.images == [0, 1]


@pytest.mark.parametrize("seed", range(200))
async def test_the_last_save_is_never_missed(seed: int) -> None:
    """Random saves, building by hand, cancelling and turning watching off and on, at random turns of the loop."""
    chance = random.Random(seed)
    async with Bench() as bench:
        bench.engine.ticks = lambda: chance.randrange(12)
        for _ in range(chance.randrange(1, 25)):
            for _ in range(chance.choice((0, 1, 2, 5, 20))):
                await asyncio.sleep(0)
            match chance.randrange(10):
                case 0:
                    bench.loop.build_now()
                case 1:
                    bench.loop.cancel()
                case 2:
                    bench.loop.set_watching(False)
                    await asyncio.sleep(0)
                    bench.loop.set_watching(True)
                case _:
                    bench.disk.save()
        bench.disk.save()
        state = await bench.settled()
        assert bench.engine.images[-1] == bench.disk.content
        assert state.built == state.saved == 1 + bench.disk.content
        assert bench.engine.most == 1


async def test_watching_off_counts_changes_and_builds_by_hand_only() -> None:
    async with Bench(watching=False) as bench:
        bench.disk.save()
        bench.disk.save()
        state = await bench.until(lambda state: state.saved == 3)
        assert (await bench.settled()).ended is None and not state.watching
        bench.loop.build_now()
        await bench.until(lambda state: state.built == 3)
        bench.disk.save()
        await bench.until(lambda state: state.saved == 4)
        bench.loop.set_watching(True)
        state = await bench.until(lambda state: state.built == 4)
        assert bench.engine.started == 2
        bench.loop.set_watching(False)
        bench.loop.set_watching(True)
        assert (await bench.settled()).built == 4
        assert bench.engine.started == 2, "nothing was unbuilt"


async def test_a_change_with_watching_off_leaves_the_running_build_alone() -> None:
    async with Bench(watching=False) as bench:
        bench.engine.hold = asyncio.Event()
        bench.loop.build_now()
        await bench.until(lambda state: state.building == 1)
        bench.disk.save()
        await bench.until(lambda state: state.saved == 2)
        bench.engine.hold.set()
        assert (await bench.until(lambda state: state.ended == 1)).outcome == "succeeded"


async def test_cancel_ends_the_build_and_the_next_change_builds_again() -> None:
    async with Bench() as bench:
        bench.engine.hold = asyncio.Event()
        bench.disk.save()
        await bench.until(lambda state: state.building == 2)
        bench.loop.cancel()
        state = await bench.until(lambda state: state.ended == 2)
        assert (state.outcome, state.built, state.problem) == ("cancelled", None, "")
        assert (await bench.settled()).building is None
        bench.engine.hold.set()
        bench.disk.save()
        assert (await bench.until(lambda state: state.built == 3)).outcome == "succeeded"


async def test_cancel_before_the_build_began_drops_it() -> None:
    async with Bench() as bench:
        bench.loop.build_now()
        bench.loop.cancel()
        await bench.settled()
        assert bench.engine.started == 0


@pytest.mark.parametrize(
    ("failure", "problem"),
    [
        (
            DockerfileError(3, 1, "unknown instruction: RNU", path="Dockerfile"),
            "Dockerfile:3:1: unknown instruction: RNU",
        ),
        (EngineUnavailable("no Docker Engine answers"), "no Docker Engine answers"),
        (ZeroDivisionError("by zero"), "internal error: ZeroDivisionError: by zero"),
    ],
)
async def test_a_build_that_cannot_start_is_a_problem_and_the_loop_goes_on(failure: Exception, problem: str) -> None:
    async with Bench() as bench:
        bench.engine.failure = failure
        bench.disk.save()
        state = await bench.until(lambda state: state.ended == 2)
        assert (state.outcome, state.problem, state.error, state.built) == ("failed", problem, failure, None)
        bench.engine.failure = None
        bench.disk.save()
        state = await bench.until(lambda state: state.built == 3)
        assert (state.problem, state.error) == ("", None)


async def test_an_engine_that_goes_away_is_a_problem() -> None:
    async with Bench() as bench:
        bench.engine.end = BuildFinished(outcome="failed", error="the engine went away", hint="start it", lost=True)
        bench.disk.save()
        state = await bench.until(lambda state: state.ended == 2)
        assert isinstance(state.error, EngineLost) and state.error.hint == "start it"
        assert state.problem == "the engine went away"


async def test_a_failed_build_is_an_outcome_and_no_problem() -> None:
    async with Bench() as bench:
        bench.engine.end = BuildFinished(outcome="failed", error="exit 1", step=2)
        bench.disk.save()
        state = await bench.until(lambda state: state.ended == 2)
        assert (state.outcome, state.problem, state.built) == ("failed", "", None)


async def test_a_request_that_cannot_be_made_is_a_problem() -> None:
    async with Bench() as bench:

        def broken() -> BuildRequest:
            return BuildRequest(context=CONTEXT, tags=("NOT A TAG",))

        good, bench.make = bench.make, broken
        bench.disk.save()
        state = await bench.until(lambda state: state.ended == 2)
        assert "is not an image name" in state.problem
        bench.make = good
        bench.loop.build_now()
        await bench.until(lambda state: state.built == 2)


async def test_a_display_that_raises_leaves_no_build_behind() -> None:
    async with Bench() as bench:

        def broken(revision: int, event: BuildEvent) -> None:
            raise KeyError("widget")

        bench.loop.on_event = broken
        bench.disk.save()
        state = await bench.until(lambda state: state.ended == 2)
        assert state.problem == "internal error: KeyError: 'widget'" and bench.engine.running == 0


async def test_each_build_asks_for_its_request() -> None:
    async with Bench() as bench:
        bench.loop.build_now()
        await bench.until(lambda state: state.built == 1)
        bench.make = lambda: BuildRequest(context=CONTEXT, tags=("genesis",), no_cache=True)
        bench.loop.build_now()
        await bench.until(lambda state: len(bench.engine.images) == 2)
        assert [request.tags for request in bench.engine.requests] == [(), ("genesis:latest",)]


async def test_another_dockerfile_moves_the_watch() -> None:
    async with Bench() as bench:
        bench.make = lambda: BuildRequest(context=CONTEXT, dockerfile="docker/other")
        bench.loop.build_now()
        await bench.until(lambda state: state.built == 1)
        assert [sorted(map(str, call["extra"])) for call in bench.disk.calls] == [
            ["/context/.dockerignore", "/context/Dockerfile", "/context/Dockerfile.dockerignore"],
            ["/context/.dockerignore", "/context/docker/other", "/context/docker/other.dockerignore"],
        ]


async def test_the_ignore_rules_are_read_again_when_their_file_changes() -> None:
    async with Bench() as bench:
        rules = bench.disk.calls[0]["rules"]
        assert rules() == "rules 1"
        bench.disk.save("src/app.py")
        await bench.until(lambda state: state.built == 2)
        assert rules() == "rules 1"
        bench.disk.save(".dockerignore")
        await bench.until(lambda state: state.built == 3)
        assert rules() == "rules 2"


async def test_a_watch_that_fails_is_replaced_by_polling_and_said() -> None:
    async with Bench() as bench:
        bench.disk.changes.put_nowait(OSError("inotify watch limit reached"))
        state = await bench.until(lambda state: bool(state.notice))
        assert state.watching and "inotify watch limit reached" in state.notice
        await bench.until(lambda state: len(bench.disk.calls) == 2)
        assert [call["force_polling"] for call in bench.disk.calls] == [False, True]
        bench.disk.save()
        await bench.until(lambda state: state.built == 2)


async def test_a_watch_that_cannot_even_poll_is_off_until_it_is_turned_on() -> None:
    async with Bench() as bench:
        bench.disk.changes.put_nowait(OSError("no inotify"))
        bench.disk.changes.put_nowait(OSError("no polling"))
        state = await bench.until(lambda state: not state.watching)
        assert "no polling" in state.notice and "watching is off" in state.notice
        bench.loop.build_now()
        await bench.until(lambda state: state.built == 1)
        bench.loop.set_watching(True)
        await bench.until(lambda state: len(bench.disk.calls) == 3)
        assert bench.loop.state.notice == ""
        bench.disk.save()
        await bench.until(lambda state: state.built == 2)


async def test_a_watch_that_ends_by_itself_is_not_trusted() -> None:
    async with Bench() as bench:
        bench.disk.changes.put_nowait(None)
        state = await bench.until(lambda state: bool(state.notice))
        assert "no longer watched" in state.notice


def _slow_watch(bench: Bench) -> asyncio.Event:
    """From now on the watch of that loop stands only once the event is set."""
    set_up = asyncio.Event()
    watch = bench.disk.watch

    async def slow(context: Path, **options: Any) -> AsyncIterator[Any]:
        await set_up.wait()
        async for change in watch(context, **options):
            yield change

    bench.loop._watcher._watch = slow  # type: ignore[assignment]
    return set_up


async def test_what_is_saved_while_a_slow_watch_is_set_up_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "READY_WITHIN", 0.01)
    bench = Bench()
    set_up = _slow_watch(bench)
    task = asyncio.create_task(bench.loop.run(build_first=True))
    await bench.until(lambda state: state.built == 1)
    bench.disk.content += 1  # a save that no watch saw
    set_up.set()
    await bench.until(lambda state: state.built == 2)
    assert bench.engine.images[-1] == bench.disk.content
    await bench.loop.stop()
    await task


async def test_a_slow_watch_that_missed_nothing_is_no_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "READY_WITHIN", 0.05)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    await asyncio.sleep(0.05)  # older than a tick of the file system's clock
    bench = Bench()
    bench.make = lambda: BuildRequest(context=tmp_path)
    set_up = _slow_watch(bench)
    task = asyncio.create_task(bench.loop.run(build_first=True))
    await bench.until(lambda state: state.built == 1)
    set_up.set()
    bench.disk.save()
    await bench.until(lambda state: state.settled and state.saved > 1)
    assert (bench.loop.state.saved, len(bench.engine.images)) == (2, 2), "the save alone"
    await bench.loop.stop()
    await task


async def test_stop_cancels_and_waits() -> None:
    bench = Bench()
    async with bench:
        bench.engine.hold = asyncio.Event()
        bench.disk.save()
        await bench.until(lambda state: state.building == 2 and bool(bench.events))
        await bench.loop.stop()
        assert bench.engine.running == 0 and bench.loop.state.outcome == "cancelled"
        assert bench.task.done() or (await bench.task) is None


async def test_a_loop_that_is_cancelled_leaves_no_build() -> None:
    bench = Bench()
    async with bench:
        bench.engine.hold = asyncio.Event()
        bench.disk.save()
        await bench.until(lambda state: state.building == 2 and bool(bench.events))
        bench.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await bench.task
        assert bench.engine.running == 0
        bench.task = asyncio.create_task(asyncio.sleep(0))
