"""Every action of the images panel by its name and its key, for whoever does not know the keys."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.keys import format_key
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from workbench.build.text import one_line
from workbench.tui.keys import actions_of
from workbench.tui.widgets.images_panel import ImagesPanel

_NOT_HERE = ("ask('menu')", "ask_search", "mark", "mark_all", "back")
"""What is done in the list itself."""


class ImageMenu(ModalScreen[str | None]):
    """Dismissed with the action that was chosen, or None. A letter of the panel chooses its action here too."""

    DEFAULT_CSS = """
    ImageMenu {
        align: center middle;
        & > Vertical {
            width: 48; height: auto; max-height: 90%; border: round $primary; background: $surface; padding: 0 1;
        }
        & OptionList { height: auto; max-height: 100%; padding: 0; background: $surface; &, &:focus { border: none; } }
    }
    """
    BINDINGS = [Binding("escape,q,m", "dismiss", "Close"), Binding("j", "move(1)", "Down", show=False),
                Binding("k", "move(-1)", "Up", show=False)]  # fmt: skip

    def __init__(self, title: str, panel: ImagesPanel) -> None:
        super().__init__()
        self._title = title
        self._actions = [it for it in actions_of(panel) if it.action not in _NOT_HERE]

    def compose(self) -> ComposeResult:
        with Vertical():
            width = 32
            yield OptionList(
                *(Option(f"{it.description:<{width}}{format_key(it.key.partition(',')[0])}", id=str(at))
                  for at, it in enumerate(self._actions)), markup=False,
            )  # fmt: skip

    def on_mount(self) -> None:
        self.query_one(Vertical).border_title = Content(one_line(self._title))
        self.query_one(OptionList).focus()
        for it in self._actions:
            for key in it.key.split(","):
                if key not in ("enter", "j", "k", "m", "escape"):
                    self._bindings.bind(key, f"choose({it.action!r})", show=False)

    def action_move(self, by: int) -> None:
        options = self.query_one(OptionList)
        (options.action_cursor_down if by > 0 else options.action_cursor_up)()

    def action_choose(self, action: str) -> None:
        self.dismiss(action)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._actions[event.option_index].action)
