"""Which engine it is, that it went away, and what happens by itself when it is back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.tui.stage import images, make_app, make_context, recording, running, screen_text, until
from workbench.build.engine import EngineInfo
from workbench.build.images import Image
from workbench.build.loop import LoopState
from workbench.build.request import BuildRequest
from workbench.engines.replay import ReplayBuild, ReplayEngine, ReplayImages
from workbench.errors import EngineLost, EngineUnavailable
from workbench.tui.widgets.title import TitleLine, title_text


class Images(ReplayImages):
    """Of an engine that a test switches off and on."""

    gone = False
    restarted = False

    async def list(self, *, all: bool = False, name: str = "", filters: Sequence[str] = ()) -> Sequence[Image]:
        if self.gone:
            raise EngineUnavailable("nothing answers at unix:///x", hint="Start it.")
        if self.restarted:
            self.restarted = False
            raise EngineLost("the connection of before is none any more")
        return await super().list(all=all, name=name, filters=filters)

    def switch(self, *, gone: bool) -> None:
        self.gone, self.restarted = gone, not gone
        self._changed.set()


class Engine(ReplayEngine):
    version = "20.10.24+dfsg1"

    def __init__(self) -> None:
        super().__init__(recording("genesis"))
        self.hangs = False
        self.images: Images = Images(images(2))

    async def check(self) -> EngineInfo:
        if self.hangs:
            raise EngineUnavailable("the engine does not answer")
        return EngineInfo("replay", self.version)

    def build(self, request: BuildRequest) -> ReplayBuild:
        if self.images.gone:
            self.requests.append(request)
            raise EngineUnavailable("nothing answers at unix:///x", hint="Start it.")
        return super().build(request)


async def test_the_title_says_engine_and_version_soon_after_the_start(tmp_path: Path) -> None:
    app = make_app(make_context(tmp_path / "lab"), Engine())
    async with running(app) as pilot:
        await until(pilot, lambda: "replay 20.10.24 ·" in screen_text(app), "the version")


@pytest.mark.slow
async def test_an_engine_that_went_away_and_is_back(tmp_path: Path) -> None:
    engine = Engine()
    context = make_context(tmp_path / "lab")
    app = make_app(context, engine)
    async with running(app) as pilot:
        await until(pilot, lambda: "app1" in screen_text(app), "the images")
        engine.images.switch(gone=True)
        await until(pilot, lambda: "replay 20.10.24 gives no answer" in screen_text(app), "what the title says")
        assert "Images  the engine gives no answer · before: " in screen_text(app)
        await until(pilot, lambda: "It is tried again until it answers." in screen_text(app), "what becomes of it")
        assert "Start it." in screen_text(app)
        assert "app1" in screen_text(app)
        with (context / "Dockerfile").open("a") as file:
            file.write("LABEL saved=meanwhile\n")
        await until(pilot, lambda: app._live.state.problem, "the build that cannot start")
        assert app._live.state.ended == app._live.state.saved
        tried = len(engine.requests)
        engine.version = "28.5.2"
        engine.images.switch(gone=False)
        await until(pilot, lambda: app._live.state.settled, "what was saved meanwhile is built")
        assert len(engine.requests) == tried + 1
        await until(pilot, lambda: "replay 28.5.2 ·" in screen_text(app), "the title")
        assert "no answer" not in screen_text(app) and "Images  3 · " in screen_text(app)


@pytest.mark.slow
async def test_an_engine_that_hangs_is_asked_until_it_answers(tmp_path: Path) -> None:
    """Its connections stay, and no change of the images tells that it went or that it is back."""
    engine = Engine()
    app = make_app(make_context(tmp_path / "lab"), engine)
    async with running(app) as pilot:
        title = app.base.query_one(TitleLine)
        await until(pilot, lambda: "app1" in screen_text(app), "the images")
        engine.hangs = engine.images.gone = True
        app.action_build_now()
        await until(pilot, lambda: title.away, "it is away")
        tried = len(engine.requests)
        engine.hangs = engine.images.gone = False
        await until(pilot, lambda: not title.away and app._live.state.settled, "what could not be built is built")
        assert len(engine.requests) == tried + 1


@pytest.mark.slow
async def test_nothing_is_built_by_itself_where_nobody_watches(tmp_path: Path) -> None:
    engine = Engine()
    app = make_app(make_context(tmp_path / "lab"), engine, watch=False)
    async with running(app, built=False) as pilot:
        title = app.base.query_one(TitleLine)
        engine.images.switch(gone=True)
        await until(pilot, lambda: title.away, "it is away")
        app.action_build_now()
        await until(pilot, lambda: app._live.state.problem, "the build that cannot start")
        engine.images.switch(gone=False)
        await until(pilot, lambda: not title.away, "it is back")
        await pilot.pause()
        assert len(engine.requests) == 1


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (120, "workbench  docker 20.10.24 gives no answer · /srv/a/long/way/to/the/context · watching"),
        (90, "docker 20.10.24 gives no answer · …ong/way/to/the/context · watching"),
        (80, "docker gives no answer · …ng/way/to/the/context · watching"),
    ],
)
def test_a_narrow_title(width: int, expected: str) -> None:
    place = Path("/srv/a/long/way/to/the/context")
    text = title_text("docker", place, LoopState(), unsaved=False, width=width, version="20.10.24+dfsg1", away=True)
    assert text.rpartition(" · saved r1")[0].rpartition("not built")[0].rstrip() == expected
    assert len(text) <= width
