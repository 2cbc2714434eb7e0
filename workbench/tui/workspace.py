"""The four panels, where they stand, and what becomes of what they and the live loop say."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.reactive import reactive
from textual.widget import Widget

from workbench.build.estimate import estimate
from workbench.errors import DockerfileError, EngineError, WorkbenchError
from workbench.tui import asking, ending, ignoring
from workbench.tui.around import Around
from workbench.tui.foresight import Foreseer
from workbench.tui.image_actions import ASK_NOTHING
from workbench.tui.live import Live, marks_of
from workbench.tui.messages import OpenFile
from workbench.tui.widgets.build_panel import BuildPanel, strip_of, title_of
from workbench.tui.widgets.context_panel import ContextPanel
from workbench.tui.widgets.context_tree import ContextTree
from workbench.tui.widgets.editor_panel import EditorPanel
from workbench.tui.widgets.file_view import FileView
from workbench.tui.widgets.images_panel import ImagesPanel
from workbench.tui.widgets.note import Note
from workbench.tui.widgets.panel import PANELS, Panel
from workbench.tui.widgets.title import TitleLine

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_AROUND_TITLE = 6
"""Cells of a panel's upper border that its title does not get."""


class BuildBox(Panel):
    """The panel around the steps and the log."""

    def compose(self) -> ComposeResult:
        yield BuildPanel()


class ImagesBox(Panel):
    """The panel around the table of images."""

    DEFAULT_CSS = """
    ImagesBox > #image-transfer { height: 1; padding: 0 1; background: $primary-muted; display: none; }
    """

    def compose(self) -> ComposeResult:
        yield ImagesPanel()
        yield Note(id="image-transfer")

    away: reactive[bool] = reactive(False)
    """Whether the engine gives no answer: what the table shows is then what there was before."""
    summary = ""

    def on_images_panel_changed(self, event: ImagesPanel.Changed) -> None:
        self.summary = event.summary
        self._say_what()

    def watch_away(self) -> None:
        self._say_what()

    def _say_what(self) -> None:
        if self.away:
            was = f" · before: {self.summary}" if self.summary else ""
            self.title = self.strip_text = f"Images  the engine gives no answer{was}"
        elif self.summary:
            self.title = self.strip_text = f"Images  {self.summary}"

    def say(self, text: str) -> None:
        """How far a transfer is, in a line of its own; "" takes it away."""
        note = self.query_one("#image-transfer", Note)
        note.display = bool(text)
        note.say(text)


