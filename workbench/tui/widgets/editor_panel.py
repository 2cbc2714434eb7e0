"""The open files in their panel: the Dockerfile first, others behind it as tabs, and one line below that explains the
line under the cursor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.message import Message
from textual.reactive import reactive
from textual.timer import Timer
from textual.widget import Widget

from workbench.build.change import sentence
from workbench.build.estimate import seconds_of
from workbench.build.format import human_duration, human_size
from workbench.build.progress import BuildProgress, StepState
from workbench.build.text import one_line
from workbench.context.ignore import IGNORE_FILE
from workbench.dockerfile.lint import Diagnostic
from workbench.dockerfile.surroundings import NOTHING, Surroundings
from workbench.tui.foresight import Foresight
from workbench.tui.messages import OpenFile
from workbench.tui.widgets.editor import DockerfileEditor
from workbench.tui.widgets.file_tabs import FileTabs
from workbench.tui.widgets.file_view import FileView, language_of
from workbench.tui.widgets.marks import Mark
from workbench.tui.widgets.note import Note
from workbench.tui.widgets.panel import Panel

_DIAGNOSE_AFTER = 0.08
_LOOK_EVERY = 2.0
"""Seconds between looks at the files that are open beside the Dockerfile: one stat each."""


class EditorPanel(Panel):
    """`main` is the Dockerfile that is built, `current` the file that is shown. `unsaved`: any of the open files."""

    DEFAULT_CSS = """
    EditorPanel {
        & > #editor-files { height: 1fr; }
        & > #editor-note { height: auto; max-height: 4; padding: 0 1; color: $text-muted; }
        & > #editor-note.-error { color: $text-error; }
        & > #editor-note.-warning { color: $text-warning; }
    }
    """
    BINDINGS = [
        Binding("ctrl+pagedown,alt+full_stop", "step_file(1)", "Next file", id="editor.next_file", show=False),
        Binding("ctrl+pageup,alt+comma", "step_file(-1)", "Previous file", id="editor.previous_file", show=False),
        Binding("alt+w", "close_file", "Close this file", id="editor.close_file", show=False),
        Binding("alt+p", "pick_file", "Open a file of the context", id="editor.pick_file", show=False),
        Binding("alt+i", "open_ignore", "Open the ignore file", id="editor.open_ignore", show=False),
    ]

    unsaved: reactive[bool] = reactive(False)

    class UnsavedChanged(Message):
        """`unsaved` is now this."""

        def __init__(self, unsaved: bool) -> None:
            super().__init__()
            self.unsaved = unsaved

    class PickAsked(Message):
        """Another file is to be opened: `pick` asks which."""

    class CloseAsked(Message):
        """A file with unsaved text should be closed: somebody has to choose."""

        def __init__(self, view: FileView) -> None:
            super().__init__()
            self.view = view

    def __init__(self, path: Path, name: str, *, context: Path | None = None, id: str | None = None) -> None:
        super().__init__(id=id)
        self.path = path
        self.context = context
        self.main = FileView(path, name, "dockerfile", id="editor")
        self.main.around = self._known
        self.around: Callable[[], Surroundings] = lambda: NOTHING
        """What the engine and the context have."""
        self.files: list[FileView] = [self.main]
        self.current = self.main
        self.engine = ""
        """The name of the engine that is to build; what it cannot do is said of the text."""
        self.progress = BuildProgress()
        self.problem = ""
        """Why the last build could not start, where that has no line."""
        self.foresight: Foresight | None = None
        """What the next build would reuse, while that is not what was built last."""
        self._marks: Mapping[int, Mark] = {}
        self._left_at = (0, 0)  # where the cursor was when the text was read, saved or led to a line
        self._diagnose_timer: Timer | None = None

    @property
    def editor(self) -> DockerfileEditor:
        """The Dockerfile's."""
        return self.main.editor

    def compose(self) -> ComposeResult:
        yield FileTabs()
        with Vertical(id="editor-files"):
            yield self.main
        yield Note(id="editor-note")

    def on_mount(self) -> None:
        self.watch(self.main, "unsaved", self._look)
        self.set_interval(_LOOK_EVERY, self._look_at_disk_soon, name="open files on disk")

    def _known(self) -> Surroundings:
        return self.around()

    def use_engine(self, name: str) -> None:
        """Says from now on what that engine cannot do."""
        self.engine = name
        if self.is_attached and self.main.loaded:
            self._diagnose_soon()

    def focus_targets(self) -> list[Widget]:
        return [self.current.editor]

    # -- files

    async def load(self) -> None:
        """Reads the Dockerfile into its editor."""
        await self.main.load()
        self._left_at = self.editor.cursor_location
        self._diagnose_soon()

    async def open(self, path: Path, name: str) -> FileView:
        """Shows that file, in the tab that it has or in a new one."""
        real = await asyncio.to_thread(path.resolve)
        for view in self.files:
            if await asyncio.to_thread(view.path.resolve) == real:
                self.show_file(view)
                return view
        view = FileView(path, name, language_of(name))
        view.around = self._known
        self.files.append(view)
        await self.query_one("#editor-files").mount(view)
        self.watch(view, "unsaved", self._look)
        self.show_file(view)
        await view.load()
        self._diagnose_soon()
        return view

    def show_file(self, view: FileView) -> None:
        """Brings that open file to the front; the focus follows where it was in the panel."""
        focused = self.has_focus_within
        self.current = view
        for it in self.files:
            it.display = it is view
        if focused:
            view.editor.focus()
        self._show_names()
        self._explain()
        if not view.editor.found:
            self._diagnose_soon()

    async def close(self, view: FileView) -> None:
        """Takes the file out of the tabs, whatever is unsaved; the Dockerfile stays."""
        if view is self.main or view not in self.files:
            return
        at = self.files.index(view)
        self.files.remove(view)
        if view is self.current:
            self.show_file(self.files[max(0, at - 1)])
        await view.let_go()
        await view.remove()
        self._look()

    async def save(self) -> bool:
        """Writes the file that is shown."""
        saved = await self.current.save()
        if saved and self.current is self.main:
            self._left_at = self.editor.cursor_location
        return saved

    async def save_all(self) -> bool:
        """Writes every unsaved file; False where one could not be."""
        return all([await view.save() for view in self.files if view.unsaved])

    async def look_at_disk(self) -> None:
        """What other programs wrote to the open files is taken, merged, or asked about."""
        at = self._left_at == self.editor.cursor_location
        for view in list(self.files):
            await view.look_at_disk()
        if at:
            self._left_at = self.editor.cursor_location

    def _look_at_disk_soon(self) -> None:
        """Of what is not sent to a build no watcher tells."""
        if len(self.files) > 1:
            self.run_worker(
                self.look_at_disk(), group="disk", exclusive=True, exit_on_error=False, description="look at the disk"
            )

    def put_aside(self) -> None:
        """Writes all unsaved text beside the state at once. Blocks; safe when nothing else works any more."""
        for view in self.files:
            view.put_aside()

    async def let_go(self) -> None:
        """The unsaved text is not wanted: nothing will be offered again."""
        for view in self.files:
            await view.let_go()

    def unsaved_text(self, path: Path) -> str | None:
        """The text of an open file where it is not what was saved, else None."""
        view = next((it for it in self.files if it.path == path and it.unsaved), None)
        return view.editor.text if view is not None else None

    def action_step_file(self, step: int) -> None:
        self.show_file(self.files[(self.files.index(self.current) + step) % len(self.files)])

    def action_close_file(self) -> None:
        self.ask_to_close(self.current)

    def ask_to_close(self, view: FileView) -> None:
        """Closes it at once where nothing is unsaved."""
        if view is self.main:
            self.notify("The Dockerfile stays open.")
        elif view.unsaved:
            self.post_message(self.CloseAsked(view))
        else:
            self.run_worker(self.close(view), group="files", exit_on_error=False, description="close a file")

    def action_pick_file(self) -> None:
        self.post_message(self.PickAsked())

    async def pick(self) -> None:
        """A file of the context, by a part of its path."""
        from workbench.tui.screens.picker import Picker

        known = self.around().paths
        found = await asyncio.to_thread(known) if known is not None else []
        paths = [path for path in found if not path.endswith("/")]
        chosen = await self.app.push_screen_wait(Picker("Open a file of the context", paths))
        if chosen is not None:
            self.post_message(OpenFile(paths[chosen]))

    def action_open_ignore(self) -> None:
        """The Dockerfile's own ignore file where there is one, else that of the context."""
        own = self.path.with_name(f"{self.path.name}{IGNORE_FILE}")
        shared = (self.context or self.path.parent) / IGNORE_FILE
        self.run_worker(
            self._open_first(own, shared), group="files", exit_on_error=False, description="open the ignore file"
        )

    async def _open_first(self, own: Path, shared: Path) -> None:
        path = own if await asyncio.to_thread(own.exists) else shared
        await self.open(path, path.name)

    def on_file_tabs_chosen(self, event: FileTabs.Chosen) -> None:
        event.stop()
        if event.index < len(self.files):
            view = self.files[event.index]
            if event.close:
                self.ask_to_close(view)
            else:
                self.show_file(view)
                view.editor.focus()

    def on_file_view_edited(self, event: FileView.Edited) -> None:
        if event.view is self.main:
            self._show_marks()
        if event.view is self.current:
            self._diagnose_soon()

    def _look(self) -> None:
        self._show_names()
        self.unsaved = any(view.unsaved for view in self.files)

    def watch_unsaved(self, unsaved: bool) -> None:
        self.post_message(self.UnsavedChanged(unsaved))

    def _show_names(self) -> None:
        name, unsaved = self.current.file_name, self.current.unsaved
        self.title = f"{name}{' •' if unsaved else ''}"
        self.strip_text = f"{name}{' • unsaved' if unsaved else ''}"
        at = self.files.index(self.current)
        self.query_one(FileTabs).show([it.file_name for it in self.files], [it.unsaved for it in self.files], at)

    # -- what is said of the text

    def show_build(self, progress: BuildProgress, marks: Mapping[int, Mark], problem: str) -> None:
        """What the last or the running build says of each instruction."""
        self.progress, self.problem, self._marks = progress, problem, marks
        self._show_marks()
        self._explain()

    def show_foresight(self, foresight: Foresight | None) -> None:
        """What the next build will reuse, in place of what the last one did; None where there is nothing new."""
        if foresight is not self.foresight:
            self.foresight = foresight
            self._show_marks()
            self._explain()

    def _show_marks(self) -> None:
        marks = self.foresight.marks() if self.foresight is not None else self._marks
        here = self.foresight is not None and self.foresight.text == self.editor.text
        self.editor.show_marks({line: mark for line, mark in marks.items() if here or self._still_there(line)})

    def _still_there(self, line: int) -> bool:
        """Whether the line is still the instruction that was built; others have moved since."""
        step = next((it for it in self.progress if it.line == line), None)
        if step is None or line > self.editor.document.line_count:
            return step is None
        words = self.editor.document.get_line(line - 1).split(maxsplit=1)
        return bool(words) and words[0].upper() in (step.text.split(maxsplit=1)[0].upper(), "ONBUILD")

    def lead_to(self, line: int, column: int = 1, end_line: int = 0) -> None:
        """Puts the cursor on a failure's first line, unless it is on one of its lines already or the person has gone
        on since the save."""
        here = self.editor.cursor_location
        if here == self._left_at and not self.main.unsaved and not line <= here[0] + 1 <= max(line, end_line):
            self.editor.go_to(line, column)
            self._left_at = self.editor.cursor_location

    def on_dockerfile_editor_cursor_line(self) -> None:
        self._explain()

    def _diagnose_soon(self) -> None:
        if self._diagnose_timer is not None:
            self._diagnose_timer.stop()
        self._diagnose_timer = self.set_timer(_DIAGNOSE_AFTER, self._diagnose)

    def _diagnose(self) -> None:
        view = self.current
        self.run_worker(
            self._diagnosed(view, view.editor.text), group="diagnose", exclusive=True, exit_on_error=False,
            description=f"read {view.file_name}",
        )  # fmt: skip

    async def _diagnosed(self, view: FileView, text: str) -> None:
        from workbench.tui.diagnose import findings

        async for found in findings(text, view.language, view.path, self.context, self.engine):
            if view.is_attached and text == view.editor.text:
                view.editor.show_diagnostics(found)
                self._explain()

    def _explain(self) -> None:
        """The line below: what there is to say of the line under the cursor, else what keeps a build from starting."""
        note = self.query_one("#editor-note", Note)
        editor = self.current.editor
        line = editor.cursor_location[0] + 1
        found = editor.found
        errors = [it for of_line in found.values() for it in of_line if it.severity == "error"]
        of_main = self.current is self.main
        step = next((it for it in self.progress if it.line <= line <= it.end_line), None) if of_main else None
        said: str
        grave = ""
        if here := editor.found_at(line):
            fix = editor.fix_at(line)
            said = _said(here[0]) + (f" (alt+enter: {fix.title})" if fix is not None else "")
            grave = here[0].severity
            if step is not None and self.foresight is None:
                said = f"{said} · {_said_of(step)}"
        elif errors:
            said, grave = _said(errors[0]), "error"
        elif self.problem and of_main:
            said, grave = self.problem, "error"
        elif of_main and self.foresight is not None and (foreseen := self.foresight.said(line)):
            said = foreseen
        elif step is not None:
            said, grave = _said_of(step), "error" if step.status == "failed" else ""
        else:
            said = ""
        note.say(one_line(said))
        note.set_class(grave == "error", "-error")
        note.set_class(grave == "warning", "-warning")


def _said(diagnostic: Diagnostic) -> str:
    place = diagnostic.range
    hint = f" ({diagnostic.hint})" if diagnostic.hint else ""
    return f"{place.start_line}:{place.start_column} [{diagnostic.code}] {diagnostic.message}{hint}"


def _said_of(step: StepState) -> str:
    parts = [f"step {step.step}: {step.status}"]
    took = seconds_of(step, time.time())
    if took is not None and step.status != "cached":
        parts.append(human_duration(took))
    if step.bytes:
        parts.append(f"+{human_size(step.bytes)}")
    if step.error:
        parts.append(step.error)
    elif step.why:
        parts.append(sentence(step.why))
    return " · ".join(parts)
