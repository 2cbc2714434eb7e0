"""Which of the four panels is the active one, and where the focus goes in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widget import Widget

from workbench.tui.widgets.panel import PANELS, Strip

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp


class ActivePanel:
    """Bound to one app. `name` is of PANELS."""

    def __init__(self, app: WorkbenchApp) -> None:
        self.name = "dockerfile"
        self._app = app

    def activate(self, name: str, *, last: bool = False) -> None:
        """Makes that panel the active one, and puts the focus into it: into the `last` of its places, or the first."""
        self.mark(name)
        self._app.typed.hold("panel")  # what is typed now is meant for that panel
        self._app.call_after_refresh(self._arrive, name, last)

    def _arrive(self, name: str, last: bool) -> None:
        self.enter(name, last=last)
        self._app.typed.let_go("panel")

    def enter(self, name: str, *, last: bool = False) -> None:
        """Puts the focus into that panel, as it is on the screen now."""
        targets = self._app.workspace.box(name).focus_targets()
        if targets:
            self._app.base.set_focus(targets[-1 if last else 0])

    def mark(self, name: str) -> None:
        """That panel is the active one; the focus stays where it is."""
        live = self._app.live
        if live is not None and self.name == "dockerfile" != name:
            live.loop.attend()  # who leaves the editor looks at what it makes
        self.name = name
        self._app.workspace.mark_active(name)
        for strip in self._app.base.query(Strip):
            strip.set_class(strip.panel_name == name, "-active")

    def step(self, by: int) -> None:
        """`tab`: the next place in this panel, else the next panel. With -1 the one before."""
        targets: list[Widget] = self._app.workspace.box(self.name).focus_targets()
        focused = self._app.focused
        place = targets.index(focused) + by if focused in targets else -1
        if 0 <= place < len(targets):
            targets[place].focus()
        else:
            self.activate(PANELS[(PANELS.index(self.name) + by) % len(PANELS)], last=by < 0)