class Workspace(Vertical):
    """The panels, filled by what the app and the live loop tell them."""

    def __init__(self, context: Path, dockerfile: str) -> None:
        super().__init__(id="workspace")
        self.context_panel = ContextPanel(context, id="context")
        self.editor_panel = EditorPanel(context / dockerfile, dockerfile, context=context, id="dockerfile")
        self.editor_panel.around = Around(self)
        self.context_panel.unsaved_text = self.editor_panel.unsaved_text
        self.build_box = BuildBox("Build", id="build")
        self.images_box = ImagesBox("Images", id="images")
        self.foreseer = Foreseer(self)
        self._followed: Live | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="upper"):
            yield self.context_panel
            yield self.editor_panel
            yield self.build_box
        yield self.images_box

    def box(self, name: str) -> Panel:
        """The panel of that name of PANELS."""
        panels = (self.context_panel, self.editor_panel, self.build_box, self.images_box)
        return panels[PANELS.index(name)]

    @property
    def build_panel(self) -> BuildPanel:
        return self.build_box.query_one(BuildPanel)

    @property
    def images_panel(self) -> ImagesPanel:
        return self.images_box.query_one(ImagesPanel)

    def mark_active(self, name: str) -> None:
        """Where there is no room for all four, that one is shown."""
        for panel in PANELS:
            self.box(panel).set_class(panel == name, "-active")
        self.query_one("#upper").set_class(name == "images", "-empty")

    def holder(self, widget: Widget) -> str | None:
        """The name of the panel that a widget is in."""
        return next((it.id for it in widget.ancestors if isinstance(it, Panel) and it.id in PANELS), None)

    def follow(self, live: Live) -> None:
        """Shows from now on what that loop builds."""
        self._followed = live
        self.set_interval(0.5, self._tick, name="clock of a running step")
        self.set_interval(20, self._grow_older, name="ages of images")

    @property
    def _live(self) -> Live | None:
        """None before the loop is there, and when the screen is being taken down."""
        return self._followed if self.is_attached and self.app.screen_stack else None

    def _show_build(self, live: Live) -> None:
        """The state of the last build: steps and log, marks beside the text, titles and strips."""
        now = time.time()
        self.build_panel.show(live.progress, now, live.before)
        box, state = self.build_box, live.state
        if live.running and state.building != live.revision:
            box.title = box.strip_text = f"Build r{state.building}  starting"
        elif live.revision:
            expected = estimate(live.progress, live.before, now)
            box.title = title_of(live.progress, live.revision, now, expected)
            box.strip_text = strip_of(live.progress, live.revision, now)
            if live.other_engine:
                box.title = f"{box.title} · {live.other_engine}"
        if state.spared and not live.running:
            said = f"{box.title} · {state.spared}"
            if cell_len(said) > box.size.width - _AROUND_TITLE:  # the reason counts more than how long it took
                said = f"Build r{live.revision}  ✔ {state.spared.partition(': ')[2]}"
            box.title = said
            box.strip_text = f"Build  {state.spared}"
        if state.problem and state.ended is not None and not live.running:
            box.title = box.strip_text = f"Build r{state.ended}  ✘ not built: {state.problem}"
        problem = "" if isinstance(state.error, DockerfileError) else state.problem
        self.editor_panel.show_build(live.progress, marks_of(live.progress, now), problem)
        self.foreseer.follow(live)

    # -- what the loop says

    def on_live_moved(self, event: Live.Moved) -> None:
        """New facts of a build: steps, log, marks beside the text, and where it failed."""
        live = self._live
        if live is None:
            return
        self._show_build(live)
        if event.finished is None:
            return
        self._app.work(self._app.image_actions.refresh(), "images-now", "list the images after a build")
        failed = live.progress.failed_step
        if event.finished.outcome == "failed" and (line := event.finished.line or (failed.line if failed else 0)):
            self.editor_panel.lead_to(line, end_line=failed.end_line if failed else line)

    def on_live_state_changed(self, event: Live.StateChanged) -> None:
        """Another revision was saved, is built, or could not be."""
        live = self._live
        if live is None:
            return
        state = event.state
        self._app.base.query_one(TitleLine).state = live.state
        if state.building is None and event.before.building is not None:
            ending.build_ended(self._app)
        if state.saved != event.before.saved:
            self._app.work(self.editor_panel.look_at_disk(), "disk", "look at the file on disk")
            self.context_panel.follow(state.changed)
        if state.error is not event.before.error and state.error is not None:
            self._tell_problem(state.error, state.problem)
            if isinstance(state.error, EngineError):
                self._app.presence.doubt()
        if state.notice and state.notice != event.before.notice:
            self.notify(state.notice, title="Watching", severity="warning", markup=False)
        self._show_build(live)

    def on_live_told(self, event: Live.Told) -> None:
        self.notify(event.text, title="Build", markup=False)

    def _tell_problem(self, error: BaseException, problem: str) -> None:
        if isinstance(error, DockerfileError):
            self.editor_panel.lead_to(error.line, error.column)
            return
        hint = error.hint if isinstance(error, WorkbenchError) else ""
        self.notify(f"{problem}\n{hint}".strip(), title="Not built", severity="error", markup=False, timeout=10)

    def _tick(self) -> None:
        live = self._live
        if live is not None and live.progress.status == "running":
            self._show_build(live)

    def _grow_older(self) -> None:
        if self.is_attached:
            self.images_panel.grow_older(time.time())
            self._app.work(self._app.image_actions.expire(), "trash", "empty the trash of what is old")

    # -- what the panels say

    def on_editor_panel_unsaved_changed(self, event: EditorPanel.UnsavedChanged) -> None:
        self._app.base.query_one(TitleLine).unsaved = event.unsaved

    def on_editor_panel_close_asked(self, event: EditorPanel.CloseAsked) -> None:
        self._app.ask(asking.ask_close(self._app, event.view), "ask", "ask before a file is closed")

    def on_editor_panel_pick_asked(self) -> None:
        self._app.ask(self.editor_panel.pick(), "pick-file", "choose a file")

    def on_file_view_changed_outside(self, event: FileView.ChangedOutside) -> None:
        self._app.work(asking.ask_which(self._app, event.view, event.text), "ask", "ask which text to keep")

    def on_file_view_recovery_offered(self, event: FileView.RecoveryOffered) -> None:
        self._app.work(asking.ask_recovery(self._app, event.view, event.text, event.age), "ask", "offer recovered text")

    def on_dockerfile_editor_left(self) -> None:
        self._app.activate("build")

    def on_build_panel_step_chosen(self, event: BuildPanel.StepChosen) -> None:
        """`enter` on a step: to its line."""
        step = event.step
        self.editor_panel.show_file(self.editor_panel.main)
        self._app.activate("dockerfile")
        if step.line:
            self.editor_panel.editor.go_to(step.line)

    def on_context_panel_opened(self, event: ContextPanel.Opened) -> None:
        if event.entry.kind == "file":
            self.post_message(OpenFile(event.entry.path))

    def on_images_panel_asked(self, event: ImagesPanel.Asked) -> None:
        work = self._app.image_actions.do(event.what, event.rows)
        run = self._app.work if event.what in ASK_NOTHING else self._app.ask
        run(work, f"image-{event.what}", f"{event.what} images")

    def on_file_view_edited(self, event: FileView.Edited) -> None:
        if event.view is self.editor_panel.main:
            self.foreseer.look()
            self.context_panel.look_at_takers_soon()
        elif event.view.language == "ignore":
            self.context_panel.look_soon()

    def on_context_tree_ignore_asked(self, event: ContextTree.IgnoreAsked) -> None:
        self._change_ignore_file(ignoring.ignore(self._app, event.entry))

    def on_context_tree_line_away(self, event: ContextTree.LineAway) -> None:
        self._change_ignore_file(ignoring.take_line_away(self._app, event.rule))

    @property
    def _app(self) -> WorkbenchApp:
        return cast("WorkbenchApp", self.app)

    def _change_ignore_file(self, work: Coroutine[Any, Any, None]) -> None:
        self._app.work(work, "ignore", "change the ignore file")
