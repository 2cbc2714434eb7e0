"""The build context in its panel: scanned in a thread, shown as a tree, explained in one line below."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

from textual.app import ComposeResult
from textual.message import Message

from workbench.build.format import human_size
from workbench.build.text import one_line
from workbench.context.ignore import load_rules
from workbench.context.scan import Cancelled, Entry, scan
from workbench.errors import WorkbenchError
from workbench.tui.widgets.context_tree import ContextTree, Model, build_model, describe
from workbench.tui.widgets.note import Note
from workbench.tui.widgets.panel import Panel


class ContextPanel(Panel):
    """Call `look` whenever the disk may have changed."""

    DEFAULT_CSS = """
    ContextPanel {
        & > ContextTree { height: 1fr; }
        & > #context-note { height: auto; max-height: 2; padding: 0 1; color: $text-muted; }
        & > #context-note.-error { color: $text-error; }
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

    async def _look(self) -> None:
        gone = threading.Event()
        try:
            model = await asyncio.to_thread(self._scan, gone.is_set)
        except Cancelled:
            return
        except WorkbenchError as error:
            self._say(str(error), error=True)
            return
        finally:
            gone.set()
        self.context_tree.show_model(model)
        self.title = f"Context  {model.sent_files:,} of {model.files:,} files · {human_size(model.sent_bytes)}"
        self.strip_text = f"{model.sent_files:,} of {model.files:,} files · {human_size(model.sent_bytes)}"

    def _scan(self, cancel: Callable[[], bool]) -> Model:
        rules = load_rules(self.context, self.dockerfile)
        return build_model(scan(self.context, rules, cancel=cancel))

    def on_context_tree_highlighted(self, event: ContextTree.Highlighted) -> None:
        event.stop()
        self._say(describe(event.entry) if event.entry is not None else "")

    def on_context_tree_opened(self, event: ContextTree.Opened) -> None:
        event.stop()
        self.post_message(self.Opened(event.entry))

    def _say(self, text: str, *, error: bool = False) -> None:
        note = self.query_one("#context-note", Note)
        note.say(one_line(text))
        note.set_class(error, "-error")
