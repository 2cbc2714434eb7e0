"""The whole workbench on recorded builds: every panel, every key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from textual import events
from textual.binding import Binding
from textual.widgets import Input

from tests.tui.stage import NARROW, WIDE, images, make_app, make_context, recording, running, screen_text, until
from workbench.build import recovery
from workbench.build.engine import Build
from workbench.build.events import BuildEvent
from workbench.build.request import BuildRequest
from workbench.config import Config
from workbench.engines.replay import ReplayEngine
from workbench.errors import DockerfileError, EngineUnavailable
from workbench.tui.app import WorkbenchApp
from workbench.tui.screens.dialogs import PAUSE
from workbench.tui.widgets.build_panel import BuildPanel
from workbench.tui.widgets.images_panel import ImagesPanel
from workbench.tui.widgets.panel import PANELS


@pytest.fixture
def context(tmp_path: Path) -> Path:
    return make_context(tmp_path / "lab")


class Refusing(ReplayEngine):
    """Builds that do not start, for as long as `error` is set."""

    error: Exception | None = None

    def build(self, request: BuildRequest) -> Build:  # type: ignore[override]
        return _Refused(self.error) if self.error else super().build(request)


class _Refused:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __aiter__(self) -> AsyncIterator[BuildEvent]:
        return self

    async def __anext__(self) -> BuildEvent:
        raise self.error

    def cancel(self) -> None: ...

    async def aclose(self) -> None: ...


def active(app: WorkbenchApp) -> str:
    return app.active


def put(path: Path, text: str) -> None:
    """One change to whoever watches: a file that is written in place is seen empty first."""
    beside = path.parent.parent / path.name
    beside.write_text(text)
    beside.replace(path)


async def test_the_four_panels_show_one_picture(context: Path) -> None:
    app = make_app(context)
    async with running(app) as pilot:
        await until(pilot, lambda: "app2" in screen_text(app), "the images")
        await until(pilot, lambda: "Context  3 of 4 files" in screen_text(app), "the context's totals")
        shown = screen_text(app)
        title = shown.splitlines()[0]
        for said in ("replay", "lab", "watching", "built r1", "saved r1"):
            assert said in title
        assert "build.log" in shown and "not sent" in shown
        assert "FROM scratch" in shown and "Build r1" in shown
        assert "genesis" in shown and "IMAGE ID" in shown


@pytest.mark.slow
async def test_a_key_for_each_panel_and_back_to_the_editor(context: Path) -> None:
    app = make_app(context, watch=False)
    panels = {"f2": "context", "alt+1": "context", "f4": "build", "alt+3": "build", "f7": "images", "alt+4": "images"}
    async with running(app, built=False) as pilot:
        for keys, panel in panels.items():
            await pilot.press(keys)
            await until(pilot, lambda panel=panel: active(app) == panel and app.focused is not None, panel)  # type: ignore[misc]
            await until(pilot, lambda panel=panel: panel in {it.id for it in app.focused.ancestors}, keys)  # type: ignore[misc,union-attr]
            await pilot.press("alt+2" if keys.startswith("alt") else "f3")
            await until(pilot, lambda: app.focused is app.editor_panel.editor, "the editor")


async def test_what_is_typed_right_behind_the_key_of_a_panel_is_meant_for_it(context: Path) -> None:
    app = make_app(context)
    async with running(app, NARROW) as pilot:
        before = app.editor_panel.editor.text
        for key in ("alt+4", "G", "alt+2", "x"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: app.editor_panel.editor.text != before, "typed into the editor")
        assert app.editor_panel.editor.text == f"x{before}"


@pytest.mark.slow
async def test_tab_goes_round_the_panels_and_indents_in_the_editor(context: Path) -> None:
    app = make_app(context, watch=False)
    async with running(app, built=False) as pilot:
        await until(pilot, lambda: app.focused is app.editor_panel.editor, "the editor first")
        await pilot.press("tab")
        assert app.editor_panel.editor.text.startswith("    FROM") and active(app) == "dockerfile"
        await pilot.press("escape")
        await until(pilot, lambda: active(app) == "build", "escape leaves")
        seen = [active(app)]
        for _ in range(8):
            await pilot.press("tab")
            await pilot.pause()
            if active(app) != seen[-1]:
                seen.append(active(app))
            if active(app) == "dockerfile":
                break
        assert seen == ["build", "images", "context", "dockerfile"]
        await pilot.press("shift+tab")
        await until(pilot, lambda: active(app) == "context", "shift+tab goes back")


@pytest.mark.parametrize("key", ["f5", "ctrl+r"])
async def test_build_now(context: Path, key: str) -> None:
    engine = ReplayEngine(recording("genesis"))
    app = make_app(context, engine, watch=False)
    async with running(app, built=False) as pilot:
        assert not engine.requests, "watching is off: nothing was asked for yet"
        await pilot.press(key)
        await until(pilot, lambda: app._live.state.built == 1, "built")
        assert engine.requests[0].tags == ("genesis:latest",)


@pytest.mark.parametrize("key", ["f6", "ctrl+t"])
async def test_watching_on_and_off(context: Path, key: str) -> None:
    app = make_app(context)
    async with running(app) as pilot:
        await pilot.press(key)
        await until(pilot, lambda: "not watching" in screen_text(app).splitlines()[0], "off")
        await pilot.press(key)
        await until(pilot, lambda: "not watching" not in screen_text(app).splitlines()[0], "on")


@pytest.mark.parametrize("key", ["f8", "ctrl+x"])
async def test_cancel(context: Path, key: str) -> None:
    app = make_app(context, ReplayEngine(recording("multistage"), speed=0.001))
    async with running(app, built=False) as pilot:
        await pilot.press("alt+3")
        await until(pilot, lambda: app._live.running and active(app) == "build", "a build runs")
        await pilot.press(key)
        await until(pilot, lambda: app._live.state.outcome == "cancelled", "cancelled")
        await until(pilot, lambda: "r1 cancelled" in screen_text(app).splitlines()[0], "and said")


async def test_a_save_writes_the_file_and_builds_it(context: Path) -> None:
    engine = ReplayEngine(recording("genesis"))
    app = make_app(context, engine)
    async with running(app) as pilot:
        await pilot.press(*"ARG A", "enter")
        await until(pilot, lambda: "unsaved" in screen_text(app).splitlines()[0], "the mark of unsaved text")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app._live.state.built == 2, "the second revision is built")
        await until(pilot, lambda: "built r2 · saved r2" in screen_text(app), "and said")
        assert (context / "Dockerfile").read_text().startswith("ARG A\nFROM scratch\n")
        assert len(engine.requests) == 2


@pytest.mark.slow
async def test_another_programs_change_of_the_context_builds_and_shows(context: Path) -> None:
    app = make_app(context)
    async with running(app) as pilot:
        put(context / "new.txt", "hello")
        await until(pilot, lambda: app._live.state.built == 2, "the second revision is built")
        await until(pilot, lambda: "new.txt" in screen_text(app), "the tree follows")
        (context / "other.log").write_text("ignored")
        put(context / "Dockerfile", "FROM scratch\nCMD theirs\n")
        await until(pilot, lambda: app._live.state.built == 3, "the third revision is built")
        await until(pilot, lambda: "CMD theirs" in app.editor_panel.editor.text, "the editor follows")
        assert app._live.state.saved == 3, "the ignored file made no revision"


async def test_a_failed_step_leads_to_its_line(context: Path) -> None:
    app = make_app(context, ReplayEngine(recording("failing")))
    async with running(app) as pilot:
        await until(pilot, lambda: app.editor_panel.editor.cursor_location == (2, 0), "the cursor is on line 3")
        await until(pilot, lambda: "no such tool" in screen_text(app), "the failed step's log is open")
        title = screen_text(app).splitlines()[0]
        assert "r1 failed" in title
        app.editor_panel.editor.go_to(1)
        await pilot.press("alt+3")
        await until(pilot, lambda: app.focused is app.query_one(BuildPanel).step_list, "the steps have the focus")
        await pilot.press("enter")
        await until(pilot, lambda: app.focused is app.editor_panel.editor, "enter leads to the editor")
        assert app.editor_panel.editor.cursor_location == (2, 0)


async def test_a_broken_dockerfile_shows_its_error_and_the_loop_goes_on(context: Path) -> None:
    (context / "Dockerfile").write_text("FROM scratch\nFORM x\n")
    engine = Refusing(recording("genesis"))
    engine.error = DockerfileError(2, 1, "unknown instruction: FORM")
    app = make_app(context, engine)
    async with running(app) as pilot:
        await until(pilot, lambda: "← unknown instruction: FORM" in screen_text(app), "the error at its line")
        await until(pilot, lambda: "r1 failed" in screen_text(app).splitlines()[0], "the title says so")
        engine.error = None
        app.editor_panel.editor.text = "FROM scratch\n"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app._live.state.built == 2, "the mended file is built")
        await until(pilot, lambda: "unknown instruction" not in screen_text(app), "nothing is said any more")


async def test_an_engine_that_went_away_is_told_with_what_to_do(context: Path) -> None:
    engine = Refusing(recording("genesis"))
    engine.error = EngineUnavailable("no engine answers", hint="Start [it].")
    app = make_app(context, engine)
    async with running(app) as pilot:
        await until(pilot, lambda: "Start [it]." in screen_text(app), "the hint, as text")
        engine.error = None
        await pilot.press("f5")
        await until(pilot, lambda: app._live.state.built == 1, "built when it is back")


async def test_an_image_is_deleted_after_a_dialog(context: Path) -> None:
    engine = ReplayEngine(recording("genesis"), images=images())
    app = make_app(context, engine, watch=False)
    async with running(app, built=False) as pilot:
        await until(pilot, lambda: "app0" in screen_text(app), "the images")
        await pilot.press("alt+4")
        await until(pilot, lambda: active(app) == "images", "the images panel")
        await pilot.press("d")
        await until(pilot, lambda: "Delete app0:latest?" in screen_text(app), "the question")
        assert "1.98MB" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1, "the dialog is gone")
        assert len(engine.images.held) == 3, "nothing was deleted"
        await pilot.press("d")
        await until(pilot, lambda: len(app.screen_stack) == 2, "the question again")
        await pilot.press("enter")
        await until(pilot, lambda: len(app.screen_stack) == 1, "enter alone cancels")
        assert "app0" in screen_text(app)
        await pilot.press("d")
        await until(pilot, lambda: "taken back for 30 minutes" in screen_text(app), "the question a third time")
        await pilot.press("d")
        await until(pilot, lambda: "app0  " not in screen_text(app), "gone from the table")
        await until(pilot, lambda: "1 in the trash" in screen_text(app), "said in the title")
        await pilot.press("u")
        await until(pilot, lambda: "app0  " in screen_text(app), "taken back")
        assert len(engine.images.held) == 3
        await until(pilot, lambda: "Taken back" in screen_text(app), "said")
        await until(pilot, lambda: "takes it back" not in screen_text(app), "what said how to take it back goes")


async def test_r_never_deletes(context: Path) -> None:
    engine = ReplayEngine(recording("genesis"), images=images())
    app = make_app(context, engine, watch=False)
    async with running(app, built=False) as pilot:
        await until(pilot, lambda: "app0" in screen_text(app), "the images")
        await pilot.press("alt+4", "r", "R")
        await pilot.pause()
        assert len(engine.images.held) == 3 and len(app.screen_stack) == 1


@pytest.mark.slow
async def test_an_image_is_tagged_looked_into_and_its_id_copied(context: Path) -> None:
    engine = ReplayEngine(recording("genesis"), images=images(1))
    app = make_app(context, engine, watch=False)
    async with running(app, built=False) as pilot:
        await until(pilot, lambda: "app0" in screen_text(app), "the images")
        await pilot.press("alt+4", "t")
        await until(pilot, lambda: isinstance(app.focused, Input), "asks for a name")
        await pilot.press(*"BAD", "enter")
        await until(pilot, lambda: "is not an image name" in screen_text(app), "refuses a bad one")
        app.focused.value = "mine:r1"  # type: ignore[union-attr]
        await pilot.press("enter")
        await until(pilot, lambda: any("mine:r1" in it.tags for it in engine.images.held.values()), "tagged")
        await pilot.press("y")
        assert app.clipboard == f"sha256:{0:064x}"
        await until(pilot, lambda: len(app.screen_stack) == 1, "back")
        await pilot.press("i")
        await until(pilot, lambda: "History" in screen_text(app), "config and history")
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1, "closed")


@pytest.mark.slow
async def test_help_lists_the_keys_and_is_a_letter_in_the_editor(context: Path) -> None:
    app = make_app(context, watch=False)
    async with running(app, built=False) as pilot:
        await pilot.press("question_mark")
        assert app.editor_panel.editor.text.startswith("?") and len(app.screen_stack) == 1
        await pilot.press("f1")
        await until(pilot, lambda: "Here: Editor" in screen_text(app), "the keys")
        await pilot.press("escape", "escape")
        await until(pilot, lambda: len(app.screen_stack) == 1 and active(app) == "build", "left the editor")
        await pilot.press("question_mark")
        await until(pilot, lambda: "Here: Build" in screen_text(app), "the keys again")


@pytest.mark.slow
async def test_a_build_goes_on_under_an_open_dialog(context: Path) -> None:
    app = make_app(context)
    async with running(app) as pilot:
        await pilot.press("f1")
        await until(pilot, lambda: len(app.screen_stack) == 2, "help is open")
        put(context / "new.txt", "hello")
        await until(pilot, lambda: app._live.state.built == 2, "built")
        await pilot.press("escape")
        await until(pilot, lambda: "built r2 · saved r2" in screen_text(app), "and shown when the dialog is gone")


async def test_the_palette_has_every_action(context: Path) -> None:
    app = make_app(context, watch=False, engines={"embedded": ReplayEngine})
    async with running(app, built=False):
        titles = {command.title for command in app.get_system_commands(app.screen)}
        described = {it.description for it in app.BINDINGS if isinstance(it, Binding)}
        assert described <= titles
        for wanted in (
            "Images: Delete",
            "Images: Tag",
            "Context: Open",
            "Build: To the line",
            "Use the embedded engine",
        ):
            assert wanted in titles


async def test_quitting_asks_only_where_something_would_be_lost(context: Path) -> None:
    app = make_app(context)
    async with running(app) as pilot:
        await pilot.press("escape", "q")
        await until(pilot, lambda: app._exit, "quit at once")
    assert app.return_value == 0 and app.return_code == 0


@pytest.mark.slow
async def test_what_was_undone_before_quitting_is_not_offered_again(context: Path) -> None:
    app = make_app(context, watch=False)
    async with running(app, built=False) as pilot:
        await pilot.press("#")
        app.editor_panel.put_aside()
        assert recovery.offered(context / "Dockerfile") is not None
        await pilot.press("backspace", "ctrl+q")
        await until(pilot, lambda: app._exit, "it ends")
    assert recovery.offered(context / "Dockerfile") is None


async def test_quitting_with_unsaved_text_asks(context: Path) -> None:
    app = make_app(context)
    async with running(app) as pilot:
        await pilot.press("x", "ctrl+q")
        await until(pilot, lambda: "is not saved" in screen_text(app), "the question")
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1, "stays")
        await pilot.press("ctrl+q")
        await until(pilot, lambda: len(app.screen_stack) == 2, "asks again")
        await pilot.press("enter")
        await until(pilot, lambda: app._exit, "saved and quit")
    assert (context / "Dockerfile").read_text().startswith("xFROM")
    assert recovery.offered(context / "Dockerfile") is None


@pytest.mark.slow
async def test_quitting_while_a_build_runs_asks(context: Path) -> None:
    app = make_app(context, ReplayEngine(recording("multistage"), speed=0.001))
    async with running(app, built=False) as pilot:
        await until(pilot, lambda: app._live.running, "a build runs")
        await pilot.press("ctrl+q")
        await until(pilot, lambda: "is running" in screen_text(app), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: app._exit, "quit")
    assert app._live.state.outcome == "cancelled"


async def test_what_a_crash_left_is_offered(context: Path) -> None:
    recovery.save(context / "Dockerfile", "FROM recovered\n")
    app = make_app(context, watch=False)
    async with running(app, built=False) as pilot:
        await until(pilot, lambda: "Unsaved text was found" in screen_text(app), "the offer")
        await pilot.pause(PAUSE)
        await pilot.press("enter")
        await until(pilot, lambda: app.editor_panel.editor.text == "FROM recovered\n", "restored")
        assert app.editor_panel.unsaved
    assert (context / "Dockerfile").read_text().startswith("FROM scratch")


@pytest.mark.slow
async def test_a_change_by_another_program_under_unsaved_text_is_asked_about(context: Path) -> None:
    app = make_app(context)
    async with running(app) as pilot:
        await pilot.press("x")
        (context / "Dockerfile").write_text("FROM theirs\n")
        await until(pilot, lambda: "changed by another program" in screen_text(app), "the question")
        await pilot.pause(PAUSE)
        await pilot.press("t")
        await until(pilot, lambda: app.editor_panel.editor.text == "FROM theirs\n", "theirs was taken")


@pytest.mark.slow
async def test_a_narrow_terminal_has_one_panel_and_strips(context: Path) -> None:
    app = make_app(context)
    async with running(app, NARROW) as pilot:
        await until(pilot, lambda: "alt+4 Images  4" in screen_text(app), "the strip of the images")
        shown = screen_text(app)
        assert "FROM scratch" in shown and "alt+2" not in shown
        assert "alt+3 Build  r1 4/4" in shown and "alt+1 Context  3 of 4 files" in shown
        for number, name in enumerate(PANELS, 1):
            await pilot.press(f"alt+{number}")
            await until(
                pilot,
                lambda name=name: active(app) == name and f"alt+{PANELS.index(name) + 1}" not in screen_text(app),
                name,
            )
            visible = [
                panel
                for panel in PANELS
                if app.workspace.box(panel).display and app.workspace.box(panel).size.height > 10
            ]
            assert visible == [name]
        await pilot.click("#strip-context")
        await until(pilot, lambda: active(app) == "context", "a click on a strip")


@pytest.mark.slow
async def test_resizing_keeps_the_place(context: Path) -> None:
    app = make_app(context)
    async with running(app, WIDE) as pilot:
        await pilot.press("alt+4")
        await until(pilot, lambda: active(app) == "images", "images")
        await pilot.resize_terminal(*NARROW)
        await until(pilot, lambda: "alt+2" in screen_text(app), "the strips are there")
        assert active(app) == "images" and app.query_one(ImagesPanel).size.height > 10
        await pilot.resize_terminal(*WIDE)
        await until(pilot, lambda: "alt+2 " not in screen_text(app), "the strips are gone")
        assert all(app.workspace.box(panel).display for panel in PANELS)


async def test_keys_can_be_mapped_anew(context: Path) -> None:
    engine = ReplayEngine(recording("genesis"))
    app = make_app(context, engine, watch=False, config=Config(keys={"build.now": "f9"}))
    async with running(app, built=False) as pilot:
        await pilot.press("f5")
        await pilot.pause()
        assert not engine.requests
        await pilot.press("f9")
        await until(pilot, lambda: len(engine.requests) == 1, "built")


async def test_every_function_key_has_another_and_no_key_is_a_prefix_of_tmux_or_screen(context: Path) -> None:
    app = make_app(context, watch=False)
    async with running(app, built=False):
        for widget in [app, *app.screen.walk_children()]:
            keys = widget._bindings.key_to_bindings
            if isinstance(widget, Input):
                continue  # Textual's own line of input: there ctrl+a is only another word for home
            assert not {"ctrl+a", "ctrl+b"} & set(keys), widget
        actions: dict[str, set[str]] = {}
        for key, bindings in app._bindings.key_to_bindings.items():
            for binding in bindings:
                actions.setdefault(binding.action, set()).add(key)
        for action, keys in actions.items():
            if any(key.startswith("f") and key[1:].isdigit() for key in keys):
                assert any(not (key.startswith("f") and key[1:].isdigit()) for key in keys), action


def _table(app: WorkbenchApp) -> str:
    return screen_text(app).partition("REPOSITORY")[2]
