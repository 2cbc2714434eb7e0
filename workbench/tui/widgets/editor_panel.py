"""The Dockerfile in its panel: loaded, saved, put aside while unsaved, watched for other writers, and explained in one
line below."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from textual.app import ComposeResult
from textual.message import Message
from textual.reactive import reactive
from textual.timer import Timer
from textual.widgets import TextArea

from workbench.build import recovery
from workbench.build.format import human_age, human_duration, human_size
from workbench.build.progress import BuildProgress, StepState
from workbench.build.text import one_line
from workbench.dockerfile.lint import Diagnostic
from workbench.errors import WorkbenchError
from workbench.tui.files import TextFile, read_text, write_text
from workbench.tui.widgets.editor import DockerfileEditor, Mark
from workbench.tui.widgets.note import Note
from workbench.tui.widgets.panel import Panel

_DIAGNOSE_AFTER = 0.08
_PUT_ASIDE_AFTER = 0.5


class EditorPanel(Panel):
    """One file. `unsaved` says whether the text differs from what was read or written last."""

    DEFAULT_CSS = """
    EditorPanel {
        & > DockerfileEditor { height: 1fr; }
        & > #editor-note { height: auto; max-height: 2; padding: 0 1; color: $text-muted; }
        & > #editor-note.-error { color: $text-error; }
        & > #editor-note.-warning { color: $text-warning; }
    }
    """

    unsaved: reactive[bool] = reactive(False)

    class Saved(Message):
        """The text is on the disk."""

    class UnsavedChanged(Message):
        """`unsaved` is now this."""

        def __init__(self, unsaved: bool) -> None:
            super().__init__()
            self.unsaved = unsaved

    class ChangedOutside(Message):
        """Another program wrote the file while there is unsaved text here: somebody has to choose."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class RecoveryOffered(Message):
        """Unsaved text of an earlier run was found."""

        def __init__(self, text: str, age: str) -> None:
            super().__init__()
            self.text = text
            self.age = age

    def __init__(self, path: Path, name: str, *, context: Path | None = None, id: str | None = None) -> None:
        super().__init__(id=id)
        self.path = path
        self.context = context
        self.file_name = name
        self.saved_text = ""
        self.progress = BuildProgress()
        self.problem = ""
        """Why the last build could not start, where that has no line."""
        self._left_at = (0, 0)  # where the cursor was when the text was read, saved or led to a line
        self._diagnose_timer: Timer | None = None
        self._aside_timer: Timer | None = None
        self._loaded = False
        self._writing = asyncio.Lock()

    @property
    def editor(self) -> DockerfileEditor:
        return self.query_one(DockerfileEditor)

    def compose(self) -> ComposeResult:
        yield DockerfileEditor(id="editor")
        yield Note(id="editor-note")

    def on_mount(self) -> None:
        self._show_name()

    async def load(self) -> None:
        """Reads the file into the editor, and offers what an earlier run left unsaved."""
        try:
            file = await asyncio.to_thread(read_text, self.path)
        except WorkbenchError as error:
            self.notify(str(error), title="Cannot read the Dockerfile", severity="error", markup=False)
            file = TextFile("", writable=False)
        self._take(file.text)
        self.editor.read_only = not file.writable
        self._loaded = True
        if not file.writable:
            self.notify("This file is not UTF-8 text, or cannot be read: it is shown, and cannot be changed.")
        elif not file.exists:
            self.notify(f"There is no {self.file_name} yet. Saving makes it.", markup=False)
        offered = await asyncio.to_thread(recovery.offered, self.path)
        if offered is not None and file.writable:
            self.post_message(self.RecoveryOffered(offered.text, human_age(time.time() - offered.when)))

    async def save(self) -> bool:
        """Writes the text, and says so by `Saved`; False where it could not, which was then told."""
        if self.editor.read_only or not self._loaded:
            return False
        async with self._writing:
            text = self.editor.text
            try:
                await asyncio.to_thread(write_text, self.path, text)
            except WorkbenchError as error:
                await asyncio.to_thread(self.put_aside)
                self.notify(f"{error}\n{error.hint}", title="Not saved", severity="error", markup=False)
                return False
            self.saved_text = text
            self._left_at = self.editor.cursor_location
            self._look()
            if not self.unsaved:
                await asyncio.to_thread(recovery.forget, self.path)
        self.post_message(self.Saved())
        return True

    async def look_at_disk(self) -> None:
        """Takes what another program wrote, or asks where there is unsaved text here."""
        if not self._loaded:
            return
        async with self._writing:
            try:
                file = await asyncio.to_thread(read_text, self.path)
            except WorkbenchError:
                return  # it is there and cannot be read: the build says so
            if not file.exists or not file.writable or file.text in (self.saved_text, self.editor.text):
                if file.exists and file.text == self.editor.text:
                    self.saved_text = file.text
                    self._look()
                return
            if self.unsaved:
                self.saved_text = file.text
                self.post_message(self.ChangedOutside(file.text))
            else:
                self._take(file.text)

    def take(self, text: str, *, saved: bool) -> None:
        """Replaces the text: by what is on the disk (`saved`), or by what should be saved."""
        if saved:
            self._take(text)
        else:
            self.editor.text = text
            self._look()

    def put_aside(self) -> None:
        """Writes the unsaved text beside the state at once. Blocks; safe when nothing else works any more."""
        if self._loaded and self.editor.text != self.saved_text:
            recovery.save(self.path, self.editor.text)

    async def let_go(self) -> None:
        """The unsaved text is not wanted: nothing will be offered again."""
        if self._aside_timer is not None:
            self._aside_timer.stop()
        await asyncio.to_thread(recovery.forget, self.path)

    def show_build(self, progress: BuildProgress, marks: Mapping[int, Mark], problem: str) -> None:
        """What the last or the running build says of each instruction."""
        self.progress = progress
        self.problem = problem
        self.editor.show_marks({line: mark for line, mark in marks.items() if self._still_there(line)})
        self._explain()

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
        if here == self._left_at and not self.unsaved and not line <= here[0] + 1 <= max(line, end_line):
            self.editor.go_to(line, column)
            self._left_at = self.editor.cursor_location

    def watch_unsaved(self, unsaved: bool) -> None:
        self._show_name()
        self.post_message(self.UnsavedChanged(unsaved))

    def _show_name(self) -> None:
        self.title = f"{self.file_name}{' •' if self.unsaved else ''}"
        self.strip_text = f"{self.file_name}{' • unsaved' if self.unsaved else ''}"

    def _take(self, text: str) -> None:
        place = self.editor.cursor_location
        self.editor.load_text(text)
        self.editor.move_cursor(place)
        self.saved_text = self.editor.text
        self._left_at = self.editor.cursor_location
        self._look()
        self._diagnose_soon()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self._look()
        self._diagnose_soon()
        if self._aside_timer is not None:
            self._aside_timer.stop()
        if self.unsaved:
            self._aside_timer = self.set_timer(_PUT_ASIDE_AFTER, self._put_aside_soon)

    def on_dockerfile_editor_cursor_line(self) -> None:
        self._explain()

    def _look(self) -> None:
        self.unsaved = self._loaded and self.editor.text != self.saved_text

    def _put_aside_soon(self) -> None:
        self.run_worker(
            self._put_aside_quietly, thread=True, group="recovery", exclusive=True, exit_on_error=False,
            description="put unsaved text aside",
        )  # fmt: skip

    def _put_aside_quietly(self) -> None:
        try:
            self.put_aside()
        except OSError as error:
            self.app.call_from_thread(
                self.notify, f"Unsaved text could not be put aside: {error.strerror}", severity="warning", markup=False
            )

    def _diagnose_soon(self) -> None:
        if self._diagnose_timer is not None:
            self._diagnose_timer.stop()
        self._diagnose_timer = self.set_timer(_DIAGNOSE_AFTER, self._diagnose)

    def _diagnose(self) -> None:
        self.run_worker(
            self._diagnosed(self.editor.text), group="diagnose", exclusive=True, exit_on_error=False,
            description="read the Dockerfile",
        )  # fmt: skip

    async def _diagnosed(self, text: str) -> None:
        from workbench.tui.diagnose import diagnose

        found = await asyncio.to_thread(diagnose, text, context=self.context, dockerfile=self.path)
        if text == self.editor.text:
            self.editor.show_diagnostics(found)
            self._explain()

    def _explain(self) -> None:
        """The line below: what there is to say of the line under the cursor, else what keeps a build from starting."""
        note = self.query_one("#editor-note", Note)
        line = self.editor.cursor_location[0] + 1
        found = self.editor.found
        errors = [it for of_line in found.values() for it in of_line if it.severity == "error"]
        step = next((it for it in self.progress if it.line <= line <= it.end_line), None)
        said: str
        grave = ""
        if here := self.editor.found_at(line):
            fix = self.editor.fix_at(line)
            said = _said(here[0]) + (f" (alt+enter: {fix.title})" if fix is not None else "")
            grave = here[0].severity
        elif errors:
            said, grave = _said(errors[0]), "error"
        elif self.problem:
            said, grave = self.problem, "error"
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
    if step.seconds is not None and step.status != "cached":
        parts.append(human_duration(step.seconds))
    if step.bytes:
        parts.append(f"+{human_size(step.bytes)}")
    if step.error:
        parts.append(step.error)
    return " · ".join(parts)
