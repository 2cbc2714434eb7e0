"""An engine that goes away, or is none: a build ends quickly, as lost, and says so."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from pathlib import Path

import pytest
import pytest_asyncio
from proxy import Proxy

from tests.engines.bench import finished, put_base
from workbench.build.events import BuildEvent, StepLog, StepStarted
from workbench.build.request import BuildRequest
from workbench.engines.docker.engine import DockerEngine
from workbench.errors import EngineError, EngineLost, EngineUnavailable


@pytest_asyncio.fixture(params=["20", *(pytest.param(it, marks=pytest.mark.slow) for it in ("26", "28", "podman"))])
async def host(request: pytest.FixtureRequest, conformance: Path) -> str:
    """An engine of each generation, with `busybox:latest`."""
    host: str = request.getfixturevalue(f"docker_{request.param}")
    engine = DockerEngine(host)
    await put_base(engine, conformance)
    await engine.close()
    return host


@pytest.fixture
def proxy(tmp_path: Path, host: str) -> Proxy:
    return Proxy(tmp_path / "engine.sock", host.removeprefix("unix://"))


def sleeping(text: str = "RUN echo ready; sleep 60") -> BuildRequest:
    return BuildRequest(context=None, dockerfile_text=f"FROM busybox\n{text}\n", no_cache=True)


async def test_killed_in_the_middle_of_a_step(proxy: Proxy) -> None:
    events: list[BuildEvent] = []
    cut_at = 0.0
    async for event in DockerEngine(proxy.host).build(sleeping()):
        events.append(event)
        if isinstance(event, StepLog):
            cut_at = time.monotonic()
            proxy.cut()
    assert time.monotonic() - cut_at < 1
    end = finished(events)
    assert (end.outcome, end.lost, end.step, end.line) == ("failed", True, 2, 2)
    assert "went away" in (end.error or "")
    assert end.hint


async def test_killed_while_the_context_is_sent(proxy: Proxy, tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    with (tmp_path / "context" / "big").open("wb") as big:
        big.truncate(1 << 30)
    request = BuildRequest(context=tmp_path / "context", dockerfile_text="FROM busybox\n")
    build = DockerEngine(proxy.host).build(request)
    events: list[BuildEvent] = []
    async for event in build:
        if not events:  # the build has begun, and nobody has taken a byte of the context yet
            proxy.cut()
        events.append(event)
    assert finished(events).lost


async def test_nonsense_in_the_stream(proxy: Proxy) -> None:
    proxy.on_data = lambda data: re.sub(rb'\{"stream":"(Step|STEP) 2', b"<html>502 Bad Gatewa", data)
    events = [event async for event in DockerEngine(proxy.host).build(sleeping("RUN true"))]
    end = finished(events)
    assert (end.outcome, end.lost) == ("failed", True)
    assert "not a Docker Engine" in (end.error or "")


async def test_gone_before_the_start(proxy: Proxy) -> None:
    proxy.cut()
    build = DockerEngine(proxy.host).build(sleeping())
    with pytest.raises(EngineUnavailable):
        await build.__anext__()


async def test_images_after_the_engine_went_away(proxy: Proxy) -> None:
    engine = DockerEngine(proxy.host)
    assert await engine.images.list()
    proxy.cut()
    with pytest.raises(EngineLost):
        await engine.images.list()
    with pytest.raises(EngineUnavailable):
        await engine.images.list()
    await engine.close()


async def test_cancelling_an_upload(host: str, tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    with (tmp_path / "context" / "big").open("wb") as big:
        big.truncate(8 << 30)
    request = BuildRequest(context=tmp_path / "context", dockerfile_text="FROM busybox\n")
    build = DockerEngine(host).build(request)
    await build.__anext__()
    began = time.monotonic()
    build.cancel()
    events = [event async for event in build]
    assert time.monotonic() - began < 1
    assert finished(events).outcome == "cancelled"
    assert not any(isinstance(event, StepStarted) for event in events)


@pytest.mark.slow
async def test_an_engine_that_hangs_in_the_middle_of_a_step(proxy: Proxy) -> None:
    """The time is the user's; the connections stay open, and nothing comes through them any more."""
    events: list[BuildEvent] = []
    hung_at = 0.0
    async for event in DockerEngine(proxy.host, patience=3).build(sleeping("RUN echo ready; sleep 20")):
        events.append(event)
        if isinstance(event, StepLog) and not hung_at:
            hung_at = time.monotonic()
            proxy.on_data = lambda data: b""
    assert time.monotonic() - hung_at < 10
    end = finished(events)
    assert (end.outcome, end.lost, end.step) == ("failed", True, 2)
    assert "has not answered for 3 s" in (end.error or "")
    assert "engine_timeout" in end.hint
    assert not [it for it in threading.enumerate() if it.name in ("docker watchdog", "docker events", "docker context")]


@pytest.mark.slow
async def test_a_silent_step_is_no_hanging_engine(host: str) -> None:
    events = [event async for event in DockerEngine(host, patience=3).build(sleeping("RUN sleep 8"))]
    assert finished(events).outcome == "succeeded", finished(events).error


async def test_the_coming_and_going_of_an_engine_is_told(proxy: Proxy) -> None:
    """Within two seconds, without anybody who asks: what follows the images learns of both, and lists them again."""
    engine = DockerEngine(proxy.host)
    changes = engine.images.changes()
    await anext(changes)
    assert await engine.images.list()
    proxy.cut()
    await asyncio.wait_for(anext(changes), 2)
    with pytest.raises(EngineError):
        await engine.images.list()
    proxy.open()
    await asyncio.wait_for(anext(changes), 2)
    assert await engine.images.list()
    await changes.aclose()
    await engine.close()
