"""A panel: one of the four parts of the screen, with a title in its border, and a strip that stands for it where there
is no room."""

from __future__ import annotations

from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from workbench.build.text import one_line

PANELS = ("context", "dockerfile", "build", "images")
"""The names of the four, in the order of their keys."""


class Panel(Vertical):
    """Foreign text in `title` is shown as text. `strip_text` is what the strip says beside the panel's number."""

    DEFAULT_CSS = """
    Panel {
        border: round $surface-lighten-2;
        border-title-color: $foreground;
        border-subtitle-color: $text-muted;
        padding: 0;
        height: 1fr;
        &:focus-within { border: round $primary; border-title-style: bold; }
    }
    """

    title: reactive[str] = reactive("")
    strip_text: reactive[str] = reactive("")

    class StripChanged(Message):
        """The strip that stands for this panel should say something else."""

        def __init__(self, panel: Panel) -> None:
            super().__init__()
            self.panel = panel

        @property
        def control(self) -> Panel:
            return self.panel

    def __init__(self, title: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.title = title

    def watch_title(self, title: str) -> None:
        self.border_title = Content(one_line(title))

    def watch_strip_text(self) -> None:
        self.post_message(self.StripChanged(self))

    def focus_targets(self) -> list[Widget]:
        """What the focus may go to, in order; the first one is taken when the panel is chosen."""
        return [widget for widget in self.query("*") if widget.focusable]


class Strip(Static):
    """One line for a panel that is not on the screen: its number, and what matters of it. A click chooses it."""

    DEFAULT_CSS = """
    Strip {
        height: 1;
        padding: 0 1;
        background: $boost;
        color: $foreground;
        text-wrap: nowrap;
        text-overflow: ellipsis;
        &:hover { background: $primary-muted; }
    }
    """

    class Chosen(Message):
        """The panel behind the strip is wanted."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, number: int, name: str, *, classes: str = "") -> None:
        super().__init__("", id=f"strip-{name}", markup=False, classes=classes)
        self.number = number
        self.panel_name = name
        self.say("")

    def say(self, text: str) -> None:
        """Shows that text after the key that leads to the panel."""
        name = self.panel_name.title()
        self.update(f"alt+{self.number} {name}  {one_line(text.removeprefix(name).lstrip())}", layout=False)

    def on_click(self) -> None:
        self.post_message(self.Chosen(self.panel_name))
