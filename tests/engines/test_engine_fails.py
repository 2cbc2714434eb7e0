"""A real engine of each generation that is killed, hangs or fills its disk, under both builders: told within two
seconds, nothing left."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engines.bench import finished
from tests.engines.own_engine import OwnDocker, OwnEngine, OwnPodman
from workbench.build.engine import Engine
from workbench.build.events import BuildEvent, BuildStarted, ContextSent, StepLog
from workbench.build.request import BuildRequest
from workbench.config import Config
from workbench.engines.choose import make
from workbench.errors import EngineUnavailable, ImageError

pytestmark = pytest.mark.slow

GENERATIONS = ["20", "26", "28", "podman"]
BUILDERS = [
    (name, generation)
    for generation in GENERATIONS
    for name in ("docker", "buildkit")
    if (name, generation) != ("buildkit", "podman")
]
SMALL = 40 << 20


def on_each(engine: str) -> pytest.MarkDecorator:
    """Each builder, on an engine of each generation that has it."""
    return pytest.mark.parametrize(("name", engine), BUILDERS, indirect=[engine])


def own(request: pytest.FixtureRequest, bytes: int = 0) -> Iterator[OwnEngine]:
    """An engine of the generation that the parameter names."""
    engine: OwnEngine
    if request.param == "podman":
        engine = OwnPodman(bytes=bytes)
    elif request.param == "20":
        engine = OwnDocker(bytes=bytes)
    else:
        standing = Path(request.getfixturevalue(f"docker_{request.param}").removeprefix("unix://"))
        engine = OwnDocker(bytes=bytes, unpacked=standing.parent.parent)
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()


@pytest.fixture(scope="module")
def killable(request: pytest.FixtureRequest) -> Iterator[OwnEngine]:
    yield from own(request)


@pytest.fixture
def small(request: pytest.FixtureRequest) -> Iterator[OwnEngine]:
    yield from own(request, SMALL)


async def open_engine(name: str, standing: OwnEngine, base: Path) -> Engine:
    engine = make(name, Config(engine=name, host=standing.host))
    await engine.images.load(base / "bases" / "busybox.tar")
    return engine


def request(text: str, context: Path | None = None) -> BuildRequest:
    return BuildRequest(context=context, dockerfile_text=f"FROM busybox\n{text}\n", no_cache=True)


def holdings() -> set[str]:
    """What a build that ended may not leave. The threads of asyncio's own pool stay for the next one."""
    return {
        *(f"thread {it.name}" for it in threading.enumerate() if not it.name.startswith("asyncio_")),
        *(f"descriptor {number}" for number, _ in enumerate(os.listdir("/proc/self/fd"))),
        *(f"task {it.get_name()}" for it in asyncio.all_tasks()),
        *(f"file {it}" for it in os.listdir(tempfile.gettempdir())),
    }


async def left_since(before: set[str]) -> set[str]:
    """What is held beyond that; a thread may take a moment to see that it is not needed any more."""
    end = time.monotonic() + 5
    while (left := holdings() - before) and time.monotonic() < end:
        await asyncio.sleep(0.02)
    return left


async def ends(
    engine: Engine, built: BuildRequest, act: Callable[[], None], *, at: type[BuildEvent] = StepLog, after: float = 0
) -> tuple[list[BuildEvent], float]:
    """All events of a build; `act` is called `after` seconds after the first event of that kind; the seconds from then
    to the end."""
    events: list[BuildEvent] = []
    acted = 0.0

    def strike() -> None:
        nonlocal acted
        acted = time.monotonic()
        act()

    async for event in engine.build(built):
        events.append(event)
        if isinstance(event, at) and not any(isinstance(it, at) for it in events[:-1]):
            asyncio.get_running_loop().call_later(after, strike) if after else strike()
    return events, time.monotonic() - acted


