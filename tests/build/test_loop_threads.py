"""The live loop over builds that block on threads of their own, as every real engine's do, and over a real watch."""

from __future__ import annotations

import asyncio
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from workbench.build.events import BuildFinished, BuildStarted
from workbench.build.loop import LiveLoop, LoopState
from workbench.build.request import BuildRequest
from workbench.engines.worker import Cancel, Emit, ThreadBuild


class ReadingEngine:
    """Its image is what the context's file `data` said when the build read it; builds that overlap are counted."""

    name = "reading"

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self.running = 0
        self.most = 0

    def build(self, request: BuildRequest) -> ThreadBuild:
        turns = self._chance.randrange(8)
        return ThreadBuild(lambda emit, cancel: self._work(request, turns, emit, cancel))

    def _work(self, request: BuildRequest, turns: int, emit: Emit, cancel: Cancel) -> None:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            assert request.context is not None
            emit(BuildStarted(build="b", engine="reading"))
            content = (request.context / "data").read_text()
            pause = threading.Event()
            cancel.on_ask(pause.set)
            for _ in range(turns):
                cancel.check()
                pause.wait(0.001)
            emit(BuildFinished(outcome="succeeded", image=content))
        finally:
            with self._lock:
                self.running -= 1


def save(context: Path, text: str, *, rename: bool) -> None:
    """As one kind of editor or the other saves."""
    if rename:
        (context / ".data.swp").write_text(text)
        (context / ".data.swp").replace(context / "data")
    else:
        (context / "data").write_text(text)


@pytest.mark.parametrize("seed", range(8))
async def test_the_last_of_many_saves_is_the_image(seed: int, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY data /\n")
    (tmp_path / ".dockerignore").write_text("*.swp\n*.log\n")
    save(tmp_path, "0", rename=False)
    engine = ReadingEngine(seed)
    images: list[str] = []
    moved = asyncio.Event()

    def on_event(revision: int, event: Any) -> None:
        if isinstance(event, BuildFinished) and event.outcome == "succeeded":
            images.append(event.image)

    loop = LiveLoop(
        engine,  # type: ignore[arg-type]
        lambda: BuildRequest(context=tmp_path),
        quiet=0.005,
        on_event=on_event,
        on_state=lambda state: moved.set(),
    )
    task = asyncio.create_task(loop.run(build_first=True))

    async def until_image(text: str) -> LoopState:
        async with asyncio.timeout(20):
            while not (loop.state.building is None and images and images[-1] == text):
                moved.clear()
                if not (loop.state.building is None and images and images[-1] == text):
                    await moved.wait()
        return loop.state

    await until_image("0")
    chance = random.Random(seed)
    for number in range(1, 13):
        save(tmp_path, str(number), rename=chance.random() < 0.5)
        await asyncio.sleep(chance.choice((0, 0.001, 0.004, 0.012, 0.03)))
    await until_image("12")
    before = loop.state.saved
    (tmp_path / "noise.log").write_text("ignored")
    save(tmp_path, "13", rename=True)
    state = await until_image("13")
    assert "noise.log" not in state.changed and ".data.swp" not in state.changed
    assert state.saved > before
    await loop.stop()
    await task
    assert engine.running == 0 and engine.most == 1
