"""The four panels and where they stand. Imported after the first paint: what it brings along is most of the start."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.reactive import reactive
from textual.widget import Widget

from workbench.errors import DockerfileError
from workbench.tui import ignoring
from workbench.tui.around import Around
from workbench.tui.foresight import Foreseer
from workbench.tui.live import Live, marks_of
from workbench.tui.widgets.build_panel import BuildPanel, strip_of, title_of
from workbench.tui.widgets.build_text import expected_of
from workbench.tui.widgets.context_panel import ContextPanel
from workbench.tui.widgets.context_tree import ContextTree
from workbench.tui.widgets.editor_panel import EditorPanel
from workbench.tui.widgets.file_view import FileView
from workbench.tui.widgets.images_panel import ImagesPanel
from workbench.tui.widgets.note import Note
from workbench.tui.widgets.panel import PANELS, Panel

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp


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
    """Takes the place of the empty frames that the first paint shows. `active` is the panel that keys go to."""

    def __init__(self, context: Path, dockerfile: str) -> None:
        super().__init__(id="workspace")
        self.context_panel = ContextPanel(context, id="context")
        self.editor_panel = EditorPanel(context / dockerfile, dockerfile, context=context, id="dockerfile")
        self.editor_panel.around = Around(self)
        self.context_panel.unsaved_text = self.editor_panel.unsaved_text
        self.build_box = BuildBox("Build", id="build")
        self.images_box = ImagesBox("Images", id="images")
        self.foreseer = Foreseer(self)

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

    def show_build(self, live: Live, now: float) -> None:
        """The state of the last build: steps and log, marks beside the text, titles and strips."""
        self.build_panel.show(live.progress, now)
        box, state = self.build_box, live.state
        if live.running and state.building != live.revision:
            box.title = box.strip_text = f"Build r{state.building}  starting"
        elif live.revision:
            expected = expected_of(live.progress, live.before, now)
            box.title = title_of(live.progress, live.revision, now, expected)
            box.strip_text = strip_of(live.progress, live.revision, now)
        if state.spared and not live.running:
            box.title = f"{box.title} · {state.spared}"
            box.strip_text = f"Build  {state.spared}"
        if state.problem and state.ended is not None and not live.running:
            box.title = box.strip_text = f"Build r{state.ended}  ✘ not built: {state.problem}"
        problem = "" if isinstance(state.error, DockerfileError) else state.problem
        self.editor_panel.show_build(live.progress, marks_of(live.progress, now), problem)
        self.foreseer.follow(live)

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