@pytest.fixture
def own_temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for temporary files that nobody else writes into."""
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))


@on_each("killable")
@pytest.mark.usefixtures("own_temp")
async def test_killed_during_a_step_and_started_again(name: str, killable: OwnEngine, conformance: Path) -> None:
    engine = await open_engine(name, killable, conformance)
    assert finished([it async for it in engine.build(request("RUN true"))]).outcome == "succeeded"
    await engine.close()
    before = holdings()
    try:
        events, seconds = await ends(engine, request("RUN echo ready; sleep 20"), killable.kill)
        assert seconds < 2
        end = finished(events)
        assert (end.outcome, end.lost, end.step, end.line) == ("failed", True, 2, 2)
        assert "went away" in (end.error or "") and killable.host in (end.error or "") and end.hint
        with pytest.raises(EngineUnavailable) as caught:
            await anext(aiter(engine.build(request("RUN true"))))
        assert caught.value.hint
        await engine.close()
        assert not await left_since(before)
    finally:
        killable.start()
    again = [it async for it in engine.build(request("RUN true"))]
    assert finished(again).outcome == "succeeded"
    await engine.close()
    assert not await left_since(before)


@on_each("killable")
@pytest.mark.usefixtures("own_temp")
async def test_killed_while_the_context_is_sent(
    name: str, killable: OwnEngine, conformance: Path, tmp_path: Path
) -> None:
    engine = await open_engine(name, killable, conformance)
    await engine.close()
    (tmp_path / "context").mkdir()
    with (tmp_path / "context" / "big").open("wb") as big:
        big.truncate(8 << 30)
    built = request("COPY big /", tmp_path / "context")
    before = holdings()
    try:
        events, seconds = await ends(engine, built, killable.kill, at=BuildStarted, after=0.5)
        assert seconds < 2
        assert not any(isinstance(it, ContextSent) for it in events), "it was on its way"
        end = finished(events)
        assert (end.outcome, end.lost) == ("failed", True)
        assert "went away" in (end.error or "") and killable.host in (end.error or "") and end.hint
        await engine.close()
        assert not await left_since(before)
    finally:
        killable.start()
    assert finished([it async for it in engine.build(request("RUN true"))]).outcome == "succeeded"
    await engine.close()


@on_each("killable")
@pytest.mark.usefixtures("own_temp")
async def test_an_engine_that_hangs_ends_the_build_after_the_users_time(
    name: str, killable: OwnEngine, conformance: Path
) -> None:
    await (await open_engine(name, killable, conformance)).close()
    engine = make(name, Config(engine=name, host=killable.host, engine_timeout=3))
    before = holdings()
    try:
        events, seconds = await ends(engine, request("RUN echo ready; sleep 20"), killable.freeze)
        assert 2 < seconds < 10  # three seconds until the question, three for the answer, and the farewell
        end = finished(events)
        assert (end.outcome, end.lost, end.step) == ("failed", True, 2)
        assert "has not answered for 3 s" in (end.error or "") and "WORKBENCH_ENGINE_TIMEOUT" in end.hint
    finally:
        killable.freeze(on=False)
    await engine.close()
    engine = make(name, Config(engine=name, host=killable.host))  # it has much to do now, and three seconds are short
    assert finished([it async for it in engine.build(request("RUN true"))]).outcome == "succeeded"
    await engine.close()
    assert not await left_since(before)


@on_each("small")
async def test_a_full_disk(name: str, small: OwnEngine, conformance: Path, tmp_path: Path) -> None:
    engine = await open_engine(name, small, conformance)
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "big").write_bytes(os.urandom(SMALL))
    events = [it async for it in engine.build(request("RUN dd if=/dev/zero of=/x bs=1M count=100"))]
    end = finished(events)
    assert (end.outcome, end.lost) == ("failed", False)
    assert "speaks of a full disk" in end.hint or "disk" in (end.error or "")
    assert str(small.data) in end.hint and "workbench prune" in end.hint
    end = finished([it async for it in engine.build(request("COPY big /", tmp_path / "context"))])
    assert (end.outcome, end.lost) == ("failed", False)
    if isinstance(small, OwnPodman):
        assert "did not say why" in (end.error or "") and "full disk" in end.hint
    else:
        assert (end.error or "").startswith(f"the disk of the Docker Engine at {small.host} is full: ")
    assert str(small.data) in end.hint and "workbench prune" in end.hint
    await engine.close()


@pytest.mark.parametrize("small", GENERATIONS, indirect=True)
async def test_an_image_that_the_disk_has_no_room_for(small: OwnEngine, conformance: Path) -> None:
    engine = await open_engine("docker", small, conformance)
    text = "RUN dd if=/dev/urandom of=/x bs=1M count=8"
    built = BuildRequest(context=None, dockerfile_text=f"FROM busybox\n{text}\n", tags=("fail-big:latest",))
    assert finished([it async for it in engine.build(built)]).outcome == "succeeded"
    archive = small.folder / "big.tar"
    await engine.images.save(["fail-big:latest"], archive)
    await engine.images.remove(["fail-big:latest"])
    with (small.data / "filler").open("wb") as filler:
        filler.write(bytes(SMALL - (10 << 20)))
    with pytest.raises(ImageError, match=f"the disk of the Docker Engine at {small.host} is full") as caught:
        await engine.images.load(archive)
    assert "workbench prune" in caught.value.hint
    (small.data / "filler").unlink()
    assert await engine.images.load(archive)
    await engine.close()
