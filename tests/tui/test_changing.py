"""Changing the engine while the workbench runs."""

from __future__ import annotations

from pathlib import Path

from tests.tui.stage import images, make_app, make_context, recording, running, screen_text, until
from workbench.build.engine import EngineInfo
from workbench.engines.replay import ReplayEngine
from workbench.errors import EngineUnavailable
from workbench.tui.widgets.title import TitleLine


class Other(ReplayEngine):
    """An engine of another name, with its own images."""

    name = "other"
    closed = False

    async def close(self) -> None:
        self.closed = True


class Gone(Other):
    async def check(self) -> EngineInfo:
        raise EngineUnavailable("nothing answers", hint="Start it.")


async def test_the_context_is_built_with_the_new_engine_and_its_images_are_shown(tmp_path: Path) -> None:
    before, after = Other(recording("genesis"), images=images(1)), Other(recording("failing"), images=images(3))
    app = make_app(make_context(tmp_path / "lab"), before, engines={"other": lambda: after})
    async with running(app) as pilot:
        app.use_engine("other")
        await until(pilot, lambda: app._live.state.outcome == "failed", "built by the other engine")
        await until(pilot, lambda: "app2" in screen_text(app), "its images")
        assert app.engine is after and before.closed and not after.closed
        assert len(after.requests) == 1
        assert app.base.query_one(TitleLine).engine == f"other {(await after.check()).version}".strip()
        offered = [command.title for command in app.get_system_commands(app.screen)]
        assert "Use the other engine" not in offered


async def test_an_engine_that_does_not_answer_changes_nothing(tmp_path: Path) -> None:
    gone = Gone()
    app = make_app(make_context(tmp_path / "lab"), engines={"gone": lambda: gone})
    async with running(app) as pilot:
        app.use_engine("gone")
        await until(pilot, lambda: "nothing answers" in screen_text(app), "what is wrong")
        assert "Start it." in screen_text(app)
        assert app.engine.name == "replay" and gone.closed


async def test_the_tree_shows_what_the_engine_in_use_sends(tmp_path: Path) -> None:
    """Of an ignored folder the classic builder's client takes less than BuildKit."""
    context = make_context(tmp_path / "lab")
    (context / ".dockerignore").write_text("src\n!**/app.py\n")
    after = Other(recording("genesis"))
    after.name = "docker"
    app = make_app(context, engines={"docker": lambda: after})
    async with running(app) as pilot:
        tree = app.context_panel.context_tree
        await until(pilot, lambda: tree.model is not None and tree.model.place("src/app.py") is not None, "gone into")
        app.use_engine("docker")
        await until(pilot, lambda: tree.model is not None and tree.model.place("src/app.py") is None, "not gone into")
