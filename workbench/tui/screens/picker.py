"""A list to choose from by typing a part of it. `escape` chooses nothing."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from workbench.build.text import one_line

_MOST = 200
"""Rows that are offered at once; typing on finds the others."""


def matching(labels: Sequence[str], typed: str) -> list[int]:
    """The places of those that have every typed word in them, in whatever case; those that end with the last word's
    name first."""
    words = typed.lower().split()
    found = [at for at, label in enumerate(labels) if all(word in label.lower() for word in words)]
    if words:
        last = words[-1]
        found.sort(key=lambda at: not labels[at].lower().rpartition("/")[2].lstrip().startswith(last))
    return found[:_MOST]


class Picker(ModalScreen[int | None]):
    """Dismissed with the place of the chosen label, or None. Labels are shown as text."""

    DEFAULT_CSS = """
    Picker {
        align: center top;
        & > Vertical { width: 76; max-width: 96%; height: auto; max-height: 90%; margin-top: 1;
                       border: round $primary; background: $surface; }
        & OptionList { height: auto; max-height: 16; border: none; background: $surface; scrollbar-size-vertical: 1; }
    }
    """
    BINDINGS = [
        Binding("escape", "dismiss", "Back"),
        Binding("down,ctrl+n", "step(1)", "Down", show=False),
        Binding("up,ctrl+p", "step(-1)", "Up", show=False),
        Binding("pagedown", "step(10)", "Page down", show=False),
        Binding("pageup", "step(-10)", "Page up", show=False),
    ]

    def __init__(self, title: str, labels: Sequence[str], *, chosen: int = 0) -> None:
        super().__init__()
        self._title = title
        self._labels = [one_line(label) for label in labels]
        self._chosen = chosen
        self._found: list[int] = []

    def compose(self) -> ComposeResult:
        with Vertical():
            line = Input(placeholder="type a part of it", compact=True)
            line.cursor_blink = False
            yield line
            choices = OptionList(compact=True, markup=False)
            choices.can_focus = False
            yield choices

    def on_mount(self) -> None:
        box = self.query_one(Vertical)
        box.border_title = Content(self._title)
        box.border_subtitle = "enter choose · escape back"
        self._show("")
        choices = self.query_one(OptionList)
        if self._chosen < choices.option_count:
            choices.highlighted = self._chosen
        self.query_one(Input).focus()

    def _show(self, typed: str) -> None:
        self._found = matching(self._labels, typed)
        choices = self.query_one(OptionList)
        choices.set_options(Option(Content(self._labels[at])) for at in self._found)
        choices.highlighted = 0 if self._found else None

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._show(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        at = self.query_one(OptionList).highlighted
        if at is not None:
            self.dismiss(self._found[at])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._found[event.option_index])

    def action_step(self, step: int) -> None:
        choices = self.query_one(OptionList)
        count = choices.option_count
        if count:
            target = (choices.highlighted or 0) + step
            choices.highlighted = target % count if abs(step) == 1 else max(0, min(target, count - 1))
