"""The build: its steps above, the log of the chosen one below, and why it failed where it did."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from workbench.build.progress import BuildProgress, StepState
from workbench.tui.widgets.build_text import problem_of, status_of, strip_of, title_of, warnings_text
from workbench.tui.widgets.log_lines import LogLines
from workbench.tui.widgets.log_merge import LogMerge, write_log
from workbench.tui.widgets.log_view import LogView
from workbench.tui.widgets.note import Note
from workbench.tui.widgets.step_list import WARNINGS, StepList

__all__ = ["BuildPanel", "strip_of", "title_of"]

_EMPTY = {
    "pending": "has not run yet",
    "running": "no output yet",
    "done": "no output",
    "cached": "cached: nothing had to run",
    "failed": "no output",
    "cancelled": "cancelled",
}


class BuildPanel(Widget):
    """Shows a `BuildProgress`; call `show` after its events were applied, some ten times a second at most.

    The selection follows the running step until a person moves it; escape, a new build or a failure take it back.
    """

    DEFAULT_CSS = """
    BuildPanel {
        layout: vertical;
        & > StepList { height: auto; min-height: 1; max-height: 50%; }
        & > .build--line { height: auto; max-height: 3; color: $text-muted; }
        & > #build-problem { color: $text-error; text-style: bold; max-height: 4; display: none; }
        & > #build-hint { color: $foreground; max-height: 3; display: none; }
        &.-failed > #build-problem { display: block; }
        &.-hinted > #build-hint { display: block; }
        & > LogView { height: 1fr; border-top: solid $border-blurred; border-title-color: $text-muted; }
        & > LogView:focus { border-top: solid $border; border-title-color: $foreground; }
        & > #build-search-line { height: 1; display: none; }
        &.-searching > #build-search-line { display: block; }
        & #build-search-sign { width: 1; color: $text-accent; }
        & #build-search { width: 1fr; }
        &.-log-large > StepList { display: none; }
    }
    """
    BINDINGS = [
        Binding("l", "toggle_log", "Whole log", id="build.log"),
        Binding("slash", "search", "Search", id="build.search"),
        Binding("ampersand", "filter", "Only lines with", key_display="&", id="build.filter"),
        Binding("a", "all_steps", "Log of all steps", id="build.all"),
        Binding("s", "save_log", "Log to a file", show=False, id="build.save_log"),
        Binding("n", "next_match(True)", "Next match", show=False, id="build.next"),
        Binding("N", "next_match(False)", "Previous match", show=False, id="build.previous"),
        Binding("escape", "back", "Follow the build", show=False, id="build.back"),
    ]

    class StepChosen(Message):
        """A person wants to the line of this step."""

        def __init__(self, step: StepState) -> None:
            super().__init__()
            self.step = step

    class Highlighted(Message):
        """Another step is shown; None for none or the warnings. `by_person` is False where the panel followed."""

        def __init__(self, step: StepState | None, *, by_person: bool) -> None:
            super().__init__()
            self.step = step
            self.by_person = by_person

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._progress = BuildProgress()
        self._build = ""
        self._following = True
        self._failed = False
        self._shown: int | None = None
        self._told_warnings = 0
        self._indexed: dict[int, LogLines] = {}  # the logs that were shown, by step
        self._all = False  # whether the log of all steps is wanted
        self._merged: LogMerge | None = None  # where the logs of several steps are shown, of all or of a stage
        self._filtering = False
        self._ahead: list[events.Key] | None = None  # typed behind the key that asks, before the line has the focus
        self._steps = StepList(id="build-steps")
        self._log = LogView(id="build-log")

    def compose(self) -> ComposeResult:
        yield self._steps
        yield Note(id="build-status", classes="build--line")
        yield Note(id="build-problem", classes="build--line")
        yield Note(id="build-hint", classes="build--line")
        yield self._log
        with Horizontal(id="build-search-line"):
            yield Static("/", id="build-search-sign", markup=False)
            yield Input(id="build-search", placeholder="search the log", compact=True)

    def on_mount(self) -> None:
        self._feed()
        self._tell()

    @property
    def step_list(self) -> StepList:
        return self._steps

    @property
    def log_view(self) -> LogView:
        return self._log

    @property
    def following(self) -> bool:
        """Whether the selection goes with the running step."""
        return self._following

    @property
    def selected(self) -> StepState | None:
        """The step whose log is shown."""
        key = self._steps.cursor
        return self._progress.steps.get(key) if key is not None else None

    def show(self, progress: BuildProgress, now: float, before: Mapping[str, float] | None = None) -> None:
        """Draws what changed in `progress` since the last call. `now` is seconds since the epoch; `before` has the
        seconds that steps took when they last ran, by their text."""
        if progress is not self._progress or progress.build != self._build:
            self._progress, self._build = progress, progress.build
            self._following, self._failed, self._shown = True, False, None
            self._indexed = {}
            self._log.clear()
            self._merged = LogMerge() if self._all else None
            self._steps.select(None)
        self._steps.update_steps(progress, now, before)
        failed = progress.failed_step
        if failed is not None and not self._failed:
            self._failed = self._following = True
            self._steps.open_to(failed.step)
        if self._following:
            self._select(self._followed(), by_person=False)
        self._feed()
        self._tell()

    def _followed(self) -> int | None:
        progress = self._progress
        lead = progress.failed_step or progress.current
        if lead is not None:
            return lead.step
        ran = [step.step for step in progress if step.status != "pending"]
        return ran[-1] if ran else None

    def _select(self, key: int | None, *, by_person: bool) -> None:
        key = self._steps.place_of(key)
        if key == self._shown and key == self._steps.cursor:
            return
        self._steps.select(key)
        self._fill(self._steps.cursor)
        self._tell()
        self.post_message(self.Highlighted(self.selected, by_person=by_person))

    def _fill(self, key: int | None) -> None:
        if self._all:
            self._shown = key
            self._title()
            return
        self._shown, self._told_warnings = key, 0
        self._merged = LogMerge() if self._steps.stage_steps(key) else None
        self._log.clear()
        self._feed()
        self._title()

    def _feed(self) -> None:
        """Gives the view what came since the last time."""
        key, progress = self._shown, self._progress
        if self._merged is not None:
            self._log.empty_text = "no output"
            steps = None if self._all else {step.step for step in self._steps.stage_steps(key)}
            self._log.append(self._merged.more(progress, steps))
            if self._merged.behind:
                self.call_after_refresh(self._feed)
            return
        if key == WARNINGS:
            self._log.append(warnings_text(progress.warnings[self._told_warnings :]))
            self._told_warnings = len(progress.warnings)
            return
        step = self.selected
        self._log.empty_text = _EMPTY[step.status] if step is not None else ""
        if key is None or (text := progress.logs.get(key)) is None:
            return
        if key not in self._indexed:
            self._indexed[key] = LogLines(text)
        if self._log.whole is not self._indexed[key]:
            self._log.use(self._indexed[key])
        if not self._log.more():
            self.call_after_refresh(self._feed)

    def _tell(self) -> None:
        if not self.is_mounted:
            return
        self._say("#build-status", status_of(self._progress, self.selected))
        problem, hint = problem_of(self._progress)
        self._say("#build-problem", problem)
        self._say("#build-hint", hint)
        self.set_class(bool(problem), "-failed")
        self.set_class(bool(hint), "-hinted")

    def _say(self, where: str, text: str) -> None:
        self.query_one(where, Note).say(text)

    def _title(self) -> None:
        what = {None: "log", WARNINGS: "warnings"}.get(self._shown, f"log {self._shown}")
        if self._merged is not None:
            what = "log of all steps" if self._all else "log of the stage"
        self._log.border_title = f"{what} · {self._log.status}"

    def on_log_view_status_changed(self, event: LogView.StatusChanged) -> None:
        event.stop()
        self._title()

    def on_log_view_search_requested(self, event: LogView.SearchRequested) -> None:
        event.stop()
        self.action_search()

    def on_step_list_moved(self, event: StepList.Moved) -> None:
        event.stop()
        self._following = False
        self._select(event.key, by_person=True)

    def on_step_list_chosen(self, event: StepList.Chosen) -> None:
        event.stop()
        step = self._progress.steps.get(event.key)
        if step is not None:
            self.post_message(self.StepChosen(step))
        else:
            self._log.focus()

    def action_toggle_log(self) -> None:
        """The log alone, or the steps above it again."""
        large = not self.has_class("-log-large")
        self.set_class(large, "-log-large")
        (self._log if large else self._steps).focus()

    def on_key(self, event: events.Key) -> None:
        """The keys that ask for a text, here and not by their bindings: what is typed behind one may be there before
        those are run, and is meant for the line."""
        asked = {it.action for it in self._bindings.key_to_bindings.get(event.key, ())} & {"search", "filter"}
        if self._ahead is not None:
            self._ahead.append(event)
        elif asked:
            self._ahead = []
            self._ask(filtering="filter" in asked)
        else:
            return
        event.stop()
        event.prevent_default()

    def on_descendant_blur(self) -> None:
        """The line has the focus: it gets what came before."""
        ahead, self._ahead = self._ahead, None
        if ahead:
            self.app.call_later(self._type, ahead)

    def _type(self, keys: Sequence[events.Key]) -> None:
        """Presses them again. For the app to call: what the panel sends itself does not get above it."""
        for key in keys:
            self.app.post_message(events.Key(key.key, key.character))

    def action_search(self) -> None:
        self._ask(filtering=False)

    def action_filter(self) -> None:
        """Asks for a text; only lines that have it are shown. An empty one shows all again."""
        self._ask(filtering=True)

    def _ask(self, *, filtering: bool) -> None:
        self._filtering = filtering
        line = self.query_one("#build-search", Input)
        line.placeholder = "show only lines with" if filtering else "search the log"
        self.query_one("#build-search-sign", Static).update("&" if filtering else "/")
        self.add_class("-searching")
        line.focus()

    def action_all_steps(self) -> None:
        """The log of all steps, or that of the chosen one again."""
        self._all = not self._all
        self._merged = LogMerge() if self._all else None
        self._log.clear()
        self._fill(self._shown)
        self._feed()

    def action_save_log(self) -> None:
        """Asks for a path, and writes what the log shows there, plain."""
        from workbench.tui.screens.dialogs import PromptDialog

        step = "all" if self._all else "stage" if self._merged is not None else f"step-{self._shown}"
        dialog = PromptDialog("Write the log to", f"build-{step}.log", "path of a new file", lambda path: "")
        self.app.push_screen(dialog, self._save_to)

    def _save_to(self, path: str | None) -> None:
        if path:
            self.run_worker(
                self._write(Path(path).expanduser()), group="save-log", exit_on_error=False, description="write the log"
            )

    async def _write(self, path: Path) -> None:
        lines = self._log.shown
        try:
            await asyncio.to_thread(write_log, path, lines.source.pieces(0, lines.length))
        except OSError as error:
            told = f"{path}: {error.strerror}"
            self.notify(told, title="The log was not written", severity="error", markup=False)
        else:
            self.notify(str(path), title="Log written", markup=False)

    def action_next_match(self, forward: bool) -> None:
        self._log.action_next_match(forward)

    def action_back(self) -> None:
        """Leaves the search, else the large log, else follows the build again."""
        if self.has_class("-searching"):
            self._end_search()
        elif self._log.looking:
            self._log.stop_looking()
        elif self._log.marking:
            self._log.action_mark()
        elif self.has_class("-log-large"):
            self.action_toggle_log()
        else:
            self._following = True
            self._select(self._followed(), by_person=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._filtering:
            self.run_worker(
                self._log.filter(event.value), group="filter", exclusive=True, exit_on_error=False,
                description="filter the log",
            )  # fmt: skip
            self._end_search()
            return
        if self._log.search(event.value) is not False or not event.value:
            self._end_search()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()

    def _end_search(self) -> None:
        self.remove_class("-searching")
        self._log.focus()
