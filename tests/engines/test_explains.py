"""Which builds of the engines without manifests look at the context a second time, to say why a step was not reused."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from workbench.build.engine import Build, Reasons
from workbench.build.events import BuildEvent, BuildFinished, BuildStarted, StepFinished
from workbench.build.explain import ExplainedBuild
from workbench.build.request import BuildRequest
from workbench.build.survey import Survey
from workbench.config import Config
from workbench.engines.choose import make


@pytest.mark.parametrize("name", ["docker", "buildkit"])
@pytest.mark.parametrize("reasons", ["told", "kept", "none"])
async def test_a_build_explains_where_it_is_asked_to(name: str, reasons: Reasons, tmp_path: Path) -> None:
    engine = make(name, Config(host=f"unix://{tmp_path}/docker.sock"), reasons=reasons)
    build = engine.build(BuildRequest(context=tmp_path))
    assert isinstance(build, ExplainedBuild) is (reasons != "none")
    await build.aclose()
    await engine.close()


class Told:
    """A build that tells these events, the last one when `go` is set."""

    def __init__(self, *events: BuildEvent) -> None:
        self.go = asyncio.Event()
        self._events = [*events]

    def __aiter__(self) -> AsyncIterator[BuildEvent]:
        return self

    async def __anext__(self) -> BuildEvent:
        if not self._events:
            raise StopAsyncIteration
        if len(self._events) == 1:
            await self.go.wait()
        return self._events.pop(0)

    def cancel(self) -> None: ...

    async def aclose(self) -> None:
        self.go.set()


async def test_an_engine_that_went_away_is_told_while_the_context_is_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = threading.Event()

    def look(request: BuildRequest, engine: str, builder: str, asked: Callable[[], bool]) -> Survey:
        while not asked():
            left.wait(0.01)
        left.set()
        raise OSError

    monkeypatch.setattr(Survey, "look", look)
    inner = Told(
        BuildStarted(build="1", engine="docker", steps=()),
        StepFinished(step=1),
        BuildFinished(outcome="failed", lost=True),
    )
    images = make("docker", Config(host=f"unix://{tmp_path}/docker.sock")).images
    build: Build = ExplainedBuild(inner, BuildRequest(context=tmp_path), "docker", "classic", images)
    assert isinstance(await anext(build), BuildStarted)
    step = asyncio.ensure_future(anext(build))
    await asyncio.sleep(0.05)
    assert not step.done(), "its reasons are awaited"
    inner.go.set()
    assert isinstance(await asyncio.wait_for(step, 2), StepFinished)
    end = await anext(build)
    assert isinstance(end, BuildFinished) and end.lost
    assert await asyncio.to_thread(left.wait, 2), "nobody reads on"
    await build.aclose()
