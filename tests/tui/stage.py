"""A stage for the whole app: a context on disk, the replay engine, and waiting for what should come."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from workbench.build.engine import Engine
from workbench.build.events import BuildEvent
from workbench.build.images import Image
from workbench.build.request import BuildRequest
from workbench.config import Config
from workbench.engines.replay import ReplayEngine, read_recording
from workbench.tui.app import WorkbenchApp

RECORDINGS = Path(__file__).parent.parent / "recordings"
WIDE = (140, 45)
NARROW = (80, 24)


def recording(name: str) -> list[BuildEvent]:
    """The events of `tests/recordings/NAME.jsonl`."""
    return read_recording(RECORDINGS / f"{name}.jsonl")


def images(count: int = 3) -> list[Image]:
    """Images of made-up IDs, the newest first: `app0:latest`, `app1:latest`, ..."""
    now = time.time()
    return [
        Image(f"sha256:{number:064x}", tags=(f"app{number}:latest",), created=now - 1209600 - number, size=1_980_000)
        for number in range(count)
    ]


def make_context(folder: Path, dockerfile: str = "FROM scratch\nADD busybox.tar.xz /\nRUN x\nCMD sh\n") -> Path:
    """A folder with a Dockerfile, an ignore file, a file that is sent and one that is not."""
    (folder / "src").mkdir(parents=True)
    (folder / "Dockerfile").write_text(dockerfile)
    (folder / ".dockerignore").write_text("# comment\n*.log\n")
    (folder / "src" / "app.py").write_text("print()\n")
    (folder / "build.log").write_text("x" * 1000)
    return folder


def make_app(context: Path, engine: Engine | None = None, **options: Any) -> WorkbenchApp:
    """The app on that context, as the command line makes it."""
    engine = engine or ReplayEngine(recording("genesis"), images=images())
    config = options.pop("config", Config())
    return WorkbenchApp(engine, context, config, request=BuildRequest(context=context, tags=("genesis",)), **options)


@asynccontextmanager
async def running(app: WorkbenchApp, size: tuple[int, int] = WIDE, *, built: bool = True) -> AsyncIterator[Pilot[int]]:
    """The app, started; with `built` its first build has ended."""
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.live is not None and app.editor_panel.main.loaded, "the Dockerfile is read")
        if built:
            await until(pilot, lambda: app._live.state.ended is not None, "the first build ended")
            await pilot.pause()
        yield pilot
        if app.live is not None:
            await app.live.loop.stop()


def at_once(app: WorkbenchApp, *keys: str) -> None:
    """As a terminal sends them in one piece."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


async def until(pilot: Pilot[Any], condition: Callable[[], object], what: str, seconds: float = 15) -> None:
    """Waits for a condition; fails saying `what` did not come."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"did not come: {what}\n{screen_text(pilot.app)}")
        await pilot.pause(0.02)


def screen_text(app: Any) -> str:
    """What stands on the screen, line by line."""
    lines: Sequence[Any] = app.screen._compositor.render_strips()
    return "\n".join(strip.text for strip in lines)
