"""The build context in its panel: scanned in a thread, shown as a tree, explained in one line below."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from textual.app import ComposeResult
from textual.message import Message
from textual.timer import Timer

from workbench.build.format import human_size
from workbench.build.taken import Taker, takers
from workbench.build.text import one_line
from workbench.context.ignore import IGNORE_FILE, IgnoreRules, load_rules
from workbench.context.rarely import rarely_sent
from workbench.context.scan import Cancelled, Entry, Scan, scan
from workbench.context.weigh import Weigher, Weight
from workbench.dockerfile import parse
from workbench.errors import WorkbenchError
from workbench.files import read_text
from workbench.tui.widgets.context_model import Model, build_model, describe
from workbench.tui.widgets.context_tree import ContextTree
from workbench.tui.widgets.note import Note
from workbench.tui.widgets.panel import Panel

_LOOK_AFTER = 0.15
"""Seconds of quiet before an ignore file that is being edited decides anew."""


class ContextPanel(Panel):
    """Call `look` whenever the disk may have changed."""

    DEFAULT_CSS = """
    ContextPanel {
        & > ContextTree { height: 1fr; }
        & > #context-note { height: auto; max-height: 2; padding: 0 1; color: $text-muted; }
        & > #context-note.-error { color: $text-error; }
        & > #context-note.-warning { color: $text-warning; }
    }
    """

    class Opened(Message):
        """A file of the context should be opened."""

        def __init__(self, entry: Entry) -> None:
            super().__init__()
            self.entry = entry

    def __init__(self, context: Path, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.context = context
        self.dockerfile = "Dockerfile"
        self.unsaved_text: Callable[[Path], str | None] = lambda path: None
        """The text of a file that is being edited, None where it is as on the disk."""
        self._takers: tuple[Taker, ...] = ()
        self._weigher = Weigher()
        self._timer: Timer | None = None

    @property
    def context_tree(self) -> ContextTree:
        return self.query_one(ContextTree)

    def compose(self) -> ComposeResult:
        yield ContextTree()
        yield Note(id="context-note")

    def on_mount(self) -> None:
        self.title = "Context"

    def look(self, dockerfile: str) -> None:
        """Scans anew, for that Dockerfile's ignore rules; a scan that runs is given up."""
        self.dockerfile = dockerfile
        self.run_worker(self._look(), group="scan", exclusive=True, exit_on_error=False, description="scan the context")

    def look_soon(self) -> None:
        """As `look`, when typing has come to rest."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_LOOK_AFTER, lambda: self.look(self.dockerfile), name="look at the context")

    @property
    def build_files(self) -> tuple[str, ...]:
        """What a build is read from, and is sent in any case."""
        return (self.dockerfile, f"{self.dockerfile}{IGNORE_FILE}", IGNORE_FILE)

    async def _look(self) -> None:
        gone = threading.Event()
        text = self._ignore_text()
        try:
            found, model = await asyncio.to_thread(self._scan, text, gone.is_set)
            self._takers = await asyncio.to_thread(self._read_takers, self.unsaved_text(self.context / self.dockerfile))
            self.context_tree.show_model(model)
            self._sum(model, {})
            weights = await asyncio.to_thread(self._weigher.weigh, found, gone.is_set)
            warned = await asyncio.to_thread(lambda: {it.path: it.why for it in rarely_sent(found)})
        except Cancelled:
            return
        except WorkbenchError as error:
            self._say(str(error), error=True)
            return
        finally:
            gone.set()
        self.context_tree.show_more(warned, {path: weight.bytes for path, weight in weights.items()})
        self._sum(model, weights)

    def _sum(self, model: Model, weights: Mapping[str, Weight]) -> None:
        """The title: what is sent of what is there, and what should rarely be."""
        files = model.files + sum(weight.files for weight in weights.values())
        size = model.bytes + sum(weight.bytes for weight in weights.values())
        whole = f" of {human_size(size)}" if size > model.sent_bytes else ""
        self.strip_text = f"{model.sent_files:,} of {files:,} files · {human_size(model.sent_bytes)}{whole}"
        warned = len(self.context_tree.warned)
        self.title = f"Context  {self.strip_text}{f' · {warned} !' if warned else ''}"

    def _ignore_text(self) -> tuple[str, str] | None:
        """The ignore file's name and its unsaved text."""
        for name in (f"{self.dockerfile}{IGNORE_FILE}", IGNORE_FILE):
            text = self.unsaved_text(self.context / name)
            if text is not None:
                return name, text
        return None

    def _scan(self, ignoring: tuple[str, str] | None, cancel: Callable[[], bool]) -> tuple[Scan, Model]:
        if ignoring is None:
            rules = load_rules(self.context, self.dockerfile)
        else:
            name, text = ignoring
            rules = IgnoreRules.parse(text, source=name, build_files=(self.dockerfile, IGNORE_FILE))
        found = scan(self.context, rules, cancel=cancel)
        return found, build_model(found)

    def _read_takers(self, text: str | None) -> tuple[Taker, ...]:
        """Of the Dockerfile as it is in the editor; none where it cannot be read, which is said elsewhere."""
        try:
            text = read_text(self.context / self.dockerfile).text if text is None else text
            return takers(parse(text), self.context)
        except WorkbenchError:
            return ()

    def on_context_tree_highlighted(self, event: ContextTree.Highlighted) -> None:
        event.stop()
        entry = event.entry
        if entry is None:
            self._say("")
            return
        why = self.context_tree.warned.get(entry.path, "")
        if why:
            self._say(f"{entry.path}: {why}; x adds an ignore line", warning=True)
            return
        lines = [it.line for it in self._takers if it.taken.takes(entry.path)] if entry.sent else []
        taken = f" · taken by line {', '.join(map(str, lines))}" if lines else " · no step takes it" * entry.sent
        self._say(f"{describe(entry)}{taken}")

    def on_context_tree_opened(self, event: ContextTree.Opened) -> None:
        event.stop()
        self.post_message(self.Opened(event.entry))

    def _say(self, text: str, *, error: bool = False, warning: bool = False) -> None:
        note = self.query_one("#context-note", Note)
        note.say(one_line(text))
        note.set_class(error, "-error")
        note.set_class(warning, "-warning")
