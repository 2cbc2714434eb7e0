"""500 saves at random times: the last one is what is built last, builds never overlap, and the watch is a real one."""

from __future__ import annotations

import asyncio
import json
import random
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from workbench.build.events import BuildEvent, BuildFinished, BuildStarted
from workbench.build.loop import LiveLoop, LoopState
from workbench.build.request import BuildRequest
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.engines.worker import Cancel, Emit, ThreadBuild

SAVES = 500


class SlowEngine:
    """Reads the context's `data` a while after it began, as an engine that sends it does, and takes its time."""

    name = "embedded"

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._lock = threading.Lock()
        self.running = 0
        self.most = 0

    def build(self, request: BuildRequest) -> ThreadBuild:
        before, after = self._chance.random() * 0.05, self._chance.random() * 0.3
        return ThreadBuild(lambda emit, cancel: self._work(request, before, after, emit, cancel))

    def _work(self, request: BuildRequest, before: float, after: float, emit: Emit, cancel: Cancel) -> None:
        asked = threading.Event()
        cancel.on_ask(asked.set)
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            assert request.context is not None
            emit(BuildStarted(build="b", engine="slow"))
            asked.wait(before)
            content = (request.context / "data").read_text()
            asked.wait(after)
            cancel.check()
            emit(BuildFinished(outcome="succeeded", image=content))
        finally:
            with self._lock:
                self.running -= 1


class Person:
    """Saves in the ways of editors, the same bytes and files that no step takes among them."""

    def __init__(self, context: Path, chance: random.Random) -> None:
        self._context = context
        self._chance = chance
        self.last = ""

    async def save(self, number: int) -> None:
        data = self._context / "data"
        match self._chance.randrange(8):
            case 0:
                data.touch()
            case 1:
                data.write_text(self.last)
            case 2:
                (self._context / "notes").write_text(str(number))
            case 3:  # there and back again
                data.write_text(f"{number} in between")
                await self.rest()
                data.write_text(self.last)
            case 4 | 5:
                (self._context / ".data.swp").write_text(f"{number}")
                (self._context / ".data.swp").replace(data)
                self.last = f"{number}"
            case _:
                data.write_text(f"{number}")
                self.last = f"{number}"

    async def rest(self) -> None:
        await asyncio.sleep(self._chance.choice((0, 0.002, 0.02, 0.08, 0.25)))


class Soak:
    """A context, a loop over it, and what became of it."""

    def __init__(self, context: Path, engine: Any) -> None:
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text("FROM scratch\nCOPY data /\n")
        (context / ".dockerignore").write_text("*.swp\n")
        (context / "data").write_text("")
        self.context = context
        self.images: list[str] = []
        self.failures: list[BuildFinished] = []
        self.states: list[LoopState] = []
        self.loop = LiveLoop(
            engine,
            lambda: BuildRequest(context=context),
            quiet=0.02,
            on_event=self._event,
            on_state=self.states.append,
        )

    def _event(self, revision: int, event: BuildEvent) -> None:
        if isinstance(event, BuildFinished):
            if event.outcome == "succeeded":
                self.images.append(event.image)
            elif event.outcome == "failed":
                self.failures.append(event)

    async def run(self, seed: int) -> str:
        """Saves, and waits until nothing is left to build; the content that was saved last."""
        chance = random.Random(seed)
        task = asyncio.create_task(self.loop.run(build_first=True))
        person = Person(self.context, chance)
        for number in range(SAVES):
            await person.save(number)
            await person.rest()
        quiet = turns = 0
        while quiet < 25:  # half a second: what is told late may still come
            await asyncio.sleep(0.02)
            quiet, turns = quiet + 1 if self.loop.state.settled else 0, turns + 1
            assert turns < 1000, f"not settled: {self.loop.state} {self.failures[-1:]}"
        await self.loop.stop()
        await task
        # an engine may read a file in the middle of a save, and says so; the save itself is built next
        assert all("while it was read" in (failure.error or "") for failure in self.failures)
        assert any(state.spared for state in self.states) and len(self.images) > 5
        return person.last


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_the_last_of_500_saves_is_built_by_a_slow_engine(seed: int, tmp_path: Path) -> None:
    engine = SlowEngine(random.Random(-seed))
    soak = Soak(tmp_path / "context", engine)
    assert await soak.run(seed) == soak.images[-1]
    assert engine.most == 1


@pytest.mark.slow
async def test_the_last_of_500_saves_is_built_by_the_embedded_engine(tmp_path: Path) -> None:
    engine = EmbeddedEngine(tmp_path / "store")
    soak = Soak(tmp_path / "context", engine)
    last = await soak.run(3)
    await engine.images.save([soak.images[-1]], tmp_path / "image.tar")
    await engine.close()
    assert _content(tmp_path / "image.tar", "data") == last


def _content(archive: Path, name: str) -> str:
    """A file of the only layer of an image."""
    with tarfile.open(archive) as image:
        manifest = json.load(image.extractfile("manifest.json"))  # type: ignore[arg-type]
        with tarfile.open(fileobj=image.extractfile(manifest[0]["Layers"][0])) as layer:
            return layer.extractfile(name).read().decode()  # type: ignore[union-attr]
