"""The line at the top: engine, context, watching or not, the revision being built and the revision saved."""

from __future__ import annotations

from pathlib import Path

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from workbench.build.loop import LoopState
from workbench.build.text import one_line
from workbench.tui.naming import short_path

_LEGIBLE = 16
"""Cells of the context's path that say more than the engine's version does."""


def title_text(
    engine: str, context: Path, state: LoopState, *, unsaved: bool, width: int, version: str = "", away: bool = False
) -> str:
    """One line of at most `width` cells; where it is too long the front of the context's path is cut, and before that
    becomes too short, the engine's version goes."""
    watching = {"on": "watching", "focus": "watching on focus", "off": "not watching"}[state.mode]
    right = f"{build_text(state)} · saved r{state.saved}{' · unsaved •' if unsaved else ''}"
    place = one_line(short_path(context))
    silent = " gives no answer" if away else ""
    exact = f"{engine} {one_line(version.partition('+')[0])}".strip()  # after the + Debian counts its own builds
    left = f"workbench  {exact}{silent} · {place} · {watching}"
    if len(left) + 2 + len(right) > width:
        most = width - len(f" ·  · {watching}  {right}{silent}")
        fits = len(exact) + min(len(place), _LEGIBLE) <= most
        keep = max(most - len(exact if fits else engine) - 1, 8)
        place = f"…{place[-keep:]}" if keep < len(place) - 1 else place
        left = f"{exact if fits else engine}{silent} · {place} · {watching}"
    return f"{left}{' ' * max(2, width - len(left) - len(right))}{right}"


def build_text(state: LoopState) -> str:
    """`building r8`, `built r8`, `r8 failed`, `not built`."""
    if state.building is not None:
        return f"building r{state.building}"
    if state.ended is not None and state.outcome in ("failed", "cancelled"):
        return f"r{state.ended} {state.outcome}"
    return f"built r{state.built}" if state.built is not None else "not built"


class TitleLine(Widget):
    """Shows `title_text` and keeps it to one line at any width."""

    DEFAULT_CSS = """
    TitleLine {
        height: 1;
        padding: 0 1;
        background: $panel;
        color: $foreground;
        text-style: bold;
        &.-failed { background: $error; color: $text; }
    }
    """

    engine: reactive[str] = reactive("")
    version: reactive[str] = reactive("")
    """Of the engine; empty until it has told, and where it has none."""
    away: reactive[bool] = reactive(False)
    """Whether the engine gives no answer."""
    context: reactive[Path] = reactive(Path())
    state: reactive[LoopState] = reactive(LoopState())
    unsaved: reactive[bool] = reactive(False)

    def watch_state(self, state: LoopState) -> None:
        self.set_class(state.building is None and state.outcome == "failed", "-failed")

    def render(self) -> Content:
        return Content(
            title_text(
                self.engine, self.context, self.state, unsaved=self.unsaved, width=self.size.width,
                version=self.version, away=self.away,
            )
        )  # fmt: skip
