"""A file of the context, to read."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen

from workbench.build.text import one_line
from workbench.tui.widgets.log_view import LogView

BOUND = 4 << 20
"""Bytes of a file that are shown."""


class FileViewer(ModalScreen[None]):
    """Shows the beginning of a file as text; `escape` closes it."""

    DEFAULT_CSS = """
    FileViewer {
        align: center middle;
        & > LogView { width: 90%; height: 90%; border: round $primary; background: $surface; }
    }
    """
    BINDINGS = [Binding("escape,q", "dismiss", "Close")]

    def __init__(self, path: Path, name: str) -> None:
        super().__init__()
        self._path = path
        self._shown_as = name

    def compose(self) -> ComposeResult:
        yield LogView()

    async def on_mount(self) -> None:
        view = self.query_one(LogView)
        view.border_title = one_line(self._shown_as).replace("[", "\\[")
        view.focus()
        try:
            text = await asyncio.to_thread(self._read)
        except OSError as error:
            text = f"{self._shown_as}: {error.strerror}"
        view.append(text)
        view.scroll_home(animate=False)

    def _read(self) -> str:
        with self._path.open("rb") as file:
            data = file.read(BOUND + 1)
        if b"\0" in data[:8192]:
            return f"{self._shown_as} is not text"
        more = "\n… and more" if len(data) > BOUND else ""
        return data[:BOUND].decode("utf-8", "replace") + more
