"""A file of the context that no editor takes, to read: text of any size, or bytes in hex."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.screen import ModalScreen

from workbench.build.format import human_size
from workbench.build.text import one_line
from workbench.tui.widgets.file_rows import CHUNK, FileRows, HexRows, open_rows
from workbench.tui.widgets.row_view import Piece, RowView

_CHUNKS = 64
"""Chunks of rows that are kept."""


class RowsOfFile(RowView):
    """Shows the rows of `rows`; what is not read yet comes in a moment."""

    BINDINGS = [
        Binding("right,l", "shift(16)", "To the right", show=False),
        Binding("left,h", "shift(-16)", "To the left", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.rows: FileRows | None = None
        self.empty_text = "reading the file…"
        self.gone = threading.Event()
        self._chunks: dict[int, list[str]] = {}
        self._asked: set[int] = set()
        self._left = 0

    @property
    def row_count(self) -> int:
        return self.rows.count if self.rows is not None else 0

    def row_text(self, row: int) -> str:
        chunk, at = divmod(row, CHUNK)
        known = self._chunks.get(chunk)
        if known is None:
            self._ask(chunk)
            return ""
        return known[at] if at < len(known) else ""

    def draw(self, row: int, width: int) -> list[Piece]:
        return [(one_line(self.row_text(row).expandtabs(8))[self._left :], "")]

    def action_shift(self, by: int) -> None:
        self._left = max(0, self._left + by)
        self.refresh()

    def _ask(self, chunk: int) -> None:
        if chunk not in self._asked and self.rows is not None:
            self._asked.add(chunk)
            self.run_worker(self._read(self.rows, chunk), group="read", exit_on_error=False, description="read a file")

    async def _read(self, rows: FileRows, chunk: int) -> None:
        try:
            found = await asyncio.to_thread(rows.read, chunk)
        except OSError as error:
            found = [f"cannot be read: {error.strerror}"]
        self._asked.discard(chunk)
        while len(self._chunks) >= _CHUNKS:
            del self._chunks[next(iter(self._chunks))]
        self._chunks[chunk] = found
        self.refresh()

    # -- a search reads the file: off the screen's thread

    def search(self, needle: str, *, forward: bool = True, here: bool = False) -> bool:
        self.needle = needle
        self.refresh()
        if needle and self.rows is not None:
            row = self.cursor - 1 if here else self.cursor
            self.run_worker(
                self._find(self.rows, needle, row, forward), group="find", exclusive=True, exit_on_error=False,
                description="search a file",
            )  # fmt: skip
        return True

    async def _find(self, rows: FileRows, needle: str, row: int, forward: bool) -> None:
        over = threading.Event()
        try:
            go_on = lambda: not (over.is_set() or self.gone.is_set())  # noqa: E731
            found = await asyncio.to_thread(rows.find, needle, row, forward=forward, go_on=go_on)
        finally:
            over.set()
        if found is not None:
            self.cursor = found
        else:
            self.app.bell()


class FileViewer(ModalScreen[None]):
    """Shows the file; `escape` closes it."""

    DEFAULT_CSS = """
    FileViewer {
        align: center middle;
        & > RowsOfFile { width: 100%; max-width: 140; height: 94%; border: round $primary; background: $surface; }
    }
    """
    BINDINGS = [Binding("escape,q", "dismiss", "Close")]

    def __init__(self, path: Path, name: str) -> None:
        super().__init__()
        self._path = path
        self._shown_as = name

    def compose(self) -> ComposeResult:
        yield RowsOfFile()

    async def on_mount(self) -> None:
        view = self.query_one(RowsOfFile)
        view.border_title = Content(one_line(self._shown_as))
        view.focus()
        self.run_worker(self._show(view), group="open", exit_on_error=False, description="open a file")

    async def _show(self, view: RowsOfFile) -> None:
        try:
            rows = await asyncio.to_thread(open_rows, self._path)
        except OSError as error:
            view.empty_text = one_line(f"{self._shown_as}: {error.strerror}")
            view.refresh()
            return
        kind = "bytes in hex" if isinstance(rows, HexRows) else "text"
        view.empty_text = "" if rows.size else "an empty file"
        view.rows = rows
        indexing = asyncio.create_task(asyncio.to_thread(rows.index, lambda: not view.gone.is_set()))
        try:
            while not indexing.done():
                await asyncio.wait({indexing}, timeout=0.1)
                view.rows_changed()
                view.border_subtitle = f"{human_size(rows.size)} · {kind} · {rows.count:,} rows"
            await asyncio.Event().wait()  # open until it is closed
        finally:
            view.gone.set()
            await asyncio.wait({indexing})
            rows.close()
