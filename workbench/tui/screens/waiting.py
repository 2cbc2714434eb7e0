"""Shown while a question is being prepared and that takes a while: nothing below takes keys. `escape` gives it up."""

from __future__ import annotations

from typing import Any

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static
from textual.worker import Worker


class Waiting(ModalScreen[None]):
    """Goes when the worker has its question, or ended."""

    DEFAULT_CSS = """
    Waiting {
        align: center middle;
        & > Vertical { width: auto; height: auto; padding: 0 2; border: round $primary; background: $surface; }
        & Static { width: auto; }
    }
    """
    BINDINGS = [Binding("escape", "give_up", "Back")]

    def __init__(self, worker: Worker[Any]) -> None:
        super().__init__()
        self.worker = worker

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static("Looking it up…", markup=False)
            yield Static("escape: back", markup=False)

    def action_give_up(self) -> None:
        self.worker.cancel()

    @staticmethod
    def end(app: App[Any], worker: Worker[Any] | None = None) -> None:
        """Takes it away, where it is shown: for that worker, or for any."""
        top = app.screen_stack[-1] if app.screen_stack else None
        if isinstance(top, Waiting) and worker in (None, top.worker):
            top.dismiss()
