"""Questions: a few lines and a few answers, or a line to type. `escape` answers nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events
from textual._time import get_time
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from workbench.build.text import one_line

_BOX = """
    align: center middle;
    & > Vertical {
        width: auto;
        min-width: 40;
        max-width: 90%;
        height: auto;
        max-height: 90%;
        padding: 0 2;
        border: round $primary;
        background: $surface;
    }
    & .dialog--title { text-style: bold; width: auto; max-width: 100%; max-height: 2; margin-bottom: 1; }
    & .dialog--line { width: auto; max-width: 100%; }
    & > Vertical > VerticalScroll { width: auto; max-width: 100%; height: auto; }
    & .dialog--buttons { width: auto; min-width: 100%; height: auto; align-horizontal: right; margin-top: 1; }
    & Button { margin-left: 2; min-width: 8; }
"""
PAUSE = 0.5
"""Seconds without a key after which nobody is typing any more."""
_AROUND_LINES = 7
"""Rows of the box that are no lines of it: the border, the title, the answers, and what parts them."""


class ConfirmDialog(ModalScreen[str | None]):
    """Asks; dismissed with the name of the chosen answer, or None. Each answer's first letter chooses it, too.

    Args:
        title: one line; like `lines` it is shown as text, not as markup.
        answers: (name, label), the first has the focus.
        danger: the answer that takes something away; no key that was typed before the question gives it.
        unasked: whether it comes by itself, upon somebody who may be typing: no key is an answer until a PAUSE.
        about_build: whether the question is of a running build, and of no use when that has ended.
    """

    DEFAULT_CSS = f"ConfirmDialog {{ {_BOX} }}"
    BINDINGS = [
        Binding("escape", "answer", "Back"),
        Binding("left,up,h,k,shift+tab", "app.focus_previous", "Previous", show=False),
        Binding("right,down,l,j,tab", "app.focus_next", "Next", show=False),
        Binding("pageup", "scroll_lines('page_up')", "Page up", show=False),
        Binding("pagedown", "scroll_lines('page_down')", "Page down", show=False),
        Binding("home", "scroll_lines('home')", "First line", show=False),
        Binding("end", "scroll_lines('end')", "Last line", show=False),
    ]

    def __init__(
        self,
        title: str,
        lines: Sequence[str],
        answers: Sequence[tuple[str, str]],
        *,
        danger: str | None = None,
        unasked: bool = False,
        about_build: bool = False,
    ) -> None:
        super().__init__()
        self.about_build = about_build
        self._title = title
        self._lines = list(lines)
        self._answers = list(answers)
        self._danger = danger
        self._asked_at = get_time()
        self._quiet_at = self._asked_at + PAUSE if unasked else 0.0

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(one_line(self._title), classes="dialog--title", markup=False)
            with VerticalScroll(can_focus=False):
                for line in self._lines:
                    yield Static(one_line(line), classes="dialog--line", markup=False)
            with Horizontal(classes="dialog--buttons"):
                for at, (name, label) in enumerate(self._answers):
                    variant = "error" if name == self._danger else "primary" if at == 0 else "default"
                    yield Button(label, variant=variant, id=f"answer-{name}", compact=True)  # type: ignore[arg-type]

    def on_mount(self) -> None:
        letters: set[str] = set()
        for name, label in self._answers:
            letter = label[:1].lower()
            if letter not in letters | {"h", "j", "k", "l"}:
                letters.add(letter)
                self._bindings.bind(letter, f"answer('{name}')", show=False)
        self.query(Button).first().focus()

    def on_key(self, event: events.Key) -> None:
        if event.time < self._quiet_at:
            self._quiet_at = event.time + PAUSE
            event.stop()
        elif self._danger is not None and event.time < self._asked_at:
            event.stop()

    def on_resize(self, event: events.Resize) -> None:
        """Leaves room for the answers, however many lines there are."""
        self.query_one(VerticalScroll).styles.max_height = max(1, event.size.height * 9 // 10 - _AROUND_LINES)

    def action_scroll_lines(self, where: str) -> None:
        lines = self.query_one(VerticalScroll)
        scroll = {
            "page_up": lines.scroll_page_up,
            "page_down": lines.scroll_page_down,
            "home": lines.scroll_home,
            "end": lines.scroll_end,
        }[where]
        scroll(animate=False)

    def action_answer(self, name: str | None = None) -> None:
        self.answer(name)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.answer((event.button.id or "").removeprefix("answer-"))

    def answer(self, name: str | None) -> None:
        """Ends the question with that answer."""
        self.dismiss(name)


class PromptDialog(ModalScreen[str | None]):
    """Asks for a line; dismissed with it, or None. `complaint(text)` says why it will not do, "" where it will."""

    DEFAULT_CSS = f"""
    PromptDialog {{
        {_BOX}
        & > Vertical {{ width: 70; }}
        & Input {{ width: 100%; }}
        & .dialog--complaint {{ height: auto; min-height: 1; color: $text-error; }}
    }}
    """
    BINDINGS = [Binding("escape", "back", "Back")]

    def __init__(self, title: str, value: str, placeholder: str, complaint: Callable[[str], str]) -> None:
        super().__init__()
        self._title = title
        self._value = value
        self._placeholder = placeholder
        self._complaint = complaint

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(one_line(self._title), classes="dialog--title", markup=False)
            line = Input(self._value, placeholder=self._placeholder, compact=True)
            line.cursor_blink = False
            yield line
            yield Static("", classes="dialog--complaint", markup=False)
            yield Static("enter: do it · escape: back", classes="dialog--line", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._say(self._complaint(event.value) if event.value else "")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        why = self._complaint(event.value)
        if why:
            self._say(why)
        else:
            self.dismiss(event.value)

    def _say(self, why: str) -> None:
        self.query_one(".dialog--complaint", Static).update(one_line(why))

    def action_back(self) -> None:
        self.dismiss(None)
