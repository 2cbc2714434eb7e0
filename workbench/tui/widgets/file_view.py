"""One open file: read, saved, put aside while unsaved, and watched for other writers, whose changes are merged in or
asked about."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.reactive import reactive
from textual.timer import Timer
from textual.widgets import TextArea

from workbench.build import recovery
from workbench.build.format import human_age
from workbench.context.ignore import IGNORE_FILE
from workbench.dockerfile.surroundings import NOTHING, Surroundings
from workbench.errors import WorkbenchError
from workbench.files import Stamp, TextFile, read_text, stamp_of, write_text_over
from workbench.tui.merge import merge
from workbench.tui.widgets.completing import Completing
from workbench.tui.widgets.completion import Completion
from workbench.tui.widgets.editor import DockerfileEditor
from workbench.tui.widgets.help_box import HelpBox

_PUT_ASIDE_AFTER = 0.5
_ATTEMPTS = 3
"""How often a save begins anew while others write the same file."""

Language = Literal["dockerfile", "ignore", "text"]


def language_of(name: str) -> Language:
    """How a file of that name is read."""
    last = name.rpartition("/")[2].lower()
    if last.endswith(IGNORE_FILE):
        return "ignore"
    named = last in ("dockerfile", "containerfile") or last.startswith(("dockerfile.", "containerfile."))
    return "dockerfile" if named or last.endswith(".dockerfile") else "text"


class FileView(Vertical):
    """An editor on the file at `path`. `unsaved` says whether the text differs from what was read or written last."""

    DEFAULT_CSS = """
    FileView {
        height: 1fr;
        & > DockerfileEditor { height: 1fr; }
    }
    """

    unsaved: reactive[bool] = reactive(False)

    class _About(Message):
        def __init__(self, view: FileView) -> None:
            super().__init__()
            self.view = view

    class Saved(_About):
        """The text is on the disk."""

    class Edited(_About):
        """The text is another."""

    class ChangedOutside(_About):
        """Another program wrote the file, and its change does not go with the unsaved text here: somebody has to
        choose, by `keep_mine` or `take`."""

        def __init__(self, view: FileView, text: str) -> None:
            super().__init__(view)
            self.text = text

    class RecoveryOffered(_About):
        """Unsaved text of an earlier run was found."""

        def __init__(self, view: FileView, text: str, age: str) -> None:
            super().__init__(view)
            self.text = text
            self.age = age

    def __init__(self, path: Path, name: str, language: Language = "text", *, id: str | None = None) -> None:
        super().__init__()
        self.path = path
        self.file_name = name
        self.language: Language = language
        self.saved_text = ""
        self.around: Callable[[], Surroundings] = lambda: NOTHING
        """What the engine and the context have, for completion."""
        self.completing: Completing | None = None
        self.loaded = False
        self._editor_id = id
        self._stamp: Stamp | None = None
        self._undecided = False
        self._aside_timer: Timer | None = None
        self._aside = False  # whether unsaved text of this view was put aside
        self._asides = threading.Lock()
        self._writing = asyncio.Lock()

    @property
    def editor(self) -> DockerfileEditor:
        return self.query_one(DockerfileEditor)

    def compose(self) -> ComposeResult:
        editor = DockerfileEditor(language=self.language, id=self._editor_id)
        yield editor
        if self.language == "dockerfile":
            popup = Completion()
            self.completing = editor.completing = Completing(editor, popup)
            self.completing.around = self.around
            yield popup
            editor.help_box = HelpBox()
            yield editor.help_box

    def on_completion_taken(self, event: Completion.Taken) -> None:
        event.stop()
        if self.completing is not None:
            self.completing.take(event.candidate)

    async def load(self) -> None:
        """Reads the file into the editor, and offers what an earlier run left unsaved."""
        try:
            file = await asyncio.to_thread(read_text, self.path)
        except WorkbenchError as error:
            self.notify(str(error), title=f"Cannot read {self.file_name}", severity="error", markup=False)
            file = TextFile("", writable=False)
        self._stamp = file.stamp
        self.editor.load_text(file.text)
        self.saved_text = file.text
        whole = self.editor.text == file.text
        self.editor.read_only = not (file.writable and whole)
        self.loaded = True
        self._look()
        if not file.writable:
            self.notify("This file is not UTF-8 text, or cannot be read: it is shown, and cannot be changed.")
        elif not whole:
            self.saved_text = self.editor.text
            self.notify("Its lines end in several ways: the file is shown, and cannot be changed without losing that.")
        elif not file.exists:
            self.notify(f"There is no {self.file_name} yet. Saving makes it.", markup=False)
        offered = await asyncio.to_thread(recovery.offered, self.path)
        if offered is not None and not self.editor.read_only:
            self.post_message(self.RecoveryOffered(self, offered.text, human_age(time.time() - offered.when)))

    async def save(self) -> bool:
        """Writes the text, and says so by `Saved`; False where it could not, which was then told or is asked. What
        another program wrote since is merged in first, never overwritten."""
        if not self.loaded or self.editor.read_only:
            return False
        async with self._writing:
            try:
                saved = await self._written()
            except WorkbenchError as error:
                await asyncio.to_thread(self.put_aside)
                self.notify(f"{error}\n{error.hint}", title="Not saved", severity="error", markup=False)
                return False
            if not saved:
                return False
            self._look()
            if not self.unsaved:
                await asyncio.to_thread(recovery.forget, self.path)
        self.post_message(self.Saved(self))
        return True

    async def _written(self) -> bool:
        for _ in range(_ATTEMPTS):
            if self._undecided:
                break
            text = self.editor.text
            stamp = await asyncio.to_thread(write_text_over, self.path, text, self._stamp)
            if stamp is not None:
                self._stamp, self.saved_text = stamp, text
                return True
            self._reconcile(await asyncio.to_thread(read_text, self.path))
        theirs = await asyncio.to_thread(read_text, self.path)
        self.post_message(self.ChangedOutside(self, theirs.text))
        return False

    async def look_at_disk(self) -> None:
        """Takes what another program wrote, merges it with unsaved text, or asks where the two do not go together."""
        if not self.loaded:
            return
        async with self._writing:
            try:
                if await asyncio.to_thread(stamp_of, self.path) == self._stamp:
                    return
                file = await asyncio.to_thread(read_text, self.path)
            except WorkbenchError:
                return  # it is there and cannot be read: the build says so
            if not file.exists or not file.writable:
                return
            asked = self._undecided
            self._reconcile(file)
            if self._undecided and not asked:
                self.post_message(self.ChangedOutside(self, file.text))

    def _reconcile(self, file: TextFile) -> None:
        """Brings what is on the disk together with what is here, or leaves it undecided."""
        theirs, ours, base = file.text, self.editor.text, self.saved_text
        self._stamp = file.stamp
        if theirs == base or not file.exists:
            return
        self.saved_text = theirs
        if self._undecided:
            return
        merged = theirs if not self.unsaved else merge(base, ours, theirs)
        if merged is None:
            self._undecided = True
        elif merged != ours:
            self.editor.change_to(merged)
            if merged != theirs:
                self.notify(f"What another program wrote to {self.file_name} was merged in.", markup=False)
        self._look()

    def keep_mine(self) -> None:
        """The answer to `ChangedOutside`: the next save overwrites what the other program wrote."""
        self._undecided = False

    async def take_theirs(self) -> None:
        """The other answer: the text is what is on the disk. Can be undone."""
        file = await asyncio.to_thread(read_text, self.path)
        self._undecided = False
        self._stamp, self.saved_text = file.stamp, file.text
        self.take(file.text)

    def take(self, text: str) -> None:
        """Replaces the text by what should be saved. Can be undone."""
        self.editor.change_to(text)
        self._look()

    def put_aside(self) -> None:
        """Writes the unsaved text beside the state at once. Blocks; safe when nothing else works any more."""
        if self.loaded and self.editor.text != self.saved_text:
            self._aside = True
            recovery.save(self.path, self.editor.text)

    async def let_go(self) -> None:
        """The unsaved text is not wanted: nothing will be offered again."""
        if self._aside_timer is not None:
            self._aside_timer.stop()
        await asyncio.to_thread(recovery.forget, self.path)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self._look()
        self.post_message(self.Edited(self))
        if self._aside_timer is not None:
            self._aside_timer.stop()
        if self.unsaved:
            self._aside_timer = self.set_timer(_PUT_ASIDE_AFTER, self._put_aside_soon)
        elif self._aside:
            self._put_aside_soon()

    def _look(self) -> None:
        self.unsaved = self.loaded and self.editor.text != self.saved_text

    def _put_aside_soon(self) -> None:
        self.run_worker(
            self._put_aside_quietly, thread=True, group="recovery", exclusive=True, exit_on_error=False,
            description="put unsaved text aside",
        )  # fmt: skip

    def _put_aside_quietly(self) -> None:
        """Also forgets what was put aside where nothing is unsaved any more: it was undone."""
        try:
            with self._asides:
                self.put_aside()
                if self._aside and not self.unsaved:
                    self._aside = False
                    recovery.forget(self.path)
        except OSError as error:
            self.app.call_from_thread(
                self.notify, f"Unsaved text could not be put aside: {error.strerror}", severity="warning", markup=False
            )
