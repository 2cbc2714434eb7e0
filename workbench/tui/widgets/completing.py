"""Completion in an editor: when it opens, what its keys do, and putting what was chosen into the text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.geometry import Offset
from textual.worker import Worker

from workbench.dockerfile.complete import Candidate, complete
from workbench.dockerfile.surroundings import NOTHING, Surroundings
from workbench.tui.widgets.completion import Completion

if TYPE_CHECKING:
    from workbench.tui.widgets.editor import DockerfileEditor

_OPENS_ON = "$-=/,.:_{"
"""What may be typed, besides letters and digits, to be offered something."""


class Completing:
    """Belongs to one editor. `around` says what the engine and the context have."""

    def __init__(self, editor: DockerfileEditor, popup: Completion) -> None:
        self.editor = editor
        self.popup = popup
        self.around: Callable[[], Surroundings] = lambda: NOTHING
        self._offered_at = (-1, -1)

    async def key(self, key: str, character: str | None) -> bool:
        """Whether the key was the popup's. Other keys close it or, typed text, make it look anew."""
        popup = self.popup
        if popup.is_open:
            moves = {"down": 1, "up": -1, "pagedown": 8, "pageup": -8}
            if key in moves:
                popup.move(moves[key])
                return True
            if key == "escape":
                popup.close()
                return True
            if key in ("tab", "enter") and self._offered_at != self.editor.cursor_location:
                await self._offer(popup.touched)  # more was typed since
            chosen = popup.chosen
            if chosen is not None and (key == "tab" or (key == "enter" and popup.taken_by_enter)):
                self.take(chosen)
                return True
        plain = not key.startswith(("alt+", "ctrl+"))  # Textual gives alt+o the character o
        word = plain and character is not None and (character.isalnum() or character in _OPENS_ON)
        if word or (key == "backspace" and popup.is_open):
            self.editor.call_after_refresh(self.ask)
        else:
            popup.close()
        return False

    def ask(self, *, wanted: bool = False) -> None:
        """Offers what may stand here; `wanted` where the person asked for it."""
        if not self.editor.read_only:
            _: Worker[None] = self.editor.run_worker(
                partial(self._offer, wanted), group="completion", exclusive=True, exit_on_error=False,
                description="look for completions",
            )  # fmt: skip

    async def _offer(self, wanted: bool) -> None:
        editor = self.editor
        text, (row, column) = editor.text, editor.cursor_location
        found = await asyncio.to_thread(complete, text, row + 1, column + 1, self.around())
        if text != editor.text or (row, column) != editor.cursor_location or not editor.has_focus:
            return
        if (
            not wanted
            and found
            and not found[0].replaces
            and text[:1]
            and editor.get_text_range((row, max(0, column - 1)), (row, column)) not in tuple("$=/,{")
        ):
            found = []
        screen = editor.screen.size
        cursor = Offset(*editor.cursor_screen_offset)
        touched = wanted or (self.popup.is_open and self.popup.touched)
        self._offered_at = (row, column)
        self.popup.offer(found, cursor, screen, touched=touched)

    def take(self, candidate: Candidate) -> None:
        """In place of the word before the cursor, as one step of undo; goes on where more follows."""
        editor = self.editor
        self.popup.close()
        row, column = editor.cursor_location
        text = candidate.text
        if candidate.kind == "instruction":
            text += " "
        if candidate.kind == "variable" and column > candidate.replaces:
            before = editor.document.get_line(row)[: column - candidate.replaces]
            after = editor.document.get_line(row)[column:]
            text += "}" if before.endswith("${") and not after.startswith("}") else ""
        editor.history.checkpoint()
        editor.replace(text, (row, column - candidate.replaces), (row, column), maintain_selection_offset=False)
        editor.move_cursor((row, column - candidate.replaces + len(text)))
        editor.history.checkpoint()
        if text.endswith(("=", "/")):
            editor.call_after_refresh(self.ask)
