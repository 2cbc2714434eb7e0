"""A real engine that is killed, hangs or fills its disk, under both builders: told within two seconds, nothing left."""

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
from tests.engines.own_docker import OwnDocker
from workbench.build.engine import Engine
from workbench.build.events import BuildEvent, StepLog
from workbench.build.request import BuildRequest
from workbench.config import Config
from workbench.engines.choose import make
from workbench.errors import EngineUnavailable, ImageError

pytestmark = pytest.mark.slow

BUILDERS = pytest.mark.parametrize("name", ["docker", "buildkit"])
SMALL = 40 << 20


def own(bytes: int = 0) -> Iterator[OwnDocker]:
    engine = OwnDocker(bytes=bytes)
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()


@pytest.fixture(scope="module")
def killable() -> Iterator[OwnDocker]:
    yield from own()


@pytest.fixture
def small() -> Iterator[OwnDocker]:
    yield from own(SMALL)


async def open_engine(name: str, dockerd: OwnDocker, base: Path, patience: float = 60) -> Engine:
    engine = make(name, Config(engine=name, host=dockerd.host, engine_timeout=patience))
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


async def ends(engine: Engine, text: str, act: Callable[[], None]) -> tuple[list[BuildEvent], float]:
    """All events of a build; `act` is called at the first line of its log; the seconds from then to the end."""
    events: list[BuildEvent] = []
    acted = 0.0
    async for event in engine.build(request(text)):
        events.append(event)
        if isinstance(event, StepLog) and not acted:
            acted = time.monotonic()
            act()
    return events, time.monotonic() - acted


@pytest.fixture
def own_temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for temporary files that nobody else writes into."""
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))


@BUILDERS
@pytest.mark.usefixtures("own_temp")
async def test_killed_during_a_step_and_started_again(name: str, killable: OwnDocker, conformance: Path) -> None:
    engine = await open_engine(name, killable, conformance)
    assert finished([it async for it in engine.build(request("RUN true"))]).outcome == "succeeded"
    await engine.close()
    before = holdings()
    try:
        events, seconds = await ends(engine, "RUN echo ready; sleep 20", killable.kill)
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


@BUILDERS
@pytest.mark.usefixtures("own_temp")
async def test_an_engine_that_hangs_ends_the_build_after_the_users_time(
    name: str, killable: OwnDocker, conformance: Path
) -> None:
    engine = await open_engine(name, killable, conformance, patience=1)
    await engine.close()
    before = holdings()
    try:
        events, seconds = await ends(engine, "RUN echo ready; sleep 20", killable.freeze)
        assert 0.9 < seconds < 5  # a second until the question, a second for the answer, and the farewell
        end = finished(events)
        assert (end.outcome, end.lost, end.step) == ("failed", True, 2)
        assert "has not answered for 1 s" in (end.error or "") and "WORKBENCH_ENGINE_TIMEOUT" in end.hint
    finally:
        killable.freeze(on=False)
    assert finished([it async for it in engine.build(request("RUN true"))]).outcome == "succeeded"
    await engine.close()
    assert not await left_since(before)


@BUILDERS
async def test_a_full_disk(name: str, small: OwnDocker, conformance: Path, tmp_path: Path) -> None:
    engine = await open_engine(name, small, conformance)
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "big").write_bytes(os.urandom(SMALL))
    events = [it async for it in engine.build(request("RUN dd if=/dev/zero of=/x bs=1M count=100"))]
    end = finished(events)
    assert (end.outcome, end.lost) == ("failed", False)
    assert "speaks of a full disk" in end.hint or "disk" in (end.error or "")
    assert f"{small.folder}/data" in end.hint and "workbench prune" in end.hint
    end = finished([it async for it in engine.build(request("COPY big /", tmp_path / "context"))])
    assert (end.outcome, end.lost) == ("failed", False)
    assert (end.error or "").startswith(f"the disk of the Docker Engine at {small.host} is full: ")
    assert f"{small.folder}/data" in end.hint and "workbench prune" in end.hint
    await engine.close()


async def test_an_image_that_the_disk_has_no_room_for(small: OwnDocker, conformance: Path) -> None:
    engine = await open_engine("docker", small, conformance)
    text = "RUN dd if=/dev/urandom of=/x bs=1M count=8"
    built = BuildRequest(context=None, dockerfile_text=f"FROM busybox\n{text}\n", tags=("fail-big:latest",))
    assert finished([it async for it in engine.build(built)]).outcome == "succeeded"
    archive = small.folder / "big.tar"
    await engine.images.save(["fail-big:latest"], archive)
    await engine.images.remove(["fail-big:latest"])
    with (small.folder / "data" / "filler").open("wb") as filler:
        filler.write(bytes(SMALL - (10 << 20)))
    with pytest.raises(ImageError, match=f"the disk of the Docker Engine at {small.host} is full") as caught:
        await engine.images.load(archive)
    assert "workbench prune" in caught.value.hint
    (small.folder / "data" / "filler").unlink()
    assert await engine.images.load(archive)
    await engine.close()
